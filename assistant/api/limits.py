"""How much may be asked: requests a minute for each asker, answers at once for all.

retry_after = buckets.take("alice")      # 0.0: go on; else seconds to wait
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from assistant.api.problems import ApiProblem

MOST_ASKERS = 10_000  # remembered at once; the one seen longest ago is forgotten


class RateLimit:
    """A bucket for each asker, filled at `per_minute`; it holds a minute's worth. 0: no limit. For one event loop."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_minute / 60
        self._size = float(per_minute)
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, asker: str) -> float:
        """0 where one more request is fine, else the seconds until it is."""
        if not self._size:
            return 0.0
        now = self._clock()
        left, seen = self._left.pop(asker, (self._size, now))
        left = min(self._size, left + (now - seen) * self._per_second)
        wait = 0.0 if left >= 1 else (1 - left) / self._per_second
        self._left[asker] = (left - 1 if not wait else left, now)
        if len(self._left) > MOST_ASKERS:
            self._left.popitem(last=False)
        return wait


class Slots:
    """Answers that are being written. For one event loop."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0

    def take(self) -> None:
        """Raises `ApiProblem` (503) when all are taken."""
        if self.taken >= self.most:
            raise ApiProblem(503, f"{self.most} answers are being written already.", retry_after=1)
        self.taken += 1

    def free(self) -> None:
        self.taken -= 1

    @contextmanager
    def held(self) -> Iterator[None]:
        self.take()
        try:
            yield
        finally:
            self.free()
