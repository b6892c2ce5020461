"""Fresh processes, as a person at a terminal meets them: `savia --help`, `savia ask` on the shipped pack, and an evaluation.

python -m benchmarks commands
"""

from collections.abc import Iterator
from statistics import median

from benchmarks.report import Row, missing
from benchmarks.workspace import Finished, Workspace
from retrieval.beir import beir_domain, read_beir

RUNS = 5
HELP_SECONDS, ASK_SECONDS, ASK_MB = 0.5, 2.0, 350
QUESTION = "¿Para qué se usa la sábila?"
COLLECTION, EVALUATED_SECONDS = "medquad_gard/beir_sections", 60


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
    if not workspace.quick:
        yield _evaluated(workspace)


def _evaluated(workspace: Workspace) -> Row:
    """Reading and indexing included: the index of the collection is made anew."""
    what, bound = f"evaluation of {COLLECTION} (bm25), index made anew, whole process", f"<= {EVALUATED_SECONDS} s"
    folder = workspace.datasets / COLLECTION
    if not folder.is_dir():
        return missing(what, bound, f"no {COLLECTION} in SAVIA_DATASETS")
    workspace.remove_index(beir_domain(read_beir(folder), workspace.settings().build_dir).name)
    done = workspace.savia("evaluate", "retrieval", "--beir", str(folder), "--retriever", "bm25", "--json")
    [found] = done.json
    return Row(
        what,
        f"{done.seconds:.1f} s, {found['queries']:,} questions, {done.peak_mb:.0f} MB",
        bound,
        done.seconds <= EVALUATED_SECONDS,
        {"seconds": done.seconds, "queries": found["queries"], "peak_mb": done.peak_mb},
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
