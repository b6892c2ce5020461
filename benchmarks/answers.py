"""The shipped pack, asked its own gold questions: sections found, questions answered or refused, citations, warnings.

    python -m benchmarks answers

Only the test half of the questions counts, but for the citations: every answerable question's answer is checked.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assistant.answer import Answer, Assistant
from assistant.citations import plain
from assistant.safety import WARNING_FIELD
from assistant.settings import AssistantSettings
from assistant.wiring import build_assistant
from benchmarks.report import Row
from benchmarks.workspace import ROOT, Workspace
from retrieval.documents import document_id
from retrieval.domain import GoldQuestion
from retrieval.significance import LEVEL, loss_probability
from retrieval.wiring import build_embedder

RECALL_BOUNDS = {"all": 0.92, "other_words": 0.80, "misspelled": 0.90, "follow_up": 0.85}
LEAST_RIGHT, MOST_OFF_TOPIC, MOST_NEAR_MISSES = 0.93, 0.05, 0.20
COMPARISONS, FEWEST_ALARMS, MOST_ALARMS = 200, 0.02, 0.09
RED_FLAGS = ROOT / "benchmarks" / "red_flags.jsonl"
_MARK = re.compile(r"\s*\[(\d{1,3})\]")
_LINE_LABEL = re.compile(r"^(?:- )?\*\*[^*]+\*\*: ")


@dataclass(frozen=True)
class _Asked:
    gold: GoldQuestion
    answer: Answer


def run(workspace: Workspace) -> Iterator[Row]:
    workspace.copy_herbolaria()
    rows = _evaluated(workspace)
    yield from _recall(rows)
    yield _false_alarms(rows)
    settings = workspace.settings("herbolaria")
    embedder = build_embedder(settings)
    assistant = build_assistant("herbolaria", settings, AssistantSettings(backend="extractive"), embedder)
    asked = [_Asked(gold, assistant.ask(gold.question, gold.history).run()) for gold in assistant.domain.questions()]
    test = [one for one in asked if one.gold.split == "test"]
    yield from _decisions(test)
    yield _verbatim([one for one in asked if one.gold.answerable and not one.answer.abstained])
    yield from _warnings(assistant, test)


def _evaluated(workspace: Workspace) -> list[dict[str, Any]]:
    file = workspace.folder / "herbolaria-rows.jsonl"
    command = ["evaluate", "retrieval", "--domain", "herbolaria", "--split", "test", "--retriever", "hybrid"]
    workspace.savia(*command, "--rows", str(file), "--json")
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def _false_alarms(rows: Sequence[dict[str, Any]]) -> Row:
    """The gate's test between two runs that differ by chance alone: each draws its scores from the same questions' scores."""
    random = np.random.default_rng(11)
    scores = np.array([row["metrics"]["ndcg@10"] for row in rows])
    alarms = [
        loss_probability((random.choice(scores, len(scores)) - random.choice(scores, len(scores))).tolist()) <= LEVEL
        for _ in range(COMPARISONS)
    ]
    share = float(np.mean(alarms))
    return Row(
        f"false alarms of the gate at {LEVEL:.0%}, {COMPARISONS} resampled comparisons without a difference",
        f"{share:.1%}",
        f"{FEWEST_ALARMS:.0%} to {MOST_ALARMS:.0%}",
        FEWEST_ALARMS <= share <= MOST_ALARMS,
        {"share": share, "comparisons": COMPARISONS},
    )


def _recall(rows: Sequence[dict[str, Any]]) -> Iterator[Row]:
    """How much of what is asked stands among the first five sections.

    Each section listed with a question answers it, so one of them is enough; a question of several things needs all of its
    sections. The share of all listed sections, however many say the same, is shown beside it.
    """
    for kind, bound in RECALL_BOUNDS.items():
        asked = [(row["kind"], row["metrics"]["recall@5"]) for row in rows if kind in ("all", row["kind"])]
        found = float(np.mean([share if one == "several" else share > 0 for one, share in asked]))
        listed = float(np.mean([share for _, share in asked]))
        yield Row(
            f"herbolaria, test half, recall@5 of the relevant section: {kind.replace('_', ' ')}",
            f"{found:.3f} ({listed:.3f} of all listed sections; {len(asked)} questions)",
            f">= {bound:.2f}",
            found >= bound,
            {"found@5": found, "recall@5": listed, "questions": len(asked)},
        )


def _decisions(asked: Sequence[_Asked]) -> Iterator[Row]:
    right = [one.answer.abstained != one.gold.answerable for one in asked]
    yield _share("herbolaria, test half: answered or refused correctly", right, LEAST_RIGHT, least=True)
    for kind, bound in (("off_topic", MOST_OFF_TOPIC), ("near_miss", MOST_NEAR_MISSES)):
        answered = [not one.answer.abstained for one in asked if one.gold.kind == kind]
        yield _share(f"herbolaria, test half: {kind.replace('_', ' ')} answered", answered, bound, least=False)


def _verbatim(asked: Sequence[_Asked]) -> Row:
    """Every sentence of an answer that carries a mark stands word for word in the passage that the mark names.

    Compared as running text: without emphasis, link targets and line breaks. A list line's bold title is a label.
    """
    checked = [_stands(claim, number, one.answer) for one in asked for claim, number in cited_parts(one.answer.text)]
    share = float(np.mean(checked)) if checked else 0.0
    return Row(
        f"cited sentences that stand verbatim in the cited passage (extractive, {len(asked)} answers)",
        f"{share:.2%} of {len(checked)}",
        "100 %",
        bool(checked) and all(checked),
        {"share": share, "sentences": len(checked), "answers": len(asked)},
    )


def cited_parts(answer: str) -> list[tuple[str, int]]:
    """What stands between two marks, with the number of the mark after it.

    >>> cited_parts("Calma la tos [1]. Se toma en té [2].")
    [('Calma la tos', 1), ('Se toma en té', 2)]
    """
    parts, start = [], 0
    for mark in _MARK.finditer(answer):
        text = answer[start : mark.start()].lstrip(" .\n")
        parts.append((plain(_LINE_LABEL.sub("", text)), int(mark[1])))
        start = mark.end()
    return parts


def _stands(claim: str, number: int, answer: Answer) -> bool:
    return any(claim and claim in plain(source.text) for source in answer.sources if source.n == number)


def _warnings(assistant: Assistant, asked: Sequence[_Asked]) -> Iterator[Row]:
    """A warning is shown before the answer or the refusal: notices are known before the first piece."""
    dangerous = {
        document_id(document.path)
        for document in (assistant.view.document(row) for row in range(len(assistant.view.documents)))
        if document.fields.get(WARNING_FIELD)
    }
    about = [one for one in asked if any(section.partition("#")[0] in dangerous for section in one.gold.relevant)]
    shown = [bool(one.answer.red_flags) for one in about]
    silent = [one.gold.question for one in about if not one.answer.red_flags]
    what = "questions about dangerous plants, test half: the warning comes first"
    yield _share(what, shown, 1.0, least=True, missed=silent)
    rows = [json.loads(line) for line in RED_FLAGS.read_text(encoding="utf-8").splitlines()]
    flags = [{notice.name for notice in assistant.ask(row["question"]).run().red_flags} for row in rows]
    warned = [row["flag"] in names for row, names in zip(rows, flags, strict=True)]
    unwarned = [row["question"] for row, was in zip(rows, warned, strict=True) if not was]
    yield _share("red-flag questions: the warning comes first", warned, 1.0, least=True, missed=unwarned)


def _share(what: str, values: Sequence[bool], bound: float, least: bool, missed: Sequence[str] = ()) -> Row:
    share = float(np.mean(values)) if values else 0.0
    return Row(
        what,
        f"{share:.1%} of {len(values)}",
        f"{'>=' if least else '<='} {bound:.0%}",
        bool(values) and (share >= bound if least else share <= bound),
        {"share": share, "questions": len(values), **({"missed": list(missed)} if missed else {})},
    )
