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
from dataclasses import dataclass

import numpy as np

from assistant.citations import plain
from assistant.intent import Intent, read_intent
from assistant.messages import Message, Options, Piece, Source
from retrieval.domain import DomainConfig, Role
from retrieval.embedders import Embedder
from retrieval.errors import BackendError
from retrieval.followups import Names
from retrieval.sentences import sentence_spans, without_list_mark
from retrieval.view import View

MAX_SENTENCES = 4  # of a plain answer; people read the passages for more
MAX_PASSAGES = 3
MAX_SIDES = 4  # documents compared with each other
MAX_LINES = 6  # of a list
LEAST_LENGTH = 25  # characters; shorter sentences are labels
WEIGHTS = {"words": 1.0, "meaning": 0.8, "role": 0.45, "rank": 0.35, "first": 0.12, "subject": 0.5}
ENOUGH = 0.62  # a further sentence must score this share of the best one
TWIN = 0.7  # two sentences sharing this share of their words say the same

_TABLE_ROW = re.compile(r"^\s*\|")
_BOLD_LABEL = re.compile(r"^\*\*[^*]+\*\*\s*(—.*)?$")


@dataclass(frozen=True, slots=True)
class _Sentence:
    source: Source
    place: int  # order within its passage
    text: str
    terms: frozenset[str]
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
        intent = read_intent(question, self._config.language)
        sentences = self._score(question, intent, sources)
        if not sentences:
            return _paragraph([_Sentence(sources[0], 0, plain(sources[0].text), frozenset())])
        if intent.kind == "comparison" and (sides := self._sides(question, sentences)):
            return sides
        if intent.kind == "list" and (lines := self._lines(sentences)):
            return lines
        return _paragraph(_in_order(_choose(sentences, MAX_SENTENCES, MAX_PASSAGES)))

    def _score(self, question: str, intent: Intent, sources: Sequence[Source]) -> list[_Sentence]:
        """All sentences with their scores, best first."""
        sentences = [sentence for source in sources for sentence in self._sentences(source)]
        if not sentences:
            return []
        named = self._names.find(question)
        name_terms = {term for name, _ in named for term in name.split()}
        subjects = {self._view.document(number).id for _, documents in named for number in documents}
        weights = {
            t: self._view.term_idf(n) for t, n in self._view.query_terms(question) if n >= 0 and t not in name_terms
        }
        total = sum(weights.values()) or 1.0
        meaning = self._meaning(question, sentences)
        best_score, low = sources[0].score, sources[-1].score
        scored = []
        for sentence, near in zip(sentences, meaning, strict=True):
            words = sum(weight for term, weight in weights.items() if term in sentence.terms) / total
            rank = (sentence.source.score - low) / (best_score - low) if best_score > low else 1.0
            score = (
                WEIGHTS["words"] * words
                + WEIGHTS["meaning"] * near
                + WEIGHTS["role"] * self._role_match(sentence.source, intent)
                + WEIGHTS["rank"] * rank
                + WEIGHTS["first"] * (sentence.place == 0)
                + WEIGHTS["subject"] * (not subjects or sentence.source.document_id in subjects)
            )
            scored.append(_Sentence(sentence.source, sentence.place, sentence.text, sentence.terms, score))
        return sorted(scored, key=lambda sentence: -sentence.score)

    def _sentences(self, source: Source) -> Iterator[_Sentence]:
        for place, (start, end) in enumerate(sentence_spans(source.text)):
            raw = source.text[start:end]
            text = plain(without_list_mark(raw))
            if len(text) >= LEAST_LENGTH and not _TABLE_ROW.match(raw) and not _BOLD_LABEL.match(raw):
                yield _Sentence(source, place, text, frozenset(self._view.analyzer.terms(text)))

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
    """The best sentence's passage first, then by passage, sentences as they stand in it."""
    first = sentences[0].source.n if sentences else 0
    return sorted(sentences, key=lambda sentence: (sentence.source.n != first, sentence.source.n, sentence.place))


def _paragraph(sentences: Sequence[_Sentence]) -> str:
    return " ".join(_marked(sentence) for sentence in sentences)


def _marked(sentence: _Sentence) -> str:
    return f"{sentence.text} [{sentence.source.n}]"
