"""The corpus against the view it was last built from: what stays, what is read again, what went.

    stats = read_stats(index_folder)
    plan = make_plan(corpus, view, stats)
    plan.read, plan.counts

Comparison is by content hash; a file of the same size and time as last time is not read at all. Cost: one directory scan,
and one read per file that is new or touched.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.corpus import CorpusFile, content_hash, read_file, scan
from retrieval.documents import UnreadableText
from retrieval.files import read_json
from retrieval.view import View
from retrieval.view_writer import write_stat_cache

RACY_NS = 2_000_000_000  # a file changed this recently may change again within its time stamp: its hash is not cached

Stats = dict[str, Any]
"""path -> [size, mtime_ns, hash]"""


@dataclass(frozen=True)
class Plan:
    """`keep` are document rows of the view; `files` has an entry for every file, refused ones with the reason; `same` says
    that nothing at all differs."""

    keep: NDArray[np.int64]
    read: list[CorpusFile]
    files: dict[str, dict[str, str]]
    counts: dict[str, int]
    same: bool


def make_plan(corpus: Path, view: View | None, stats: Stats) -> Plan:
    """Scan the corpus and compare it with the view; hashes of files that had to be read are added to `stats`."""
    known = view.files if view is not None else {}
    files: dict[str, dict[str, str]] = {}
    read: list[CorpusFile] = []
    kept: set[str] = set()
    for file in scan(corpus):
        entry = files[file.path] = _entry(file, stats)
        if "refused" in entry:
            continue
        before = known.get(file.path, {})
        if before.get("hash") != entry["hash"]:
            read.append(file)
            continue
        files[file.path] = dict(before)  # a refused file keeps its reason as long as its bytes are the same
        if "refused" not in before:
            kept.add(file.path)
    paths = view.paths if view is not None else []
    keep = np.array([row for row, path in enumerate(paths) if path in kept], np.int64)
    return Plan(keep, read, files, _counts(known, kept, read), view is not None and files == known)


def _entry(file: CorpusFile, stats: Stats) -> dict[str, str]:
    if file.refused:
        return {"refused": file.refused}
    try:
        return {"hash": _hash_of(file, stats)}
    except UnreadableText as error:
        return {"refused": str(error)}


def _counts(known: dict[str, dict[str, str]], kept: set[str], read: list[CorpusFile]) -> dict[str, int]:
    indexed = {path for path, entry in known.items() if "refused" not in entry}
    changed = sum(file.path in indexed for file in read)
    return {
        "added": len(read) - changed,
        "changed": changed,
        "deleted": len(indexed - kept - {file.path for file in read}),
        "unchanged": len(kept),
    }


def _hash_of(file: CorpusFile, stats: Stats) -> str:
    """Content hash, from the cache when size and time are the same; updates the cache."""
    cached = stats.get(file.path)
    if cached is not None and cached[:2] == [file.size, file.mtime_ns]:
        return str(cached[2])
    digest = content_hash(read_file(file))
    stats[file.path] = [file.size, file.mtime_ns, digest]
    return digest


def read_stats(folder: Path) -> Stats:
    """The cache of hashes; empty when there is none."""
    try:
        found: Stats = read_json(folder / "stat.json")
        return found
    except (OSError, ValueError):
        return {}  # a cache: without it every file is hashed


def write_stats(folder: Path, plan: Plan, stats: Stats) -> None:
    """Keep what is still there and old enough to be trusted."""
    newest = time.time_ns() - RACY_NS
    kept = {path: entry for path, entry in stats.items() if path in plan.files and entry[1] < newest}
    if kept != read_stats(folder):
        write_stat_cache(folder, kept)
