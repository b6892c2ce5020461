"""The shapes of Savia's own API: what is asked, what is answered, what is streamed.

ChatRequest(message="¿Para qué se usa la sábila?", history=[])
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from assistant.answer import MAX_QUESTION, Answer, AnswerStream
from assistant.messages import Source
from assistant.safety import Notice
from assistant.settings import BackendName
from retrieval.followups import Turn

MOST_TURNS = 200  # of a conversation that is sent along
LONGEST_TURN = 20_000  # characters
DOMAIN_NAME = r"^[a-z0-9][a-z0-9-]{0,63}$"


class PastTurn(BaseModel):
    """One turn of the conversation so far."""

    model_config = ConfigDict(extra="forbid")

    role: Literal["user", "assistant"]
    content: Annotated[str, Field(max_length=LONGEST_TURN)]


class ChatRequest(BaseModel):
    """A question with the conversation before it."""

    model_config = ConfigDict(extra="forbid")

    message: Annotated[str, Field(min_length=1, max_length=MAX_QUESTION, examples=["¿Para qué se usa la sábila?"])]
    history: Annotated[list[PastTurn], Field(max_length=MOST_TURNS)] = []
    domain: Annotated[str | None, Field(pattern=DOMAIN_NAME, description="A pack's name; default: the server's.")] = (
        None
    )
    backend: Annotated[BackendName | None, Field(description="Who writes; default: the server's.")] = None
    stream: Annotated[bool, Field(description="Answer as server-sent events.")] = False

    @property
    def turns(self) -> list[Turn]:
        return [(turn.role, turn.content) for turn in self.history]


class CitationBody(BaseModel):
    """A mark `[n]` of the answer, checked against the passage that it names."""

    n: int
    passage_id: str
    document: str
    section: str
    quote: str
    supported: bool


class SourceBody(BaseModel):
    """A passage that the answer could use, under its number."""

    n: int
    passage_id: str
    document: str
    section: str
    title: str
    text: str
    score: float


class NoticeBody(BaseModel):
    """A warning to be read first."""

    name: str
    message: str


class ChatAnswer(BaseModel):
    """The answer with everything that explains it."""

    answer: str
    reasoning: str
    citations: list[CitationBody]
    sources: list[SourceBody]
    confidence: Annotated[float, Field(ge=0, le=1)]
    abstained: bool
    red_flags: list[NoticeBody]
    backend: str
    model: str
    timings: dict[str, float]
    adapter: str
    domain: str
    disclaimer: str
    request_id: str


def answer_body(answer: Answer, domain: str, request_id: str) -> dict[str, Any]:
    """`ChatAnswer` as JSON, from an answer."""
    shown = answer.as_json()
    return {
        "answer": answer.text,
        "reasoning": answer.reasoning,
        "citations": shown["citations"],
        "sources": [source_body(source) for source in answer.sources],
        "confidence": answer.confidence,
        "abstained": answer.abstained,
        "red_flags": shown["red_flags"],
        "backend": answer.backend,
        "model": answer.model,
        "timings": shown["timings"],
        "adapter": answer.adapter,
        "domain": domain,
        "disclaimer": answer.disclaimer,
        "request_id": request_id,
    }


def opening_body(stream: AnswerStream, domain: str) -> dict[str, Any]:
    """What is known so far: before the first piece and, where the hits are reranked, after that."""
    return {
        "sources": [source_body(source) for source in stream.known_sources],
        "red_flags": [notice_body(notice) for notice in stream.red_flags],
        "abstained": stream.abstained,
        "domain": domain,
        "backend": stream.backend_name,
        "disclaimer": stream.disclaimer,
    }


def source_body(source: Source) -> dict[str, Any]:
    return {
        "n": source.n,
        "passage_id": source.passage_id,
        "document": source.document_id,
        "section": source.section_id,
        "title": source.label,
        "text": source.text,
        "score": round(source.score, 4),
    }


def notice_body(notice: Notice) -> dict[str, str]:
    return {"name": notice.name, "message": notice.message}
