"""What `savia adapt` tells: each model's outcome as soon as it is known, in a sentence of its own.

with reporting(as_json) as report:
    report.embedder(trial, "questions are answered with it from now on")
    report.reranker(reranked, folder, "answers' first hits are reordered from now on")
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from retrieval.adapt import Trial
from retrieval.console import output, print_json
from retrieval.rerank_trial import RerankTrial
from retrieval.significance import Comparison


class AdaptReport:
    """Prints for people at once; as JSON, one value at the end."""

    def __init__(self, as_json: bool) -> None:
        self.found: dict[str, Any] = {}
        self._as_json = as_json
        self._started = time.perf_counter()

    def embedder(self, trial: Trial, use: str) -> None:
        """`use` says what comes of it where it was kept."""
        found = trial.as_json()
        self.found.update({**found, "candidate": str(trial.candidate)})
        if self._as_json:
            return
        for name in ("dense", "hybrid"):
            _print_gain(name, found["before"][name], found["now"][name], trial.gain_of(name), found["questions"])
        outcome = f"kept: {use}" if trial.kept else "not kept: the hybrid did not gain significantly with it"
        _print(f"Embedder {outcome} ({trial.pairs} pairs, {self._seconds():.0f} s).")

    def reranker(self, trial: RerankTrial, folder: Path, use: str) -> None:
        """`folder` is where it lies if it was kept."""
        self.found["reranker"] = {**trial.as_json(), "folder": str(folder) if trial.kept else None}
        if self._as_json:
            return
        _print_gain("reranked", trial.before, trial.now, trial.gain, trial.questions)
        outcome = (
            f"kept in {folder}: {use}" if trial.kept else "not kept: the hybrid did not gain significantly with it"
        )
        _print(f"Reranker {outcome} (a question takes {trial.milliseconds:.0f} ms with it).")

    def finish(self) -> None:
        if self._as_json and self.found:
            print_json({**self.found, "seconds": round(self._seconds(), 1)})

    def _seconds(self) -> float:
        return time.perf_counter() - self._started


@contextmanager
def reporting(as_json: bool) -> Iterator[AdaptReport]:
    """A report that is told also where the second model failed or was interrupted: the first may have been kept by then."""
    report = AdaptReport(as_json)
    try:
        yield report
    finally:
        report.finish()


def _print_gain(name: str, before: float, now: float, gain: Comparison, questions: int) -> None:
    low, high = gain.interval
    _print(
        f"{name}: nDCG@10 on held-out documents {before:.4f} -> {now:.4f} "
        f"({gain.difference:+.4f}, {low:+.4f} to {high:+.4f}, p {gain.probability:.4f}; {questions} questions)"
    )


def _print(text: str) -> None:
    output().print(text, soft_wrap=True, markup=False)
