"""What an embedder is adapted on: questions with the passages that answer them, and passages that look as if they did.

    pairs = build_pairs(view, [Asked("¿para qué sirve la ruda?", ("ruda#usos",))], held_out=frozenset({"malva"}))
    pairs[0].question, pairs[0].positive, pairs[0].negatives

Three sources: rows of the training set (or a collection's own judgements), headings and names with their sections, and, where
there is nothing else, a sentence with the rest of its section. The hard negatives are another section of the same document, and what
BM25 finds instead: telling sections of one document apart is what an embedder is worst at.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from retrieval.domain import SectionRule
from retrieval.sentences import sentence_spans
from retrieval.view import View

LEAST_SENTENCES = 3  # a section must be worth finding without the sentence that asks for it
SHORTEST, LONGEST = 30, 300  # characters of a sentence used as a question
ALIASES = 2  # ways of asking for a section, by hash, of those that the pack lists


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with the sections (or documents' only sections) that answer it."""

    question: str
    sections: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """`positive` and `negatives` are texts as they are embedded, with title and headings."""

    question: str
    positive: str
    negatives: tuple[str, str]
    document: str


class _Passages:
    """A view's passages by section and document."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.of_section: dict[str, list[int]] = {}
        self.of_document: dict[int, list[int]] = {}
        for row in range(len(view)):
            self.of_section.setdefault(view.section_of(row)[0], []).append(row)
            self.of_document.setdefault(int(view.document_rows[row]), []).append(row)

    def text(self, row: int) -> str:
        return self.view.passage(row).embedded_text

    def best(self, question: str, rows: Sequence[int]) -> int:
        """The section's passage that shares most with the question."""
        if len(rows) == 1:
            return rows[0]
        scores = self.view.lexical_scores(question)[list(rows)]
        return rows[int(scores.argmax())]

    def negatives(self, question: str, right: set[int], held_out: frozenset[int]) -> tuple[str, str] | None:
        """Another section of the same document, and BM25's best wrong passage; either stands in for a missing one."""
        document = int(self.view.document_rows[min(right)])
        section_rows = {int(self.view.section_rows[row]) for row in right}
        siblings = [row for row in self.of_document[document] if int(self.view.section_rows[row]) not in section_rows]
        found = []
        if siblings:
            found.append(siblings[_hash(question) % len(siblings)])
        scores = np.array(self.view.lexical_scores(question))
        scores[list(right | set(found))] = -1
        scores[np.isin(self.view.document_rows, list(held_out))] = -1
        best = int(scores.argmax())
        if scores[best] > 0:
            found.append(best)
        if not found:
            return None
        return self.text(found[0]), self.text(found[-1])


def build_pairs(view: View, asked: Sequence[Asked], held_out: frozenset[str]) -> list[Pair]:
    """A pair for each question whose first known section stands in no held-out document."""
    passages = _Passages(view)
    hidden = held_out_rows(view, held_out)
    pairs = []
    for one in asked:
        rows = [row for section in one.sections for row in passages.of_section.get(section, ())]
        if not rows or any(int(view.document_rows[row]) in hidden for row in rows):
            continue
        first = next(section for section in one.sections if section in passages.of_section)
        positive = passages.best(one.question, passages.of_section[first])
        negatives = passages.negatives(one.question, set(rows), hidden)
        if negatives:
            document = view.document_of(positive).id
            pairs.append(Pair(one.question, passages.text(positive), negatives, document))
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
            words += [aliases[(_hash(section_id) + step) % len(aliases)] for step in range(min(ALIASES, len(aliases)))]
            for place, word in enumerate(words):
                yield Asked(f"{word} {names[(_hash(section_id) + place) % len(names)]}", (section_id,))


def sentence_questions(view: View, held_out: frozenset[str]) -> Iterator[Pair]:
    """A sentence of each passage against the rest of it: for a corpus that nobody has asked about yet."""
    passages = _Passages(view)
    hidden = held_out_rows(view, held_out)
    for row in range(len(view)):
        if int(view.document_rows[row]) in hidden:
            continue
        passage = view.passage(row)
        spans = [span for span in sentence_spans(passage.text) if SHORTEST <= span[1] - span[0] <= LONGEST]
        if len(spans) < LEAST_SENTENCES:
            continue
        start, end = spans[_hash(passage.id) % len(spans)]
        question = " ".join(passage.text[start:end].split())
        rest = f"{passage.context}\n{passage.text[:start]}{passage.text[end:]}"
        negatives = passages.negatives(question, {row}, hidden)
        if negatives:
            yield Pair(question, rest, negatives, passage.document_id)


def held_out_rows(view: View, held_out: frozenset[str]) -> frozenset[int]:
    """Numbers of the documents with these ids."""
    return frozenset(number for number in range(len(view.documents)) if view.document(number).id in held_out)


def choose_held_out(view: View, share: float) -> frozenset[str]:
    """A fixed share of the documents, by the hash of their ids: the same ones after every edit of the corpus."""
    limit = int(share * 2**32)
    ids = (view.document(number).id for number in range(len(view.documents)))
    return frozenset(identity for identity in ids if _hash(identity) < limit)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:4], "big")
