"""The one protocol that every backend meets."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from assistant.messages import Message, Options, Piece


class ChatBackend(Protocol):
    """Writes the answer to the last message. `name` is the kind of backend, `model` what it runs."""

    name: str
    model: str

    def stream(self, messages: Sequence[Message], options: Options) -> Iterator[Piece]:
        """Yield pieces as they come; closing the iterator stops the work. Raises `BackendError`."""
        ...
