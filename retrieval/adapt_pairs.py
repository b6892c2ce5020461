"""What an embedder is adapted on: questions with the passages that answer them, and passages that look as if they did.

    pairs = build_pairs(view, [Asked("¿para qué sirve la ruda?", ("ruda#usos",))], held_out=frozenset({"malva"}))
    pairs[0].question, pairs[0].positive, pairs[0].negatives

Three sources: rows of the training set (or a collection's own judgements), headings and names with their sections, and, where
there is nothing else, a sentence with the rest of its section. The hard negatives are another section of the same document, and what
BM25 finds instead: telling sections of one document apart is what an embedder is worst at.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from retrieval.domain import SectionRule
from retrieval.sentences import sentence_spans
from retrieval.view import View

LEAST_SENTENCES = 3  # a section must be worth finding without the sentence that asks for it
SHORTEST, LONGEST = 30, 300  # characters of a sentence used as a question
ALIASES = 2  # ways of asking for a section, by hash, of those that the pack lists

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with the sections (or documents' only sections) that answer it."""

    question: str
    sections: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """`positive` and `negatives` are texts as they are embedded, with title and headings.

    The negatives are what a reranker learns from; an embedder learns from the passages of its batch (retrieval/adapt_batches.py).
    """

    question: str
    positive: str
    negatives: tuple[str, str]
    document: str
    group: str = ""  # what the document is a part of, if anything


class _Passages:
    """A view's passages by section and group of documents, without those of held-out documents."""

    def __init__(self, view: View, held_out: frozenset[str], group_of: Mapping[str, str] | None) -> None:
        self.view = view
        ids = [view.document(number).id for number in range(len(view.documents))]
        self._groups = [(group_of or {}).get(identity, identity) for identity in ids]
        self.hidden = np.array([identity in held_out for identity in ids], bool)[view.document_rows]
        self.of_section: dict[str, list[int]] = {}
        self._of_group: dict[str, list[int]] = {}
        for row in np.flatnonzero(~self.hidden).tolist():
            self.of_section.setdefault(view.section_of(row)[0], []).append(row)
            self._of_group.setdefault(self._group(row), []).append(row)

    def _group(self, row: int) -> str:
        return self._groups[int(self.view.document_rows[row])]

    def text(self, row: int) -> str:
        return self.view.passage(row).embedded_text

    def best(self, question: str, rows: Sequence[int]) -> int:
        """The passage that shares most with the question."""
        if len(rows) == 1:
            return rows[0]
        scores = self.view.lexical_scores(question)[list(rows)]
        return rows[int(scores.argmax())]

    def negatives(self, question: str, right: set[int]) -> tuple[str, str] | None:
        """Another section of the same document (or group), and BM25's best wrong passage; either stands in for a missing one."""
        sections = {int(self.view.section_rows[row]) for row in right}
        group = self._of_group[self._group(min(right))]
        siblings = [row for row in group if int(self.view.section_rows[row]) not in sections]
        found = [siblings[text_hash(question) % len(siblings)]] if siblings else []
        scores = np.array(self.view.lexical_scores(question))
        scores[list(right | set(found))] = -1
        scores[self.hidden] = -1
        best = int(scores.argmax())
        if scores[best] > 0:
            found.append(best)
        return (self.text(found[0]), self.text(found[-1])) if found else None


def build_pairs(
    view: View, asked: Iterable[Asked], held_out: frozenset[str], group_of: Mapping[str, str] | None = None
) -> list[Pair]:
    """A pair for each question none of whose known sections stands in a held-out document.

    `group_of` maps documents to the larger thing that they are parts of, where sections are documents of their own.
    """
    passages = _Passages(view, held_out, group_of)
    hidden = {view.section_of(row)[0] for row in np.flatnonzero(passages.hidden).tolist()}
    pairs = []
    for one in asked:
        rows = [row for section in one.sections for row in passages.of_section.get(section, ())]
        if not rows or hidden.intersection(one.sections):
            continue
        positive = passages.best(one.question, rows)
        negatives = passages.negatives(one.question, set(rows))
        if negatives:
            document = view.document_of(positive).id
            group = (group_of or {}).get(document, "")
            pairs.append(Pair(one.question, passages.text(positive), negatives, document, group))
    return pairs


def heading_questions(view: View, rules: Mapping[str, SectionRule], name_fields: Sequence[str]) -> Iterator[Asked]:
    """Each section asked for by its document's names and the words that the pack lists for its heading."""
    for number in range(len(view.documents)):
        document = view.document(number)
        values = [document.fields.get(name, []) for name in name_fields]
        names = [document.title, *(name for value in values for name in ([value] if isinstance(value, str) else value))]
        for section_id, path in document.sections:
            heading = path[-1] if path else "top"
            rule = rules.get(heading)
            words = [heading] if path else []
            aliases = rule.aliases if rule else ()
            words += [
                aliases[(text_hash(section_id) + step) % len(aliases)] for step in range(min(ALIASES, len(aliases)))
            ]
            for place, word in enumerate(words):
                yield Asked(f"{word} {names[(text_hash(section_id) + place) % len(names)]}", (section_id,))


def sentence_questions(view: View, held_out: frozenset[str], most: int) -> Iterator[Pair]:
    """A sentence of a passage against the rest of it, of up to `most` passages: for a corpus that nobody has asked about yet."""
    passages = _Passages(view, held_out, None)
    for row in spread(np.flatnonzero(~passages.hidden).tolist(), most):
        passage = view.passage(row)
        spans = [span for span in sentence_spans(passage.text) if SHORTEST <= span[1] - span[0] <= LONGEST]
        if len(spans) < LEAST_SENTENCES:
            continue
        start, end = spans[text_hash(passage.id) % len(spans)]
        question = " ".join(passage.text[start:end].split())
        rest = f"{passage.context}\n{passage.text[:start]}{passage.text[end:]}"
        negatives = passages.negatives(question, {row})
        if negatives:
            yield Pair(question, rest, negatives, passage.document_id)


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """Up to `most` of the items, evenly spread over all of them.

    >>> spread("abcde", 3)
    ['a', 'b', 'd']
    """
    count = min(len(items), most)
    return [items[place * len(items) // count] for place in range(count)]


def choose_held_out(view: View, share: float) -> frozenset[str]:
    """A fixed share of the documents, by the hash of their ids: the same ones after every edit of the corpus."""
    limit = int(share * 2**32)
    ids = (view.document(number).id for number in range(len(view.documents)))
    return frozenset(identity for identity in ids if text_hash(identity) < limit)


def text_hash(text: str) -> int:
    """32 bits of a text, the same ones everywhere and every time."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:4], "big")
