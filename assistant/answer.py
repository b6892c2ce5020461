"""From a question to a cited answer: find, decide, pack, stream, cite, check.

stream = assistant.ask("¿Para qué se usa la sábila?")
for piece in stream: print(piece.text, end="")
stream.answer.citations
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from assistant.backends.base import ChatBackend, adapter_of, budget_of
from assistant.certainty import answer_confidence, support_share
from assistant.citations import Citation, cite
from assistant.intent import read_intent
from assistant.messages import Message, Options, Piece, Source
from assistant.prompts import Budget, build_messages, make_sources
from assistant.safety import Notice, document_warnings, red_flags
from retrieval.confidence import Confidence, signs
from retrieval.domain import Domain
from retrieval.errors import UsageError
from retrieval.followups import Rewriter, Turn
from retrieval.rerank import TwoStepRetriever
from retrieval.retrievers import Hit, Retriever
from retrieval.view import DocumentInfo, View

SOURCES = 8  # passages offered to the backend
MAX_QUESTION = 4_000  # characters; a longer "question" is a document


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished (or stopped) answer with everything that explains it."""

    question: str
    searched: str
    text: str
    reasoning: str
    sources: tuple[Source, ...]
    citations: tuple[Citation, ...]
    red_flags: tuple[Notice, ...]
    abstained: bool
    stopped: bool
    backend: str
    model: str
    disclaimer: str
    lexical_only: bool
    timings: dict[str, float] = field(default_factory=dict)
    adapter: str = ""
    confidence: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """The shape that `savia ask --json` prints."""
        return {
            "question": self.question,
            "answer": self.text,
            "abstained": self.abstained,
            "citations": [
                {"n": c.n, "passage_id": c.passage_id, "document": c.document, "section": c.section, "quote": c.quote, "supported": c.supported}
                for c in self.citations
            ],
            "sources": [
                {"passage_id": s.passage_id, "document": s.document_id, "section": s.section_id, "text": s.text, "score": round(s.score, 4)}
                for s in self.sources
            ],
            "red_flags": [{"name": notice.name, "message": notice.message} for notice in self.red_flags],
            "backend": self.backend,
            "model": self.model,
            "disclaimer": self.disclaimer,
            "timings": {name: round(seconds, 4) for name, seconds in self.timings.items()},
            "adapter": self.adapter,
            "confidence": self.confidence,
        }  # fmt: skip


@dataclass(frozen=True)
class Assistant:
    """One domain's retriever and backend, ready to be asked. Holds no conversation: the caller passes it."""

    domain: Domain
    view: View
    retriever: Retriever
    backend: ChatBackend
    rewriter: Rewriter
    confidence: Confidence = field(default_factory=Confidence)
    lexical_only: bool = False
    budget: Budget | None = None
    options: Options = field(default_factory=Options)

    def ask(self, question: str, history: Sequence[Turn] = (), where: dict[str, str] | None = None) -> "AnswerStream":
        """Search at once; the answer is written while the stream is read. Raises `UsageError` for an empty question."""
        question = question.strip()
        if not question:
            raise UsageError("The question is empty.", 'Ask something, such as savia ask "¿Qué es el susto?"')
        if len(question) > MAX_QUESTION:
            raise UsageError(
                f"The question has {len(question):,} characters; at most {MAX_QUESTION:,} are read.", "Shorten it."
            )
        return AnswerStream(self, question, list(history), where)


