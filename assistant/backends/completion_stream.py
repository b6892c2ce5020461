"""The events of a streamed chat completion as typed texts, checked by hand: the client library takes any JSON for a chunk.

async for part in read_parts(await client.chat.completions.create(stream=True, ...)): ...
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from assistant.backends.server_faults import BrokenOff, NoEventStream, Unreadable
from assistant.messages import PieceKind

_FIELDS: tuple[tuple[PieceKind, tuple[str, ...]], ...] = (
    ("reasoning", ("reasoning", "reasoning_content")),  # both names are in use; some servers send the same text twice
    ("answer", ("content",)),
)


@dataclass(frozen=True, slots=True)
class Part:
    """One event's text. `finish` is the server's reason to end, in its last event."""

    kind: PieceKind
    text: str
    finish: str = ""


def load_client_library() -> None:
    """Import what takes a second in the caller's thread: on the loop it would hold up every other stream."""
    import openai  # noqa: F401


async def read_parts(stream: Any) -> AsyncIterator[Part]:
    """The texts of a stream's events. Raises `NoEventStream`, `Unreadable`, and `BrokenOff` where it never said why it ended."""
    media_type = stream.response.headers.get("content-type", "")
    if not media_type.startswith("text/event-stream"):
        raise NoEventStream(media_type.split(";")[0].strip())
    finished = False
    async for choice in _choices(stream):
        delta, finish = getattr(choice, "delta", None), getattr(choice, "finish_reason", None)
        for kind, names in _FIELDS:
            texts = [text for name in names if isinstance(text := getattr(delta, name, None), str) and text]
            if texts:
                yield Part(kind, texts[0])
        if isinstance(finish, str) and finish:
            finished = True
            yield Part("answer", "", finish)
    if not finished:
        raise BrokenOff


async def _choices(stream: Any) -> AsyncIterator[Any]:
    """Each event's choices. Raises `Unreadable` for what the client library stumbles over."""
    events = aiter(stream)
    while True:
        try:
            chunk = await anext(events)
        except StopAsyncIteration:
            return
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
            raise Unreadable from error
        choices = getattr(chunk, "choices", None)
        for choice in choices if isinstance(choices, list) else ():
            yield choice
