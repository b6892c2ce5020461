"""One thing after another, first come first served: the line in front of a process's one local model.

    job = process_line().submit(work)      # work(job) runs in the line's own thread when its turn comes
    job.ahead, job.cancel(), job.wait()

The work goes on whether or not somebody reads its result, so a reader who fell asleep holds nobody up.
"""

import atexit
import threading
from collections import deque
from collections.abc import Callable
from functools import cache
from typing import Final

from retrieval.errors import BackendError

LONGEST: Final = 256  # jobs waiting; with more, the last would wait for hours
GRACE: Final = 5.0  # seconds that a process at its end waits for the model to fall silent


class Job:
    """Work in line. `cancelled` is looked at by the work itself; work that has not begun is left out."""

    def __init__(self, work: Callable[["Job"], None], line: "Line") -> None:
        self._work = work
        self._line = line
        self._done = threading.Event()
        self.cancelled = threading.Event()
        self.error: BaseException | None = None

    @property
    def ahead(self) -> int:
        """Jobs that come before this one, the running one included; 0 once it runs."""
        return self._line.place(self)

    def cancel(self) -> None:
        self.cancelled.set()
        self._line.drop(self)

    def wait(self, seconds: float | None = None) -> bool:
        """Whether it is over. What the work raised is in `error`."""
        return self._done.wait(seconds)

    def run(self) -> None:
        try:
            if not self.cancelled.is_set():
                self._work(self)
        except BaseException as error:  # told to whoever waits for it; the line goes on
            self.error = error
        finally:
            self.over()

    def over(self) -> None:
        del self._work  # it may hold what is to be freed
        self._done.set()


class Line:
    """A first-in first-out line with one thread, which lives as long as there is work."""

    def __init__(self) -> None:
        self._waiting: deque[Job] = deque()
        self._running: Job | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Jobs that run or wait."""
        with self._lock:
            return len(self._waiting) + (self._running is not None)

    def submit(self, work: Callable[[Job], None]) -> Job:
        """Put work at the end of the line. Raises `BackendError` when the line is too long."""
        job = Job(work, self)
        with self._lock:
            if len(self._waiting) >= LONGEST:
                raise BackendError(f"{LONGEST} questions wait for the local model already.", "Ask again later.")
            self._waiting.append(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work_off, name="savia-model", daemon=True)
                self._thread.start()
        return job

    def place(self, job: Job) -> int:
        with self._lock:
            if job not in self._waiting:
                return 0
            return self._waiting.index(job) + (self._running is not None)

    def drop(self, job: Job) -> None:
        """Take a job that has not begun out of the line."""
        with self._lock:
            if job not in self._waiting:
                return
            self._waiting.remove(job)
        job.over()

    def end(self) -> None:
        """Cancel everything and wait a moment for the running job."""
        with self._lock:
            jobs = [*self._waiting, *([self._running] if self._running else [])]
        for job in jobs:
            job.cancel()
        for job in jobs:
            job.wait(GRACE)

    def _work_off(self) -> None:
        while True:
            with self._lock:
                self._running = self._waiting.popleft() if self._waiting else None
                if self._running is None:
                    self._thread = None
                    return
            self._running.run()


@cache
def process_line() -> Line:
    """The one line of this process. A process that ends cancels what runs: a thread inside the model would be cut off."""
    line = Line()
    atexit.register(line.end)
    return line