class AnswerStream:
    """Iterate for pieces. Red flags, sources and the decision to abstain are known before the first one.

    Where hits are reranked, `first_sources` are there at once and `sources`, which the answer is written from, when they are asked for.
    """

    def __init__(self, assistant: Assistant, question: str, history: list[Turn], where: dict[str, str] | None) -> None:
        self._assistant = assistant
        self._started = time.perf_counter()
        self.question = question
        self.history = history
        self.searched = assistant.rewriter.rewrite(question, history)
        retriever = assistant.retriever
        search = retriever.first if isinstance(retriever, TwoStepRetriever) else retriever.search
        self._first_hits: list[Hit] = search(self.searched, SOURCES, where)
        self.first_sources = make_sources(self._first_hits[:SOURCES])
        # Whether the documents answer was calibrated on the first order, so it is decided by that one.
        confidence = assistant.confidence
        seen = signs(assistant.view, self.searched, self._first_hits, assistant.rewriter, confidence.wording)
        self.answerable = confidence.probability(seen) if self._first_hits else 0.0
        self.abstained = not self._first_hits or not confidence.accepts(seen)
        self.red_flags = tuple(self._notices(self._first_hits[:1]))
        self._found = time.perf_counter()
        self._reranking: float | None = None
        self._first = 0.0
        self._pieces: list[Piece] = []
        self._ended = False

    @property
    def reranks(self) -> bool:
        """Whether the hits get a second look. A refusal is worth none."""
        return not self.abstained and isinstance(self._assistant.retriever, TwoStepRetriever)

    @cached_property
    def hits(self) -> list[Hit]:
        """The hits in their final order; what comes first only then is warned of as well."""
        retriever = self._assistant.retriever
        if self.abstained or not isinstance(retriever, TwoStepRetriever):
            return self._first_hits[:SOURCES]
        started = time.perf_counter()
        found = retriever.improve(self.searched, self._first_hits)[:SOURCES]
        self._reranking = time.perf_counter() - started
        self.red_flags = tuple(self._notices([self._first_hits[0], found[0]]))
        return found

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """The passages that the answer may cite, by their numbers."""
        return make_sources(self.hits)

    @property
    def known_sources(self) -> tuple[Source, ...]:
        """`sources` if they are there, else `first_sources`; never a wait."""
        return self.sources if not self.reranks or self._reranking is not None else self.first_sources

    def __iter__(self) -> Iterator[Piece]:
        """The backend's pieces, or the refusal. What was streamed before a stop or an error stays in `answer`."""
        if self.abstained:
            yield self._keep(Piece("answer", self._assistant.domain.config.refusal))
            self._ended = True
            return
        pieces = self._assistant.backend.stream(self._messages(), self._assistant.options)
        try:
            for piece in pieces:
                yield self._keep(piece)
            self._ended = True
        finally:
            close = getattr(pieces, "close", None)
            if close:
                close()

    def run(self) -> Answer:
        """Read the stream to its end."""
        for _ in self:
            pass
        return self.answer

    @property
    def backend_name(self) -> str:
        return self._assistant.backend.name

    @property
    def disclaimer(self) -> str:
        return self._assistant.domain.config.disclaimer

    @property
    def first_seconds(self) -> float:
        """Seconds from the question to the first piece, or until now."""
        return (self._first or time.perf_counter()) - self._started

    @property
    def answer(self) -> Answer:
        """The answer as far as it was read."""
        text = "".join(piece.text for piece in self._pieces if piece.kind == "answer").strip()
        config = self._assistant.domain.config
        refused = self.abstained or text == config.refusal.strip()
        analyzer = self._assistant.view.analyzer
        sources = self.known_sources
        citations = () if refused else tuple(cite(text, sources, analyzer))
        support = support_share(text, citations, analyzer)
        now = time.perf_counter()
        return Answer(
            self.question,
            self.searched,
            text,
            "".join(piece.text for piece in self._pieces if piece.kind == "reasoning").strip(),
            sources,
            citations,
            self.red_flags,
            refused,
            not self._ended,
            self._assistant.backend.name,
            self._assistant.backend.model,
            config.disclaimer,
            self._assistant.lexical_only,
            {
                "search": self._found - self._started,
                **({} if self._reranking is None else {"rerank": self._reranking}),
                "first_piece": (self._first or now) - self._started,
                "total": now - self._started,
            },
            adapter_of(self._assistant.backend),
            answer_confidence(self.answerable, support, refused),
        )

    def _messages(self) -> list[Message]:
        assistant = self._assistant
        budget = assistant.budget or budget_of(assistant.backend, assistant.options.max_tokens)
        messages = build_messages(assistant.domain.config, self.question, self.sources, self.history, budget)
        if self.searched == self.question:
            return messages
        # Backends that read structure get the question as it was searched for; the prompt keeps the person's words.
        last = messages[-1]
        return [*messages[:-1], Message("user", last.content, self.searched, last.sources)]

    def _notices(self, tops: Sequence[Hit]) -> Iterator[Notice]:
        """Red flags of the question, then warnings of the documents that it names or, where it names none, that come first."""
        assistant = self._assistant
        yield from red_flags(self.question, assistant.domain.config)
        documents = self._named(self.searched)
        # A refusal about a dangerous plant still warns of it; what was merely found first is no subject then.
        if tops and not self.abstained:
            documents = documents or [hit.document for hit in tops]
            if read_intent(self.question, assistant.domain.config.language).kind == "list":
                recommended = [one for hit in tops for one in self._named(hit.passage.text)]
                documents = [*documents, *recommended]
        yield from document_warnings(documents)

    def _named(self, text: str) -> list[DocumentInfo]:
        """The documents that a text names, in reading order of the corpus."""
        found = self._assistant.rewriter.names.find(text)
        return [
            self._assistant.view.document(number) for number in sorted({n for _, numbers in found for n in numbers})
        ]

    def _keep(self, piece: Piece) -> Piece:
        if piece.text:  # one without text only says that the backend still waits
            self._first = self._first or time.perf_counter()
            self._pieces.append(piece)
        return piece
