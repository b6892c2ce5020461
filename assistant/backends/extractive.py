"""Answers without a model: the sentences that answer best, quoted from one to three passages, each with its `[n]`.

    backend = ExtractiveBackend(view, config, names, embedder)
    "".join(piece.text for piece in backend.stream(messages, Options()))

Sentences are read (`extractive_sentences`), scored (`extractive_scores`) and chosen (`extractive_choice`). A comparison, or a
question about several things at once, gets a paragraph for each; a list question the rows or items that answer it, or a line for
each document; everything else a paragraph.
"""

import re
from collections.abc import Iterator, Sequence

from assistant.backends.extractive_choice import ENOUGH, choose, in_order, paragraph, spread, with_what_it_leans_on
from assistant.backends.extractive_scores import Scorer
from assistant.backends.extractive_sentences import Sentence
from assistant.citations import plain
from assistant.intent import Intent, asking_words, read_intent
from assistant.messages import Message, Options, Piece, Source
from retrieval.domain import DomainConfig
from retrieval.embedders import Embedder
from retrieval.errors import BackendError
from retrieval.followups import Names
from retrieval.view import View

MAX_SENTENCES = 4  # of a plain answer; people read the passages for more
MAX_PASSAGES = 3
MAX_SIDES = 4  # documents compared with each other
SIDE_SENTENCES = 2
MAX_LINES = 8  # of a list
TELLING = 0.5  # an item that holds this share of the question's words answers it
AS_TELLING = 0.6  # and so do those that hold this share of what the best item holds
MAX_GAP = 60  # characters between two joined names; in longer gaps the pattern would cost their square

# Between the names of things that are asked about together.
_JOINED = re.compile(
    r"^[\s,;]*(?:(?:y|e|o|u|ni|and|or|vs|versus|with)\b|[,;])[\s,;]*(?:(?:a|al|el|la|los|las|lo|un|una|de|del|con|en|por|para|cual|cuál|"
    r"cuales|cuáles|que|qué|the|an|of|for|to|in|which)\b[\s,;]*)*$",
    re.IGNORECASE,
)

_JOIN = re.compile(r"\b(?:y|e|o|u|con|and|or|vs|versus|with|from)\b|,", re.IGNORECASE)


