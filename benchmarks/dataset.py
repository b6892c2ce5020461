"""Building the data set: the shipped pack, a large pack of Markdown, and a rebuild after one edited section.

    python -m benchmarks dataset

Fresh processes, templates alone; the index is in place before the clock starts.
"""

import json
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.report import Row, missing
from benchmarks.workspace import QUICK_FILES, Workspace, every
from training.layout import SPLITS, BuildLayout

ARCHIVE, LARGE = Path("medquad_gard") / "markdown.tar.gz", "bench-gard"
EDITED, OLD, NEW = "plantas/sabila.md", "La sábila llegó a América", "La sábila, se cuenta, llegó a América"
SECTION = "plantas/sabila#historia"
SHIPPED_SECONDS, LARGE_SECONDS, LARGE_MB, REBUILD_SECONDS, LEAST_ROWS = 60, 300, 2048, 10, 1500


def run(workspace: Workspace) -> Iterator[Row]:
    workspace.copy_herbolaria()
    built = workspace.savia("dataset", "build", "--domain", "herbolaria", "--json")
    rows = sum(built.json["stages"]["export"]["rows"].values())
    yield _row("`savia dataset build` on herbolaria, fresh process", built.seconds, SHIPPED_SECONDS, f"{rows:,} rows")
    kept = built.json["stages"]["filter"]["rows"]
    yield Row("template rows of herbolaria, after the filter", f"{kept:,}", f">= {LEAST_ROWS:,}", kept >= LEAST_ROWS)
    yield from _rebuild(workspace)
    try:
        documents = unpack_large(workspace)
    except FileNotFoundError as error:
        yield missing("`savia dataset build` on 2,684 files", "", str(error))
        return
    workspace.savia("index", "sync", "--domain", LARGE)
    large = workspace.savia("dataset", "build", "--domain", LARGE, "--json")
    rows = sum(large.json["stages"]["export"]["rows"].values())
    what = f"`savia dataset build` on a pack of {documents:,} files"
    yield _row(what, large.seconds, LARGE_SECONDS, f"{rows:,} rows")
    peak = large.peak_mb
    yield Row(f"{what}, peak memory", f"{peak:.0f} MB", f"<= {LARGE_MB} MB", peak <= LARGE_MB, {"peak_mb": peak})


def _rebuild(workspace: Workspace) -> Iterator[Row]:
    """One sentence of one section is edited: how long the rebuild takes, and which rows differ."""
    before = exported_rows(workspace)
    file = workspace.home / "data" / "domains" / "herbolaria" / "corpus" / EDITED
    text = file.read_text(encoding="utf-8")
    assert OLD in text, f"{EDITED} no longer says {OLD!r}"
    file.write_text(text.replace(OLD, NEW), encoding="utf-8")
    rebuilt = workspace.savia("dataset", "build", "--domain", "herbolaria", "--json")
    after = exported_rows(workspace)
    yield _row("rebuild after one edited section, fresh process", rebuilt.seconds, REBUILD_SECONDS, "")
    touched = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    rows = [json.loads((after.get(name) or before[name])[1]) for name in touched]
    others = sum(SECTION not in row["metadata"]["source_sections"] for row in rows)
    yield Row(
        "rows of other sections that the rebuild changed",
        f"{others} ({len(touched)} of the edited section)",
        "0",
        others == 0 and bool(touched),
    )


def exported_rows(workspace: Workspace) -> dict[str, tuple[str, str]]:
    """(part, line) of each exported row, by its id."""
    layout = BuildLayout(workspace.home / "data" / "build" / "herbolaria")
    lines = ((name, line) for name in SPLITS for line in layout.exported(name).read_text("utf-8").split("\n") if line)
    return {json.loads(line)["id"]: (name, line) for name, line in lines}


def unpack_large(workspace: Workspace) -> int:
    """The public Markdown of rare diseases as a pack made by `savia init`; returns its number of files.

    Raises `FileNotFoundError` where the archive is absent.
    """
    source = workspace.datasets / ARCHIVE
    if not source.is_file():
        raise FileNotFoundError(f"no {ARCHIVE} in SAVIA_DATASETS")
    unpacked = workspace.folder / "unpacked-gard"
    shutil.rmtree(unpacked, ignore_errors=True)
    with tarfile.open(source) as archive:
        archive.extractall(unpacked, filter="data")
    files = sorted(unpacked.rglob("*.md"))
    if workspace.quick:
        chosen = set(every(files, QUICK_FILES))
        for file in files:
            if file not in chosen:
                file.unlink()
        files = sorted(chosen)
    shutil.rmtree(workspace.home / "data" / "domains" / LARGE, ignore_errors=True)
    shutil.rmtree(workspace.home / "data" / "build" / LARGE, ignore_errors=True)
    workspace.savia("init", LARGE, "--from", str(unpacked))
    shutil.rmtree(unpacked)
    return len(files)


def _row(what: str, seconds: float, bound: float, note: str) -> Row:
    figure = f"{seconds:.1f} s" + (f", {note}" if note else "")
    return Row(what, figure, f"<= {bound} s", seconds <= bound, {"seconds": seconds})
