"""`python -m benchmarks [NAME ...] [--quick]`: measure, print, and write results.json and the table of README.md.

make bench                              # everything, some two hours on two cores
python -m benchmarks commands answers   # these groups; the other rows stay as they are
"""

import argparse
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import (
    adaptation,
    answers,
    api,
    archive,
    commands,
    dataset,
    histories,
    latency,
    local_backend,
    near_duplicates,
    peers,
    quality,
    tiny_training,
    writing,
)
from benchmarks.report import Report, Row, missing
from benchmarks.workspace import BenchmarkFailed, Workspace
from retrieval.errors import SaviaError

Benchmark = Callable[[Workspace], Iterator[Row]]

BENCHMARKS: dict[str, Benchmark] = {
    "quality": quality.run,
    "adaptation": adaptation.run,
    "adaptation_large": adaptation.run_large,
    "answers": answers.run,
    "api": api.run,
    "local_backend": local_backend.run,
    "commands": commands.run,
    "peers": peers.run,
    "archive": archive.run,
    "latency": latency.run,
    "writing": writing.run,
    "histories": histories.run,
    "near_duplicates": near_duplicates.run,
    "tiny_training": tiny_training.run,
    "dataset": dataset.run,
}


def main() -> int:
    """0 where everything that is promised was measured and holds, else 1."""
    options = _read_options()
    for name in [name for name in os.environ if name.startswith("SAVIA_") and name != "SAVIA_DATASETS"]:
        del os.environ[name]  # a person's own settings would be measured instead
    workspace = Workspace.make(options.quick)
    report = Report.load(workspace.folder / "results" if options.quick else Path(__file__).parent)
    started = time.perf_counter()
    chosen = options.names or list(BENCHMARKS)
    for name in chosen:
        print(f"\n== {name}", flush=True)
        report.replace(name, list(_run(name, workspace)), BENCHMARKS)
        report.write()
    print(f"\n{time.perf_counter() - started:.0f} seconds in all")
    done = [row for row in report.rows if row.benchmark in chosen]
    return 1 if any(row.met is False or "not measured" in row.figure for row in done) else 0


def _run(name: str, workspace: Workspace) -> Iterator[Row]:
    """The rows of one benchmark, printed as they come; a failure is a row and does not end a run of hours."""
    try:
        for row in BENCHMARKS[name](workspace):
            _print(row)
            yield row
    except Exception as error:
        if not isinstance(error, BenchmarkFailed | SaviaError):
            traceback.print_exc()
        row = missing(f"{name}: the rest of this group", "", " ".join(str(error).split())[:300])
        _print(row)
        yield row


def _print(row: Row) -> None:
    bound = f"   (bound: {row.bound})" if row.bound else ""
    print(f"{row.verdict.strip('*'):8} {row.what}: {row.figure}{bound}", flush=True)


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what Savia promises.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(BENCHMARKS)}; default: all")
    parser.add_argument(
        "--quick", action="store_true", help="small sizes, to see that all of it works; writes no table"
    )
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; choose from {', '.join(BENCHMARKS)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
