"""Fresh processes, as a person at a terminal meets them: `savia --help`, and `savia ask` on the shipped pack.

python -m benchmarks commands
"""

from collections.abc import Iterator
from statistics import median

from benchmarks.report import Row
from benchmarks.workspace import Finished, Workspace

RUNS = 5
HELP_SECONDS, ASK_SECONDS, ASK_MB = 0.5, 2.0, 350
QUESTION = "¿Para qué se usa la sábila?"


def run(workspace: Workspace) -> Iterator[Row]:
    helped = [workspace.savia("--help") for _ in range(RUNS)]
    yield _timed("`savia --help`", helped, HELP_SECONDS)
    workspace.copy_herbolaria()
    asked = [workspace.savia("ask", QUESTION, "--json", "--domain", "herbolaria") for _ in range(RUNS)]
    yield _timed("`savia ask` on herbolaria, fresh process", asked, ASK_SECONDS)
    peak = max(finished.peak_mb for finished in asked)
    yield Row(
        "`savia ask` on herbolaria, peak memory", f"{peak:.0f} MB", f"<= {ASK_MB} MB", peak <= ASK_MB, {"peak_mb": peak}
    )


def _timed(what: str, finished: list[Finished], bound: float) -> Row:
    seconds = [one.seconds for one in finished]
    middle = median(seconds)
    return Row(
        what,
        f"{middle:.2f} s (median of {len(seconds)})",
        f"< {bound} s",
        middle < bound,
        {"median": middle, "seconds": seconds},
    )
