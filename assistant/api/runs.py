"""One answer being written: its pieces are pulled in worker threads, its end is counted, its work stops when nobody reads.

async with running(state, ask) as run:
    async for pieces in run.batches(): ...
"""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Literal

import anyio
from anyio import CapacityLimiter, to_thread

from assistant.answer import Answer, AnswerStream
from assistant.api.limits import Slots
from assistant.api.metrics import Metrics
from assistant.messages import Piece
from retrieval.embedders import usable_cores

Outcome = Literal["answered", "abstained", "failed", "stopped"]

BATCH_SECONDS = (
    0.005  # pieces that come within this time travel together: a hop between threads costs more than a piece
)


class Desk:
    """What all runs of an app share: places, threads, counters."""

    def __init__(self, concurrency: int, metrics: Metrics) -> None:
        self.slots = Slots(concurrency)
        self.threads = CapacityLimiter(concurrency)
        self.searches = CapacityLimiter(usable_cores())
        self.cores = CapacityLimiter(
            usable_cores()
        )  # extractive answers compute: more at once would only hold up searches
        self.metrics = metrics


class Run:
    """One answer. `stream` has what is known before its first piece."""

    def __init__(self, desk: Desk, domain: str, stream: AnswerStream) -> None:
        self.stream = stream
        self.domain = domain
        self._threads = desk.cores if stream.backend_name == "extractive" else desk.threads
        self._pieces: Iterator[Piece] = iter(stream)
        self._failed: Exception | None = None
        self._ended = False

    @property
    def outcome(self) -> Outcome:
        if self._failed:
            return "failed"
        return "stopped" if not self._ended else "abstained" if self.stream.abstained else "answered"

    async def batches(self) -> AsyncIterator[list[Piece]]:
        """Pieces as they come, a few at a time; one without text where nothing came for a moment. Raises `SaviaError`."""
        while (pieces := await to_thread.run_sync(self._pull, limiter=self._threads)) is not None:
            yield pieces

    async def answer(self) -> Answer:
        """The answer as far as it was read."""
        return await to_thread.run_sync(lambda: self.stream.answer, limiter=self._threads)

    async def close(self) -> None:
        """Stop the backend's work."""
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(self._close, limiter=self._threads)

    def _close(self) -> None:
        close = getattr(self._pieces, "close", None)
        if close:
            close()

    def _pull(self) -> list[Piece] | None:
        if self._failed:
            raise self._failed
        end = time.monotonic() + BATCH_SECONDS
        pieces: list[Piece] = []
        try:
            for piece in self._pieces:
                pieces.append(piece)
                if not piece.text or time.monotonic() >= end:
                    return pieces
        except Exception as error:
            self._failed = error  # told after the pieces that came before it
            if not pieces:
                raise
        else:
            self._ended = True
        return pieces or None


@asynccontextmanager
async def running(desk: Desk, domain: str, ask: Callable[[], AnswerStream]) -> AsyncIterator[Run]:
    """Search, then hand over the run; whatever ends it, the backend stops and the outcome is counted.

    Raises `ApiProblem` (503) where too many run already, and what `ask` raises.
    """
    with desk.slots.held(), desk.metrics.running.track_inprogress():
        run = Run(desk, domain, await to_thread.run_sync(ask, limiter=desk.searches))
        try:
            yield run
        finally:
            await run.close()
            desk.metrics.answered(domain, run.stream.backend_name, run.outcome, run.stream.first_seconds)
