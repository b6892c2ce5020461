"""What goes to a backend and what comes back: messages in, typed pieces out.

Message("user", prompt_text, question="¿Para qué se usa la sábila?", sources=(source,))
"""

from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant"]
PieceKind = Literal["reasoning", "answer"]


@dataclass(frozen=True, slots=True)
class Source:
    """A passage as it is offered to a backend under the number `n` that citations use (from 1)."""

    n: int
    passage_id: str
    document_id: str
    section_id: str
    title: str
    heading_path: tuple[str, ...]
    text: str
    score: float = 0.0
    start: int = 0  # where the passage begins in its file: tells the reading order of one section's passages

    @property
    def label(self) -> str:
        return " › ".join([self.title, *self.heading_path])


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `content` is what a language model reads; `question` and `sources` are the same as structure, for backends
    that need no rendered prompt."""

    role: Role
    content: str
    question: str = ""
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """A bit of streamed text: part of the visible answer, or of the model's reasoning before it.

    One without text says that the backend still waits, with how many questions come before this one.
    """

    kind: PieceKind
    text: str
    ahead: int = 0


@dataclass(frozen=True, slots=True)
class Options:
    """Generation settings that every backend understands or ignores. A `temperature` of 0 writes the likeliest answer."""

    max_tokens: int = 1024
    temperature: float = 0.0
    seed: int | None = None
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
