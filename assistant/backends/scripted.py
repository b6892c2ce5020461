"""Replays given replies, piece by piece: for tests and for work on the page, as a shipped part of the product.

ScriptedBackend(["Se usa en quemaduras leves [1]."]).stream(messages, Options())
"""

import re
from collections.abc import Iterator, Sequence

from assistant.messages import Message, Options, Piece
from assistant.reasoning import ReasoningSplitter
from retrieval.errors import BackendError


class ScriptedBackend:
    """Answers the n-th question with the n-th reply; a reply that is an exception is raised midway through it."""

    name = "scripted"
    model = "scripted"

    def __init__(self, replies: Sequence[str | BackendError]) -> None:
        self._replies = list(replies)
        self.asked: list[Sequence[Message]] = []

    def stream(self, messages: Sequence[Message], options: Options) -> Iterator[Piece]:
        self.asked.append(messages)
        if len(self.asked) > len(self._replies):
            raise BackendError(f"The script holds {len(self._replies)} replies and was asked {len(self.asked)} times.")
        reply = self._replies[len(self.asked) - 1]
        if isinstance(reply, BackendError):
            raise reply
        splitter = ReasoningSplitter()
        for word in re.findall(r"\S+\s*|\s+", reply):
            yield from splitter.feed(word)
        yield from splitter.finish()
