"""When the next call may start: so many requests and tokens a minute, and not before the server said.

    pace = Pace(requests_per_minute=60, clock=time.monotonic)
    await asyncio.sleep(pace.reserve(tokens=1200))

Calls are spread evenly rather than sent in bursts: a burst at the start of each minute is what limits are there to prevent.
"""

from collections.abc import Callable
from dataclasses import dataclass

MINUTE = 60.0


@dataclass(slots=True)
class Pace:
    """`clock` gives seconds; all workers of a run share one pace."""

    clock: Callable[[], float]
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    _next_request: float = float("-inf")
    _next_token: float = float("-inf")
    _held_until: float = float("-inf")

    def reserve(self, tokens: int) -> float:
        """Seconds to wait before the call that is now reserved may start."""
        now = self.clock()
        start = max(now, self._next_request, self._next_token, self._held_until)
        if self.requests_per_minute:
            self._next_request = start + MINUTE / self.requests_per_minute
        if self.tokens_per_minute:
            self._next_token = start + MINUTE * tokens / self.tokens_per_minute
        return start - now

    def hold(self, seconds: float) -> None:
        """Nobody starts before then: limits belong to the key, not to one call."""
        self._held_until = max(self._held_until, self.clock() + seconds)

    @property
    def held(self) -> float:
        """Seconds for which the server's wish still holds."""
        return max(0.0, self._held_until - self.clock())
