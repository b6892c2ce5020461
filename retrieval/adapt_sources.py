"""What a domain's models are adapted on, and the questions about held-out documents that judge them.

hidden = choose_held_out(view, 0.25)
pairs, queries = training_pairs(index, view, hidden), held_out_queries(index, view, hidden)
"""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from retrieval.adapt import LEAST_QUESTIONS
from retrieval.adapt_pairs import Asked, Pair, build_pairs, heading_questions, sentence_questions, spread
from retrieval.console import say
from retrieval.domain import GoldQuestion
from retrieval.evaluate import Query, gold_queries
from retrieval.index import Index
from retrieval.view import View
from retrieval.wiring import domain_rewriter

MOST_PAIRS = 4_000  # more add minutes and no quality
ENOUGH_GOLD = 50  # people's questions that can show a gain of a few hundredths by themselves
MOST_HEADINGS = 500  # that judge where nobody has asked anything
PEOPLE_TIMES = 4  # how often a pack's own pairs are learnt: nothing else is worded as people ask
FEW_ROWS = 200  # questions of the training set below which sentences are used as questions too


def training_pairs(index: Index, view: View, held_out: frozenset[str]) -> list[Pair]:
    """Pairs of the documents that are not held out: the built training set's questions, the pack's `pairs.jsonl`, headings
    with names, and sentences where there are few questions."""
    config = index.domain.config
    rows = list(read_asked(index.settings.build_dir / index.domain.name / "split" / "train.jsonl"))
    people = [Asked(pair.question, pair.relevant) for pair in index.domain.pairs() if not pair.history]
    if not rows and not people:
        say("No training set has been built (savia dataset build); learning from headings and sentences alone.")
    rows += people * PEOPLE_TIMES
    asked = [*rows, *heading_questions(view, config.sections, config.name_fields)]
    pairs = build_pairs(view, spread(asked, MOST_PAIRS), held_out)
    if len(rows) < FEW_ROWS:
        pairs.extend(sentence_questions(view, held_out, MOST_PAIRS))
    return spread(pairs, MOST_PAIRS)


def held_out_queries(index: Index, view: View, held_out: frozenset[str]) -> list[Query]:
    """Gold questions whose sections all stand in held-out documents; where they are few, the training set's questions as well,
    and where there are none either, headings with names.

    People's questions alone judge where there are enough of them: on herbolaria, rows from templates rose by 0.035 nDCG@10 where
    people's questions did not move.
    """

    def is_held_out(query: Query) -> bool:
        return all(unit.partition("#")[0] in held_out for unit in query.relevant)

    gold = list(filter(is_held_out, _gold(index, view, lambda question: True)))
    if len(gold) >= ENOUGH_GOLD:
        return gold
    split, config = index.settings.build_dir / index.domain.name / "split", index.domain.config
    rows = [one for name in ("train", "validation", "test") for one in read_asked(split / f"{name}.jsonl")]
    found = [*gold, *filter(is_held_out, _as_queries(rows, "row"))]
    if len(found) < LEAST_QUESTIONS:
        say("There are no questions about the held-out documents; their headings and names judge.")
        headings = heading_questions(view, config.sections, config.name_fields)
        found += spread(list(filter(is_held_out, _as_queries(headings, "heading"))), MOST_HEADINGS)
    return found


def calibration_queries(index: Index, view: View, held_out: frozenset[str]) -> list[Query]:
    """The pack's calibration questions about documents that are not held out."""
    return _gold(index, view, lambda asked: asked.split == "calibration" and is_outside(asked, held_out))


def is_outside(question: GoldQuestion, held_out: frozenset[str]) -> bool:
    """Whether no section that answers it stands in a held-out document."""
    return not any(unit.partition("#")[0] in held_out for unit in question.relevant)


def _gold(index: Index, view: View, use: Callable[[GoldQuestion], bool]) -> list[Query]:
    """Answerable gold questions that can stand alone."""
    rewriter = domain_rewriter(index.domain, view)

    def rewrite(question: GoldQuestion) -> str:
        return rewriter.rewrite(question.question, question.history)

    return gold_queries(list(filter(use, index.domain.questions())), rewrite)


def _as_queries(rows: Iterable[Asked], kind: str) -> Iterator[Query]:
    for number, one in enumerate(rows):
        yield Query(f"{kind}:{number}", one.question, dict.fromkeys(one.sections, 1), kind)


def read_asked(path: Path) -> Iterator[Asked]:
    """Questions that can stand alone, with their sections, of one part of the training set; nothing where it was not built."""
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").split("\n"):
        row = json.loads(line) if line.strip() else {}
        if row.get("sections") and not row.get("history") and len(row["sections"]) == 1:
            yield Asked(str(row["question"]), tuple(row["sections"]))
