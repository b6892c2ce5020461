"""Writing a view: copy what stays from the one before, add what is new, compute postings and moments, close.

    writer = ViewWriter(index, analyzer, meta)
    writer.keep(old_view, document_rows)
    writer.add(document, passages, other_names)
    folder = writer.finish(files, filter_fields, pool)

Texts stream to disk; memory holds term counts and spans only. The folder becomes visible when `CURRENT` names it.
"""

import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.blob import Blob, BlobWriter
from retrieval.documents import Document
from retrieval.files import read_json, sync_folder, write_atomically, write_json
from retrieval.lexical import Analyzer, Bm25, Postings, TermCounts, Vocabulary, build_postings
from retrieval.moments import Moments, sum_moments
from retrieval.passages import Passage
from retrieval.vectors import VectorPool, text_key
from retrieval.view import FORMAT, View, fold_value


class ViewWriter:
    """Builds one view folder. Not visible to readers until published."""

    def __init__(self, index: Path, analyzer: Analyzer, meta: Mapping[str, Any]) -> None:
        self.folder = new_view_folder(index)
        self.folder.mkdir(parents=True)
        self._analyzer = analyzer
        self._meta = dict(meta)
        self._vocabulary = Vocabulary()
        self._kept = 0  # documents taken over; they come first
        self._filters: dict[str, dict[str, list[int]]] = {}
        self._counts: list[TermCounts] = []
        self._columns: dict[str, list[Any]] = {
            name: [] for name in ("ids", "keys", "documents_of", "sections_of", "spans")
        }
        self._paths: list[str] = []
        self._before: View | None = None
        self._texts = BlobWriter(self.folder, "texts")
        self._documents = BlobWriter(self.folder, "documents")

    def keep(self, view: View, documents: NDArray[np.int64]) -> None:
        """Take over documents of an older view with their passages, term counts and all; call first, once."""
        self._before = view
        self._paths = [view.paths[row] for row in documents]
        self._vocabulary = Vocabulary(view.vocabulary.terms)
        new_number = np.full(len(view.documents), -1, np.int32)
        new_number[documents] = np.arange(len(documents), dtype=np.int32)
        rows = np.flatnonzero(new_number[view.document_rows] >= 0)
        self._columns["ids"].append(view.ids[rows])
        self._columns["keys"].append(view.keys[rows])
        self._columns["documents_of"].append(new_number[view.document_rows[rows]])
        self._columns["sections_of"].append(view.section_rows[rows])
        self._columns["spans"].append(view.spans[rows])
        self._counts.append(view.counts.take(rows))
        self._texts.copy(view.texts, rows)
        self._documents.copy(view.documents, documents)
        self._kept = len(documents)
        self._filters = {
            name: {value: _renumbered(numbers, new_number) for value, numbers in found.items()}
            for name, found in read_json(view.folder / "filters.json").items()
        }

    def add(self, document: Document, passages: Sequence[Passage], other_names: str, aliases: Sequence[str]) -> None:
        """Add a document. `other_names` is searched with every passage, `aliases[i]` with passage i; neither is embedded."""
        number = len(self._documents)
        self._paths.append(document.path)
        section_numbers = {section.id: row for row, section in enumerate(document.sections)}
        self._columns["ids"].append(np.array([int(passage.id, 16) for passage in passages], np.uint64))
        self._columns["keys"].append(np.array([text_key(passage.embedded_text) for passage in passages], np.uint64))
        self._columns["documents_of"].append(np.full(len(passages), number, np.int32))
        self._columns["sections_of"].append(
            np.array([section_numbers[passage.section_id] for passage in passages], np.int32)
        )
        self._columns["spans"].append(
            np.array([(p.start, p.end, p.ordinal) for p in passages], np.int64).reshape(len(passages), 3)
        )
        extra = self._analyzer.terms(other_names) if other_names else []
        self._counts.append(
            self._vocabulary.count(
                [
                    [*self._analyzer.terms(passage.embedded_text), *extra, *self._analyzer.terms(alias)]
                    for passage, alias in zip(passages, aliases, strict=True)
                ]
            )
        )
        for passage in passages:
            self._texts.add("\0".join([passage.context, passage.lead, passage.tail, passage.text]).encode())
        self._documents.add(json.dumps(_document_record(document)).encode())

    def finish(
        self,
        files: Mapping[str, Mapping[str, str]],
        filter_fields: Sequence[str],
        pool: VectorPool | None,
        ready: NDArray[np.uint64] | None,
    ) -> Path:
        """Write everything else. `ready` limits vectors to these passage ids (those that Chroma holds); None: no limit."""
        columns = {name: _joined(name, parts) for name, parts in self._columns.items()}
        self._texts.close()
        self._documents.close()
        for name, values in columns.items():
            np.save(self.folder / f"{name}.npy", values)
        counts = _joined_counts(self._counts)
        for name, values in (
            ("counts_starts", counts.starts),
            ("counts_terms", counts.terms),
            ("counts", counts.counts),
        ):
            np.save(self.folder / f"{name}.npy", values)
        bm25 = Bm25(*self._meta.get("bm25", ()))
        write_postings(self.folder, build_postings(counts, len(self._vocabulary.terms), bm25))
        (self.folder / "terms.txt").write_text("\n".join(self._vocabulary.terms), encoding="utf-8")
        (self.folder / "paths.txt").write_text("\n".join(self._paths), encoding="utf-8")
        (self.folder / "files.json").write_text(json.dumps(files), encoding="utf-8")
        self._write_filters(filter_fields)
        vector_rows = np.full(len(columns["ids"]), -1, np.int32) if pool is None else pool.rows_of(columns["keys"])
        if ready is not None:
            vector_rows = np.where(np.isin(columns["ids"], ready), vector_rows, -1).astype(np.int32)
        write_vector_files(self.folder, vector_rows, _moments_after(vector_rows, pool, self._before))
        meta = {**self._meta, "format": FORMAT, "passages": len(columns["ids"]), "documents": len(self._documents)}
        write_meta(self.folder, meta, vector_rows, pool)
        return self.folder

    def abandon(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write_filters(self, fields: Sequence[str]) -> None:
        filters: dict[str, dict[str, list[int]]] = {name: {} for name in ("type", *fields)}
        blob = Blob(self.folder, "documents")
        known = filters.keys() == self._filters.keys()  # else the fields have changed: every document is asked again
        if known:
            filters = self._filters
        for number in range(self._kept if known else 0, len(blob)):
            record = json.loads(blob[number])
            values = {**record["fields"], "type": record["type"]}
            for name, found in filters.items():
                value = values.get(name, "")
                for one in [value] if isinstance(value, str) else value:
                    if one:
                        found.setdefault(fold_value(one), []).append(number)
        filled = {name: {value: rows for value, rows in found.items() if rows} for name, found in filters.items()}
        write_json(self.folder / "filters.json", filled)


def new_view_folder(index: Path) -> Path:
    return index / "views" / f"{time.time_ns():x}"


def with_vectors(index: Path, view: View, pool: VectorPool) -> Path:
    """A copy of `view` (hard links where the file system has them) in which every passage has its vector's row."""
    folder = _copy_but(index, view, "view.json", "vector_rows.npy", "moments.npz")
    vector_rows = pool.rows_of(np.asarray(view.keys))
    write_vector_files(folder, vector_rows, _moments_after(vector_rows, pool, view))
    write_meta(folder, view.meta, vector_rows, pool)
    return folder


def with_bm25(index: Path, view: View, bm25: Bm25) -> Path:
    """A copy of `view` in which passages are scored with other constants."""
    folder = _copy_but(index, view, "view.json", "postings_starts.npy", "postings_rows.npy", "postings_scores.npy")
    write_postings(folder, build_postings(view.counts, len(view.vocabulary.terms), bm25))
    sync_folder(folder)
    write_json(folder / "view.json", {**view.meta, "bm25": list(bm25)})
    return folder


def _copy_but(index: Path, view: View, *left_out: str) -> Path:
    folder = new_view_folder(index)
    folder.mkdir(parents=True)
    for path in view.folder.iterdir():
        if path.name not in left_out:
            _link(path, folder / path.name)
    return folder


def write_postings(folder: Path, postings: Postings) -> None:
    for name, values in (("starts", postings.starts), ("rows", postings.rows), ("scores", postings.scores)):
        np.save(folder / f"postings_{name}.npy", values)


def write_meta(folder: Path, meta: Mapping[str, Any], vector_rows: NDArray[np.int32], pool: VectorPool | None) -> None:
    """The view's description, written last: a folder without it is not a view."""
    missing = int((vector_rows < 0).sum())
    state = "complete" if not missing and pool is not None else "lexical" if missing == len(vector_rows) else "partial"
    where = (
        {"file": pool.path.name, "rows": len(pool), "dimension": pool.dimension}
        if pool
        else {"file": "", "rows": 0, "dimension": 0}
    )
    sync_folder(folder)
    write_json(folder / "view.json", {**meta, "state": state, "vectors_missing": missing, "pool": where})


def write_vector_files(folder: Path, vector_rows: NDArray[np.int32], moments: Moments) -> None:
    np.save(folder / "vector_rows.npy", vector_rows)
    with (folder / "moments.npz").open("wb") as file:
        np.savez(file, count=moments.count, total=moments.total, outer=moments.outer)


def _moments_after(vector_rows: NDArray[np.int32], pool: VectorPool | None, before: View | None) -> Moments:
    """The sums of a view, from those of the view before it where both use one pool."""
    rows = vector_rows[vector_rows >= 0]
    if pool is None or before is None or before.meta["pool"]["file"] != pool.path.name:
        return sum_moments(rows, pool)
    old = np.asarray(before.vector_rows)
    return sum_moments(rows, pool, before.moments, old[old >= 0])


def _renumbered(numbers: list[int], new_number: NDArray[np.int32]) -> list[int]:
    return [int(number) for number in new_number[numbers] if number >= 0]


def _document_record(document: Document) -> dict[str, Any]:
    return {
        "id": document.id,
        "path": document.path,
        "title": document.title,
        "type": document.type,
        "hash": document.hash,
        "fields": {name: value if isinstance(value, str) else list(value) for name, value in document.fields.items()},
        "sections": [[section.id, list(section.heading_path)] for section in document.sections],
        "warnings": list(document.warnings),
    }


_SHAPES: dict[str, Any] = {
    "ids": (np.uint64, (0,)), "keys": (np.uint64, (0,)), "documents_of": (np.int32, (0,)),
    "sections_of": (np.int32, (0,)), "spans": (np.int64, (0, 3)),
}  # fmt: skip


def _joined(name: str, parts: list[Any]) -> NDArray[Any]:
    dtype, shape = _SHAPES[name]
    return np.concatenate([np.zeros(shape, dtype), *parts]).astype(dtype, copy=False)


def _joined_counts(parts: list[TermCounts]) -> TermCounts:
    """All counts in one pass (joining pair by pair would copy everything once per document)."""
    lengths = np.concatenate([np.zeros(0, np.int64), *(np.diff(part.starts) for part in parts)])
    return TermCounts(
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.concatenate([np.zeros(0, np.int32), *(part.terms for part in parts)]),
        np.concatenate([np.zeros(0, np.uint16), *(part.counts for part in parts)]),
    )


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def remove_old_views(index: Path, keep: set[str]) -> None:
    """Remove view folders that are neither current nor in `keep`; a reader that has one open keeps its files (POSIX)."""
    views = index / "views"
    for folder in views.iterdir() if views.is_dir() else ():
        if folder.name not in keep:
            shutil.rmtree(folder, ignore_errors=True)


def write_stat_cache(index: Path, cache: Mapping[str, Any]) -> None:
    write_atomically(index / "stat.json", json.dumps(cache).encode())
