"""One answer while it is written: read in a thread of its own, so that two can be read side by side and a wait can be shown.

reading = Reading(assistant.ask(question), assistant.backend)
while not reading.wait(0.1): draw(reading.reasoning, reading.text, reading.loading)
"""

import threading
from contextlib import closing

from assistant.answer import Answer, AnswerStream
from assistant.backends.base import ChatBackend
from retrieval.errors import SaviaError


class Reading:
    """What has come so far. `ahead` is how many questions a model answers first; `problem` says why the answer broke off."""

    def __init__(self, stream: AnswerStream, backend: ChatBackend) -> None:
        self.stream = stream
        self.reasoning = ""
        self.text = ""
        self.ahead = 0
        self.problem = ""
        self._backend = backend
        self._error: BaseException | None = None
        self._answer: Answer | None = None
        self._stopping = threading.Event()
        self._over = threading.Event()
        threading.Thread(target=self._read, name="savia-answer", daemon=True).start()

    @property
    def answer(self) -> Answer:
        """The answer, whole or as far as it came."""
        return self._answer or self.stream.answer

    @property
    def loading(self) -> tuple[int, int] | None:
        """How many parts of a local model are loaded, of how many; None where nothing is being loaded."""
        loading = getattr(self._backend, "loading", None)
        return (int(loading[1]), int(loading[2])) if loading else None

    def wait(self, seconds: float) -> bool:
        """Whether the answer is over. Raises what is no `SaviaError`: a fault of the program."""
        over = self._over.wait(seconds)
        if over and self._error is not None:
            raise self._error
        return over

    def stop(self) -> None:
        """Read no further; the backend stops at its next beat."""
        self._stopping.set()

    def _read(self) -> None:
        pieces = iter(self.stream)
        try:
            with closing(pieces):  # type: ignore[type-var]
                for piece in pieces:
                    self.ahead = piece.ahead
                    if piece.kind == "reasoning":
                        self.reasoning += piece.text
                    else:
                        self.text += piece.text
                    if self._stopping.is_set():
                        break
        except SaviaError as error:
            self.problem = str(error)
        except BaseException as error:  # raised again by `wait`, where somebody sees it
            self._error = error
        finally:
            self._answer = self.stream.answer
            self._over.set()
