"""The one protocol that every backend meets, and what only some of them have: an adapter, a window.

budget = budget_of(backend, reserved=1024)      # None: the prompt may be of any length
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

from assistant.messages import Message, Options, Piece
from assistant.prompts import Budget


class ChatBackend(Protocol):
    """Writes the answer to the last message. `name` is the kind of backend, `model` what it runs.

    A backend with a language model also has `adapter` (a LoRA adapter's hash or name, or empty) and `budget(reserved)`.
    """

    @property
    def name(self) -> str: ...

    @property
    def model(self) -> str: ...

    def stream(self, messages: Sequence[Message], options: Options) -> Iterator[Piece]:
        """Yield pieces as they come; closing the iterator stops the work. Raises `BackendError`.

        A piece without text says that nothing has come for a moment: whoever reads can look whether to stop.
        """
        ...


def adapter_of(backend: ChatBackend) -> str:
    """The adapter that writes, empty where there is none."""
    return str(getattr(backend, "adapter", "") or "")


def budget_of(backend: ChatBackend, reserved: int) -> Budget | None:
    """The room of the backend's window with `reserved` tokens kept free for the answer; may load a tokenizer or ask a server.

    Raises `BackendError`.
    """
    make_budget = getattr(backend, "budget", None)
    budget: Budget | None = make_budget(reserved) if make_budget else None
    return budget
