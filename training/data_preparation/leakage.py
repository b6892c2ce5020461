"""Whether anything that is learnt from is asked again: sources, parents and near-duplicates across the parts of a split.

savia dataset split --check train.jsonl validation.jsonl test.jsonl
check_leakage({"train": [...], "test": [...]}, gold, Analyzer("es"))        # raises GateRefused with the pairs
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from retrieval.domain import Domain, GoldQuestion
from retrieval.errors import GateRefused
from retrieval.lexical import Analyzer
from training.data_preparation.components import names_of, question_names
from training.data_preparation.duplicates import question_of, text_of
from training.data_preparation.near_duplicates import NEAR, near_pairs, term_sets
from training.example import Example, make_example

MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Leak:
    """Two rows of two parts, or a training row and a gold question, and what they share."""

    first: str
    second: str
    reason: str

    def __str__(self) -> str:
        return f"{self.first} and {self.second}: {self.reason}"


def find_leaks(parts: Mapping[str, Sequence[Example]], gold: Sequence[GoldQuestion], analyzer: Analyzer) -> list[Leak]:
    """Every pair of rows in two parts with the same id, question, section or parent, or that are near; training rows near `gold`."""
    rows = [(part, row) for part, examples in parts.items() for row in examples]
    leaks = _shared_names(rows)
    near = near_pairs(term_sets((text_of(row) for _, row in rows), analyzer))
    for (a, b), similarity in zip(near.pairs.tolist(), near.similarity.tolist(), strict=True):
        if rows[a][0] != rows[b][0]:
            leaks.append(Leak(_called(rows[a]), _called(rows[b]), f"near-duplicates (Jaccard {similarity:.2f})"))
    train = list(parts.get("train", ()))
    for number, (question, similarity) in near_gold(train, gold, analyzer).items():
        reason = f"the training row asks a gold question (Jaccard {similarity:.2f})"
        leaks.append(Leak(_called(("train", train[number])), f"gold {question}", reason))
    return leaks


def check_leakage(parts: Mapping[str, Sequence[Example]], gold: Sequence[GoldQuestion], analyzer: Analyzer) -> None:
    """Raises `GateRefused` with the pairs when anything leaks."""
    leaks = find_leaks(parts, gold, analyzer)
    if leaks:
        shown = "\n  - ".join(str(leak) for leak in leaks[:MOST_SHOWN])
        more = f"\n  ... and {len(leaks) - MOST_SHOWN} more" if len(leaks) > MOST_SHOWN else ""
        raise GateRefused(
            f"{len(leaks)} pairs of rows leak from one part of the split into another:\n  - {shown}{more}",
            "Split them again: savia dataset split",
        )


def near_gold(
    examples: Sequence[Example], gold: Sequence[GoldQuestion], analyzer: Analyzer
) -> dict[int, tuple[str, float]]:
    """Rows that nearly ask a gold TEST question, or ask any other gold question word for word: number of the row -> (gold id,
    Jaccard). No pair is missed."""
    from scipy.sparse import csr_array

    others = {name: question.id for question in gold if question.split != "test" for name in _asked_alike(question)}
    same = {
        number: (others[name], 1.0)
        for number, example in enumerate(examples)
        for name in question_names(example)
        if name in others
    }
    asked = [question for question in gold if question.split == "test"]
    if not asked or not examples:
        return same
    texts = ["\n".join([*(t for role, t in g.history if role == "user"), g.question]) for g in asked]
    sets = term_sets([*texts, *(question_of(example) for example in examples)], analyzer)
    shape = (len(sets), max(1, len(sets.hashes)))
    matrix = csr_array((np.ones(len(sets.terms), np.int32), sets.terms, sets.starts), shape=shape)
    shared = (matrix[len(asked) :] @ matrix[: len(asked)].T).tocoo()
    sizes = sets.sizes
    found: dict[int, tuple[str, float]] = {}
    for row, column, count in zip(*(part.tolist() for part in (*shared.coords, shared.data)), strict=True):
        similarity = count / (sizes[len(asked) + row] + sizes[column] - count)
        if similarity >= NEAR - 1e-12 and similarity > found.get(row, ("", 0.0))[1]:
            found[row] = (asked[column].id, float(similarity))
    return dict(sorted({**same, **found}.items()))


def judging_questions(domain: Domain) -> list[GoldQuestion]:
    """Everything that a pack is measured with: its gold questions, and its benchmark questions as test questions."""
    benchmark = enumerate(domain.config.benchmark_questions, 1)
    extra = [GoldQuestion(f"benchmark-{number}", one.question, "direct", (), "test") for number, one in benchmark]
    return [*domain.questions(), *extra]


def _asked_alike(question: GoldQuestion) -> list[str]:
    """The name that a training row with the same question has; a follow-up's words alone ask nothing."""
    return [] if question.history else question_names(make_example(question.question, ""))


def _shared_names(rows: Sequence[tuple[str, Example]]) -> list[Leak]:
    """For each name, one pair of rows for every two parts that share it."""
    holders: dict[str, dict[str, Example]] = {}
    for part, row in rows:
        for name in (*names_of(row), *question_names(row), f"zrow {row.id}"):
            holders.setdefault(name, {}).setdefault(part, row)
    return [
        Leak(
            _called(first),
            _called(second),
            f"both have {name.replace('zrow', 'the row').replace('xquestion', 'the question')}",
        )
        for name, held in sorted(holders.items())
        for first, second in combinations(held.items(), 2)
    ]


def _called(row: tuple[str, Example]) -> str:
    return f"{row[0]} {row[1].id}"
