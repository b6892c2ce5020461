"""Two hundred random histories of an index: add, edit, delete, rename, sync, crash between any two writes, reopen.

    python -m benchmarks histories

The same property test as in `make test`, which runs thirty of them.
"""

import sys
from collections.abc import Iterator

from benchmarks.report import Row, missing
from benchmarks.workspace import ROOT, BenchmarkFailed, Started, Workspace

TEST = "tests/retrieval/test_index_histories.py"
HISTORIES, QUICK_HISTORIES = 200, 5


def run(workspace: Workspace) -> Iterator[Row]:
    count = QUICK_HISTORIES if workspace.quick else HISTORIES
    what = f"{count} random histories of an index: files, view and Chroma agree"
    if not (ROOT / TEST).is_file():
        yield missing(what, "all", f"no {TEST}")
        return
    # Not the workspace's home: the test makes its own. What hypothesis remembers stays in the scratch folder.
    env = {
        **workspace.environment(),
        "SAVIA_HISTORIES": str(count),
        "SAVIA_DATASETS": str(workspace.datasets),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(workspace.folder / "hypothesis"),
    }
    del env["SAVIA_HOME"]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-o", "timeout=0", TEST]
    try:
        seconds = Started(command, env, ROOT).wait().seconds
    except BenchmarkFailed as error:
        yield Row(what, f"failed: {error}", "all", False)
        return
    yield Row(what, f"all, in {seconds:.0f} s", "all", True, {"histories": count, "seconds": seconds})
