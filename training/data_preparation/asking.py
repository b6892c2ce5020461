"""Asking within limits: nothing twice, nothing beyond the budget, no faster than allowed, again where a fault passes.

asker = Asker(server, journal, budget, price, Pace(time.monotonic))
reply = await asker.ask(Request("model", (("user", "..."),), Draft))
"""

import asyncio
import random
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import BaseModel

from retrieval.errors import BackendError
from training.data_preparation.budget import Budget, Price, Spent
from training.data_preparation.completions import Lost, Refused, Request
from training.data_preparation.journal import Journal, Reply
from training.data_preparation.model_output import Draft, Phrasing, Verdict
from training.data_preparation.pacing import Pace

ATTEMPTS = 6
FIRST_WAIT = 0.5  # seconds before the second attempt; doubled for each further one
LONGEST_WAIT = 30.0
LONGEST_HOLD = 900.0  # a server that asks for more than this is told of, rather than waited for
MOST_FAILED = 10  # calls that fail one after the other, none between them answered: the server is gone

EXPECTED_OUTPUT: dict[type[BaseModel], int] = {Draft: 450, Phrasing: 50, Verdict: 70}
"""Tokens of a usual reply: a question, three sentences of reasoning and five of answer; one question; a verdict."""


class CallFailed(Exception):
    """A call that did not succeed in all its attempts; the message says why. It is tried again in the next run."""


class OutOfBudget(Exception):
    """The next call would exceed the budget."""


class Stopped(Exception):
    """The user asked to stop: calls in flight end, no new one starts."""


class Fetcher(Protocol):
    async def fetch(self, request: Request) -> Reply: ...


def estimate_call(request: Request) -> Spent:
    """What a call is expected to cost."""
    return Spent(
        1, request.input_tokens, min(EXPECTED_OUTPUT.get(request.shape, request.max_tokens), request.max_tokens)
    )


@dataclass
class Asker:
    """Shared by all workers of a run."""

    server: Fetcher
    journal: Journal
    budget: Budget
    price: Price | None
    pace: Pace
    first_wait: float = FIRST_WAIT
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    failed_in_a_row: int = 0
    _waiting: dict[str, asyncio.Lock] = field(default_factory=dict)

    async def ask(self, request: Request) -> Reply:
        """The reply, from the journal where it is there. Raises `CallFailed`, `OutOfBudget`, `Stopped`, `BackendError`."""
        async with self._waiting.setdefault(request.key, asyncio.Lock()):  # two rows may ask the same
            known = self.journal.replies.get(request.key)
            return known if known is not None else await self._ask(request)

    async def _ask(self, request: Request) -> Reply:
        reason = ""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._attempt(request)
            except Lost as error:
                reason, wait = str(error), None
            except Refused as error:
                reason, wait = error.reason, error.wait
                if not error.passing:
                    break
            if attempt < ATTEMPTS:
                await self._back_off(attempt, wait)
        self._count_failure(reason)
        raise CallFailed(reason)

    async def _attempt(self, request: Request) -> Reply:
        estimate = estimate_call(request)
        await self._wait_for_turn(estimate)
        # From here to the line in the journal nothing is awaited: no other worker can spend what was allowed to this one.
        if not self.budget.allows(self.journal.spent, estimate, self.price):
            raise OutOfBudget
        self.journal.record_asked(request.key, estimate)
        try:
            reply = await self.server.fetch(request)
        except Refused as error:
            self.journal.record_refused(request.key, error.reason)
            raise
        except BackendError as error:
            self.journal.record_refused(request.key, error.message)
            raise
        except Lost as error:
            self.journal.record_lost(request.key, str(error))
            raise
        self.journal.record_answered(request.key, reply)
        self.failed_in_a_row = 0
        return reply

    async def _wait_for_turn(self, estimate: Spent) -> None:
        if self.stopping.is_set():
            raise Stopped
        await self._pause(self.pace.reserve(estimate.tokens))
        while self.pace.held:  # another worker was told to wait meanwhile
            await self._pause(self.pace.held)

    async def _back_off(self, attempt: int, wait: float | None) -> None:
        """What the server asks for holds for all workers; our own back-off for this one alone."""
        if wait is not None:
            if wait > LONGEST_HOLD:
                raise BackendError(f"The server asks to wait {wait:,.0f} seconds.", "Run the same command again then.")
            self.pace.hold(wait)
            return
        longest = min(self.first_wait * 2 ** (attempt - 1), LONGEST_WAIT)
        await self._pause(longest * (0.5 + random.random() / 2))  # apart, lest all workers come back at once

    async def _pause(self, seconds: float) -> None:
        """Wait, unless the user stops the run. Raises `Stopped`."""
        if seconds <= 0:
            return
        try:
            await asyncio.wait_for(self.stopping.wait(), seconds)
        except TimeoutError:
            return
        raise Stopped

    def _count_failure(self, reason: str) -> None:
        self.failed_in_a_row += 1
        if self.failed_in_a_row >= MOST_FAILED:
            raise BackendError(
                f"{MOST_FAILED} calls failed one after the other; the last one: {reason.rstrip('.')}.",
                "Mend the server, then run the same command again: it goes on where it stopped.",
            )