class ExtractiveBackend:
    """The default backend: nothing is invented, because every sentence is a quotation."""

    name = "extractive"
    model = "extractive"

    def __init__(self, view: View, config: DomainConfig, names: Names, embedder: Embedder | None = None) -> None:
        self._view = view
        self._config = config
        self._names = names
        self._scorer = Scorer(view, config, names, embedder)

    def stream(self, messages: Sequence[Message], options: Options) -> Iterator[Piece]:
        """Words of the answer, one piece each."""
        if not messages or not messages[-1].sources:
            raise BackendError("The extractive backend needs passages in the last message, and there are none.")
        for word in re.findall(r"\S+\s*", self.answer(messages[-1].question, messages[-1].sources)):
            yield Piece("answer", word)

    def answer(self, question: str, sources: Sequence[Source]) -> str:
        """The whole answer as Markdown with marks."""
        intent = self._intent(question)
        sentences = self._scorer.score(question, intent, sources)
        if not sentences:
            return f"{plain(sources[0].text)} [{sources[0].n}]"
        if sides := self._sides(question, intent, sentences):
            return sides
        rows = intent.kind == "list" or (sentences[0].item and intent.roles[:1] != ("safety",))
        if rows and (lines := self._items(question, sentences)):
            return lines
        if intent.kind == "list" and (lines := self._lines(sentences)):
            return lines
        # A row or half a phrase says little without its list.
        prose = [one for one in sentences if not one.row and not (one.item and one.text[-1] not in ".!?…")]
        wanted = intent.roles[0] if intent.roles else None
        pick = spread if self._is_broad(question) and sentences[0].match < TELLING else choose
        return _by_document(pick(prose or sentences, MAX_SENTENCES, MAX_PASSAGES, wanted))

    def _intent(self, question: str) -> Intent:
        """What the question wants; a bare name asks what it is and what it is for."""
        named = {term for name, _ in self._names.find(question) for term in name.split()}
        words = [word for word in re.findall(r"\w+|[^\w\s]+", question)]
        # "flor de la pasión" asks about no flower, "hoja santa" about no leaf: names say nothing about what is asked.
        bare = ["_" if named & set(self._view.plain_terms(word)) else word for word in words]
        found = read_intent(" ".join(bare), self._config.language)
        if named and not [term for term, _ in self._view.query_terms(question) if term not in named]:
            return Intent("facts", found.roles or ("definition", "uses"))
        return found

    def _is_broad(self, question: str) -> bool:
        """Whether the question says nothing but a name and what it asks of it."""
        names = {term for name, _ in self._names.find(question) for term in name.split()}
        asking = set(self._view.analyzer.terms(asking_words(self._config.language)))
        return bool(names) and not {term for term, n in self._view.query_terms(question) if n >= 0} - names - asking

    def _sides(self, question: str, intent: Intent, sentences: Sequence[Sentence]) -> str:
        """A paragraph for each thing that the question asks about together."""
        parts = []
        for documents in self._subjects(question, intent)[:MAX_SIDES]:
            own = [sentence for sentence in sentences if sentence.source.document_id in documents]
            own = [sentence for sentence in own if not sentence.row] or own
            if own:
                best = [sentence for sentence in own if sentence.source.document_id == own[0].source.document_id]
                parts.append(_titled(choose(best, SIDE_SENTENCES, 1)))
        return "\n\n".join(dict.fromkeys(parts)) if len(set(parts)) > 1 else ""

    def _subjects(self, question: str, intent: Intent) -> list[set[str]]:
        """The documents that each of the joined names may mean ("la ruda y el romero"); fewer than two: nothing is joined."""
        names = self._names.find(question)
        words = [(match, set(self._view.plain_terms(match.group()))) for match in re.finditer(r"\w+", question)]
        groups: list[set[str]] = []
        last_end = 0
        for match, terms in words:
            found = [documents for name, documents in names if terms & set(name.split())]
            if not found:
                continue
            ids = {self._view.document(number).id for documents in found for number in documents}
            gap = question[last_end : match.start()]
            joined = joins(gap) or (intent.kind == "comparison" and _JOIN.search(gap))
            if groups and not joined:
                groups[-1] |= ids
            else:
                groups.append(ids)
            last_end = match.end()
        return groups

    def _items(self, question: str, sentences: Sequence[Sentence]) -> str:
        """The list items or table rows that speak of what was asked; else the whole list of the best section."""
        items = [sentence for sentence in sentences if sentence.item]
        if not items or items[0].score < ENOUGH * sentences[0].score:
            return ""
        asked, terms = set(self._view.plain_terms(question)), self._view.analyzer.terms
        items = [item for item in items if asked & set(terms(item.source.title))] or items
        most = max(item.match for item in items)
        if most >= TELLING:
            rows = [item for item in items if item.match >= AS_TELLING * most]
        else:
            rows = [item for item in items if item.source.section_id == items[0].source.section_id]
        return _bullets([[row] for row in in_order(rows, items[0])], least=1 if sentences[0].row else 2)

    def _lines(self, sentences: Sequence[Sentence]) -> str:
        """A line for each document that has something to say."""
        best: dict[str, list[Sentence]] = {}
        for sentence in sentences:
            if sentence.score >= ENOUGH * sentences[0].score and not sentence.row:
                best.setdefault(sentence.source.document_id, with_what_it_leans_on(sentence, sentences))
        return _bullets(list(best.values()))


def joins(gap: str) -> bool:
    """Whether what stands between two names asks about both ("la ruda y el romero")."""
    return len(gap) <= MAX_GAP and _JOINED.match(gap) is not None


def _by_document(sentences: Sequence[Sentence]) -> str:
    """A paragraph; from several documents one for each, under its title: a subject is seldom said twice."""
    groups: dict[str, list[Sentence]] = {}
    for sentence in sentences:
        groups.setdefault(sentence.source.document_id, []).append(sentence)
    if len(groups) == 1:
        return paragraph(sentences)
    return "\n\n".join(_titled(group) for group in groups.values())


def _titled(sentences: Sequence[Sentence]) -> str:
    return f"**{sentences[0].source.title}**: {paragraph(sentences)}"


def _bullets(lines: Sequence[Sequence[Sentence]], least: int = 2) -> str:
    """A line for each, under the title of its document where there are several; nothing for fewer than `least`."""
    several = len({line[0].source.document_id for line in lines}) > 1
    texts = [_titled(line) if several else paragraph(line) for line in lines]
    return "\n".join(f"- {text}" for text in texts[:MAX_LINES]) if len(texts) >= least else ""
