"""Answers without a model: the sentences that answer best, quoted from one to three passages, each with its `[n]`.

    backend = ExtractiveBackend(view, config, names, embedder)
    "".join(piece.text for piece in backend.stream(messages, Options()))

A sentence is scored by the question's words that it holds (weighted by idf), its nearness in meaning where an embedder is at
hand, the role of its section (a safety question wants the warnings), its passage's rank, and its place in the section (first
sentences define and sum up). Chosen sentences are put in reading order; a comparison gets a paragraph for each side, a list
question a line for each document.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from assistant.citations import plain
from assistant.intent import Intent, read_intent
from assistant.messages import Message, Options, Piece, Source
from retrieval.domain import DomainConfig, Role
from retrieval.embedders import Embedder
from retrieval.errors import BackendError
from retrieval.followups import Names
from retrieval.sentences import sentence_spans
from retrieval.view import View

MAX_SENTENCES = 4  # of a plain answer; people read the passages for more
MAX_PASSAGES = 3
MAX_SIDES = 4  # documents compared with each other
MAX_LINES = 8  # of a list
LEAST_LENGTH = 25  # characters; shorter sentences are labels
WEIGHTS = {"words": 1.0, "meaning": 0.8, "role": 0.5, "rank": 0.35, "first": 0.12}
ENOUGH = 0.62  # a further sentence must score this share of the best one
TWIN = 0.7  # two sentences sharing this share of their words say the same

_TABLE_ROW = re.compile(r"^\s*\|")
_TABLE_HEADER = re.compile(r"^[ \t]*\|[^\n]*\n[ \t]*\|[\s:|-]+$", re.MULTILINE)
_MARK = re.compile(r"\[\d{1,3}\]")
_ITEM = re.compile(r"^\s*(?:[-*+•]|\d{1,3}[.)])\s")
_BOLD_LABEL = re.compile(r"^\*\*[^*]+\*\*\s*(—.*)?$")


@dataclass(frozen=True, slots=True)
class _Sentence:
    source: Source
    place: int  # order within its passage
    text: str
    terms: frozenset[str]
    item: bool = False  # a list item or table row
    score: float = 0.0


class ExtractiveBackend:
    """The default backend: nothing is invented, because every sentence is a quotation."""

    name = "extractive"
    model = "extractive"

    def __init__(self, view: View, config: DomainConfig, names: Names, embedder: Embedder | None = None) -> None:
        self._view = view
        self._config = config
        self._names = names
        self._embedder = embedder

    def stream(self, messages: Sequence[Message], options: Options) -> Iterator[Piece]:
        """Words of the answer, one piece each."""
        if not messages or not messages[-1].sources:
            raise BackendError("The extractive backend needs passages in the last message, and there are none.")
        for word in re.findall(r"\S+\s*", self.answer(messages[-1].question, messages[-1].sources)):
            yield Piece("answer", word)

    def answer(self, question: str, sources: Sequence[Source]) -> str:
        """The whole answer as Markdown with marks."""
        intent = self._intent(question)
        sentences = self._score(question, intent, sources)
        prose = [sentence for sentence in sentences if not (sentence.item and " — " in sentence.text)]
        if not sentences:
            return _paragraph([_Sentence(sources[0], 0, plain(sources[0].text), frozenset())])
        if intent.kind == "comparison" and (sides := self._sides(question, sentences)):
            return sides
        if intent.kind == "list" and (lines := self._items(question, sentences) or self._lines(sentences)):
            return lines
        return _paragraph(_in_order(_choose(prose or sentences, MAX_SENTENCES, MAX_PASSAGES)))

    def _intent(self, question: str) -> Intent:
        """What the question wants; a bare name asks what it is and what it is for."""
        named = {term for name, _ in self._names.find(question) for term in name.split()}
        if named and not [term for term, _ in self._view.query_terms(question) if term not in named]:
            found = read_intent(question, self._config.language)
            return Intent("facts", found.roles or ("definition", "uses"))
        return read_intent(question, self._config.language)

    def _score(self, question: str, intent: Intent, sources: Sequence[Source]) -> list[_Sentence]:
        """Sentences with their scores, best first; of the documents that the question names, if it names any."""
        named = self._names.find(question)
        name_terms = {term for name, _ in named for term in name.split()}
        subjects = {self._view.document(number).id for _, documents in named for number in documents}
        about = [source for source in sources if source.document_id in subjects] or list(sources)
        sentences = [sentence for source in about for sentence in self._sentences(source)]
        if not sentences:
            return []
        weights = {
            term: self._view.term_idf(number)
            for term, number in self._view.query_terms(question)
            if number >= 0 and term not in name_terms
        }
        meaning = self._meaning(question, sentences)
        scored = [
            replace(sentence, score=self._value(sentence, weights, near, intent, about))
            for sentence, near in zip(sentences, meaning, strict=True)
        ]
        return sorted(scored, key=lambda sentence: -sentence.score)

    def _value(
        self, sentence: _Sentence, weights: dict[str, float], near: float, intent: Intent, about: Sequence[Source]
    ) -> float:
        total = sum(weights.values()) or 1.0
        words = sum(weight for term, weight in weights.items() if term in sentence.terms) / total
        high, low = about[0].score, about[-1].score
        rank = (sentence.source.score - low) / (high - low) if high > low else 1.0
        return (
            WEIGHTS["words"] * words
            + WEIGHTS["meaning"] * near
            + WEIGHTS["role"] * self._role_match(sentence.source, intent)
            + WEIGHTS["rank"] * rank
            + WEIGHTS["first"] * (sentence.place == 0)
        )

    def _sentences(self, source: Source) -> Iterator[_Sentence]:
        header = _TABLE_HEADER.search(source.text)
        for place, (start, end) in enumerate(sentence_spans(source.text)):
            if header and header.start() <= start < header.end():
                continue
            raw = source.text[start:end]
            text = plain(raw)
            item = bool(_TABLE_ROW.match(raw) or _ITEM.match(raw))
            if _MARK.search(text):
                continue  # a number in brackets of the document's own would be taken for a citation
            label = text.endswith(":") or _BOLD_LABEL.match(raw.strip()) is not None
            if not label and (len(text) >= LEAST_LENGTH or (item and text)):
                yield _Sentence(source, place, text, frozenset(self._view.analyzer.terms(text)), item)

    def _meaning(self, question: str, sentences: Sequence[_Sentence]) -> list[float]:
        """Cosine of each sentence (with its title) to the question, scaled to 0..1 over the candidates."""
        if self._embedder is None:
            return [0.0] * len(sentences)
        texts = [f"{sentence.source.label}\n{sentence.text}" for sentence in sentences]
        vectors = self._embedder.embed_passages([question, *texts])
        cosines = vectors[1:] @ vectors[0]
        spread = float(np.ptp(cosines)) or 1.0
        return [float(value) for value in (cosines - cosines.min()) / spread]

    def _role_match(self, source: Source, intent: Intent) -> float:
        """1 for a section of the first wanted role, less for the later ones."""
        role = self._role(source)
        if role is None or role not in intent.roles:
            return 0.0
        return 1.0 - 0.25 * min(intent.roles.index(role), 3)

    def _role(self, source: Source) -> Role | None:
        for heading in reversed(source.heading_path or ("top",)):
            rule = self._config.sections.get(heading)
            if rule and rule.role:
                return rule.role
        return None

    def _sides(self, question: str, sentences: Sequence[_Sentence]) -> str:
        """A paragraph for each document that the question names."""
        named = self._names.find(question)
        ids = [self._view.document(min(documents)).id for _, documents in named]
        parts = []
        for identity in list(dict.fromkeys(ids))[:MAX_SIDES]:
            own = [sentence for sentence in sentences if sentence.source.document_id == identity]
            if own:
                parts.append(f"**{own[0].source.title}**: {_paragraph(_in_order(_choose(own, 2, 2)))}")
        return "\n\n".join(parts) if len(parts) > 1 else ""

    def _items(self, question: str, sentences: Sequence[_Sentence]) -> str:
        """The list or table of the best section that has one, as it stands there; without a named document, only its lines
        that speak of what was asked."""
        named = {term for name, _ in self._names.find(question) for term in name.split()}
        asked = {term for term, number in self._view.query_terms(question) if number >= 0} - named
        items = [item for item in sentences if item.item and (named or asked & item.terms)]
        if not items or items[0].score < ENOUGH * sentences[0].score:
            return ""
        own = [item for item in items if not named or item.source.section_id == items[0].source.section_id]
        lines = [f"- {_marked(item)}" for item in _in_order(own)[:MAX_LINES]]
        return "\n".join(lines) if len(lines) > 1 else ""

    def _lines(self, sentences: Sequence[_Sentence]) -> str:
        """A line for each document that has something to say."""
        best: dict[str, _Sentence] = {}
        for sentence in sentences:
            if sentence.score >= ENOUGH * sentences[0].score:
                best.setdefault(sentence.source.document_id, sentence)
        lines = [f"- **{sentence.source.title}**: {_marked(sentence)}" for sentence in list(best.values())[:MAX_LINES]]
        return "\n".join(lines) if len(lines) > 1 else ""


def _choose(sentences: Sequence[_Sentence], most: int, passages: int) -> list[_Sentence]:
    """The best sentences, each saying something new, from few passages."""
    chosen: list[_Sentence] = []
    for sentence in sentences:
        used = {other.source.n for other in chosen}
        if len(chosen) == most or sentence.score < ENOUGH * sentences[0].score:
            break
        if sentence.source.n not in used and len(used) == passages:
            continue
        if not any(_overlap(sentence.terms, other.terms) >= TWIN for other in chosen):
            chosen.append(sentence)
    return chosen


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / max(1, min(len(one), len(other)))


def _in_order(sentences: Sequence[_Sentence]) -> list[_Sentence]:
    """The best sentence's section first, then by rank of the section; within a section as it is read."""
    rank: dict[str, int] = {}
    for sentence in sentences:
        section = sentence.source.section_id
        rank[section] = min(rank.get(section, sentence.source.n), sentence.source.n)
    first = sentences[0].source.section_id if sentences else ""

    def key(sentence: _Sentence) -> tuple[bool, int, int, int]:
        section = sentence.source.section_id
        return section != first, rank[section], sentence.source.start, sentence.place

    return sorted(sentences, key=key)


def _paragraph(sentences: Sequence[_Sentence]) -> str:
    return " ".join(_marked(sentence) for sentence in sentences)


def _marked(sentence: _Sentence) -> str:
    return f"{sentence.text} [{sentence.source.n}]"
