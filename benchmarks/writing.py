"""Questions in one process while another one syncs: nobody sees an error, nobody waits long.

    python -m benchmarks writing

First the asker alone, then with one sync after another, each of freshly edited files of the archive.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.archive import archive_index
from benchmarks.report import Row, missing
from benchmarks.workspace import ARCHIVE_DOMAIN, Workspace, every
from retrieval.errors import IndexMissing

SECONDS, QUICK_SECONDS = 40, 8
EDITED = 100  # files of each sync: enough to read, embed, publish, add and delete
MOST_SLOWER = 2.0


def run(workspace: Workspace) -> Iterator[Row]:
    what = "questions in another process while a sync runs"
    try:
        index = archive_index(workspace)
    except (FileNotFoundError, IndexMissing) as error:
        yield missing(what, "", str(error))
        return
    seconds = QUICK_SECONDS if workspace.quick else SECONDS
    arguments = (str(workspace.home), ARCHIVE_DOMAIN, str(seconds))
    quiet = workspace.program("asker", *arguments).json
    asker = workspace.start(*_asker_command(arguments))
    syncs = []
    while asker.running():
        _edit(index.domain.corpus)
        began = time.time()
        workspace.savia("index", "sync", "--domain", ARCHIVE_DOMAIN)
        syncs.append((began, time.time()))
    yield _row(what, quiet, asker.wait().json, syncs)


def _asker_command(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "benchmarks.asker", *arguments]


def _edit(corpus: Path) -> None:
    for file in every(sorted(corpus.rglob("*.md")), EDITED):
        with file.open("a", encoding="utf-8") as opened:
            opened.write(f"\nEsta frase se añadió a {file.stem} en el momento {time.time_ns()}.\n")


def _row(
    what: str,
    quiet: dict[str, list[tuple[float, float]]],
    busy: dict[str, list[tuple[float, float]]],
    syncs: Sequence[tuple[float, float]],
) -> Row:
    alone = [taken for _, taken in quiet["times"]]
    during = [taken for began, taken in busy["times"] if any(start <= began <= end for start, end in syncs)]
    before, after = (float(np.percentile(times, 95)) * 1000 for times in (alone, during))
    faults = [*quiet["faults"], *busy["faults"]]
    return Row(
        f"{what} ({len(during)} questions, {len(syncs)} syncs of {EDITED} edited files)",
        f"{len(faults)} errors, p95 {after:.0f} ms against {before:.0f} ms quiet ({after / before:.1f}x)",
        f"0 errors, p95 <= {MOST_SLOWER:.0f}x",
        not faults and after <= MOST_SLOWER * before,
        {"errors": faults[:5], "p95_ms": after, "quiet_p95_ms": before, "questions": len(during)},
    )
