"""Rows that teach the same as one before them: the same words, nearly the same words, or a paraphrase.

duplicates = find_duplicates(examples, Analyzer("es"), embedder)      # {row number: Duplicate(of, reason)}

Two rows with one answer and two questions are no duplicates: they are linked (`near_duplicates.NEAR`) and stay in one part of
the split. A near-duplicate asks the same as well, and names the same numbers and codes.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.embedders import Embedder, Vectors
from retrieval.lexical import Analyzer
from retrieval.text import fold_accents
from retrieval.vectors import VectorPool, text_key
from training.data_preparation.grounding import numbers_in
from training.data_preparation.near_duplicates import NEAR, Ints, NearPairs, jaccard, near_pairs, term_sets
from training.example import Example

SAME_QUESTION = 0.9
"""Jaccard of the questions' content terms: one plant's name for another in a question of ten words is 0.82."""
PARAPHRASE_FROM = 0.6  # Jaccard of whole rows from which two are looked at as paraphrases of each other
SAME_MEANING = 0.95
"""Cosine of questions, and of answers. With the packaged embedder two questions on different plants in one Spanish wording
reach 0.9, so that anything lower would drop rows that teach different things."""

_WORD = re.compile(r"\w+")
_CODE = re.compile(r"\b(?:[A-Z]+|\w*\d\w*)\b")


@dataclass(frozen=True, slots=True)
class Duplicate:
    """`of` is the number of the row that is kept."""

    of: int
    reason: str


def find_duplicates(
    examples: Sequence[Example], analyzer: Analyzer, embedder: Embedder | None = None, cache: Path | None = None
) -> dict[int, Duplicate]:
    """Rows to leave out, by number: the first of several alike stays. `cache` is a folder for vectors of texts seen before."""
    found = _exact(examples)
    rest = [number for number in range(len(examples)) if number not in found]
    rows = [examples[number] for number in rest]
    floor = PARAPHRASE_FROM if embedder else NEAR
    near = near_pairs(term_sets((text_of(row) for row in rows), analyzer), floor)
    questions = jaccard(term_sets((question_of(row) for row in rows), analyzer), near.pairs)
    close = near.similarity >= NEAR - 1e-12
    asked = close & (questions >= SAME_QUESTION) if embedder is None else np.ones(len(close), np.bool_)
    same = _same_marks(rows, near.pairs, asked)
    alike = close & (questions >= SAME_QUESTION) & same
    meaning = np.zeros(len(alike), np.bool_)
    if embedder is not None:
        meaning = _paraphrases(rows, near, ~alike & same, embedder, cache)
    dropped: dict[int, Duplicate] = {}
    for place in np.flatnonzero(alike | meaning).tolist():
        first, second = near.pairs[place].tolist()
        if first not in dropped and second not in dropped:
            kind = "near-duplicate" if alike[place] else "paraphrase"
            dropped[second] = Duplicate(rest[first], f"{kind} (Jaccard {near.similarity[place]:.2f})")
    return found | {rest[number]: duplicate for number, duplicate in dropped.items()}


def text_of(example: Example) -> str:
    """What two rows are compared by: the question with what was asked before it, and the answer."""
    return f"{question_of(example)}\n{example.answer}"


def question_of(example: Example) -> str:
    """The question with the user's turns before it: `¿Y es tóxica?` alone asks nothing."""
    return "\n".join([*(text for role, text in example.history if role == "user"), example.question])


def _same_marks(rows: Sequence[Example], pairs: Ints, asked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which of the `asked` pairs have the same marks."""
    marks = {number: marks_of(rows[number]) for number in np.unique(pairs[asked]).tolist()}
    same = np.zeros(len(pairs), np.bool_)
    same[asked] = [marks[a] == marks[b] for a, b in pairs[asked].tolist()]
    return same


def marks_of(example: Example) -> tuple[frozenset[str], frozenset[str]]:
    """What tells two rows of one wording apart: numbers and codes (type D, 1E, IVA) of the question, numbers of the answer."""
    question = question_of(example)
    return frozenset([*numbers_in(question), *_CODE.findall(question)]), frozenset(numbers_in(example.answer))


def _exact(examples: Sequence[Example]) -> dict[int, Duplicate]:
    """Rows with the very words of one before: case, accents and punctuation do not count."""
    seen: dict[tuple[str, str], int] = {}
    found: dict[int, Duplicate] = {}
    for number, example in enumerate(examples):
        first = seen.setdefault((_words(question_of(example)), _words(example.answer)), number)
        if first != number:
            found[number] = Duplicate(first, "duplicate")
    return found


def _words(text: str) -> str:
    words = _WORD.findall(fold_accents(text.lower(), keep="ñ"))
    return " ".join(words) or text.strip()  # a row of signs alone is its signs


def _paraphrases(
    rows: Sequence[Example], near: NearPairs, asked: NDArray[np.bool_], embedder: Embedder, cache: Path | None
) -> NDArray[np.bool_]:
    """Which of the `asked` pairs mean the same. Rows that are alike on purpose are left out."""
    chosen = [p for p in np.flatnonzero(asked).tolist() if not _varied(*(rows[n] for n in near.pairs[p].tolist()))]
    result = np.zeros(len(asked), np.bool_)
    for said in (question_of, _answer_of):  # answers are long: only those whose questions mean the same are embedded
        numbers = sorted({n for place in chosen for n in near.pairs[place].tolist()})
        vectors = embed_once([said(rows[n]) for n in numbers], embedder, cache)
        position = {number: place for place, number in enumerate(numbers)}
        pairs = {place: [position[n] for n in near.pairs[place].tolist()] for place in chosen}
        chosen = [place for place, (a, b) in pairs.items() if vectors[a] @ vectors[b] >= SAME_MEANING]
    result[chosen] = True
    return result


def _answer_of(example: Example) -> str:
    return example.answer


def _varied(first: Example, second: Example) -> bool:
    """Whether two rows are alike on purpose: two templates, a row and its parent, or on two subjects that only names tell."""
    if first.origin == second.origin == "template" or not (first.answerable and second.answerable):
        return True
    kin = first.id in second.parents or second.id in first.parents or not set(first.parents).isdisjoint(second.parents)
    apart = bool(first.sections and second.sections) and set(first.sections).isdisjoint(second.sections)
    return kin or apart


def embed_once(texts: Sequence[str], embedder: Embedder, cache: Path | None) -> Vectors:
    """Vectors of `texts`; those of texts met before come from the cache."""
    distinct = {text_key(text): text for text in texts}
    if not texts:
        return np.zeros((0, embedder.dimension), np.float32)
    if cache is None:
        made = dict(zip(distinct, embedder.embed_passages(list(distinct.values())), strict=True))
        return np.stack([made[text_key(text)] for text in texts])
    pool = VectorPool(cache, embedder.fingerprint, embedder.dimension)
    keys = np.array(list(distinct), np.uint64)
    missing = keys[pool.rows_of(keys) < 0].tolist()
    if missing:
        pool.append(missing, embedder.embed_passages([distinct[key] for key in missing]))
    rows = pool.rows_of(np.array([text_key(text) for text in texts], np.uint64))
    return np.asarray(pool.vectors()[rows], np.float32)
