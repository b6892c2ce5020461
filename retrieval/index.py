"""The index of a domain: documents in, passages in Chroma and a read view out, by reconciling content hashes.

    index = Index.of(domain, settings)
    report = index.sync(embedder)            # only what changed is parsed, embedded and written

Order of every sync: add rows to Chroma, publish the view that uses them, delete rows no view uses. So no published view
points at a missing row, whatever instant the process dies at; the next sync finds `pending.json` and sweeps. A fresh corpus
is first published with BM25 alone. Layout of the folder: docs/decisions/0003-read-view.md.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.corpus import CorpusFile, content_hash, parse_file, read_file, scan
from retrieval.documents import Document, UnreadableText
from retrieval.domain import Domain, DomainConfig
from retrieval.embedders import Embedder, WordCounter
from retrieval.errors import IndexDamaged, IndexMissing, StorageError, UsageError, storage_errors
from retrieval.files import read_json, write_json
from retrieval.lexical import ANALYZER_VERSION, Analyzer
from retrieval.lock import writer_lock
from retrieval.passages import split_documents
from retrieval.settings import RetrievalSettings
from retrieval.store import ChromaStore, Metadata, PassageStore
from retrieval.vectors import VectorPool
from retrieval.view import FORMAT, View, current_view_name, open_view, publish
from retrieval.view_writer import ViewWriter, remove_old_views, with_vectors, write_stat_cache

PARSE_BATCH = 64  # documents parsed, tokenized and written at once: bounds memory
EMBED_BATCH = 512  # texts embedded between two durable appends: at most this much work is lost to a kill
ADD_BATCH = 2_000  # rows given to Chroma at once
FEW = 256  # new texts that are embedded before anything is published: an edit never makes its document lexical-only
RACY_NS = 2_000_000_000  # a file changed this recently may change again within its time stamp: its hash is not cached

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total); stages are read, embed, add, delete."""

Checkpoint = Callable[[str], None]
"""Called before every durable write with its name; tests raise here to simulate a crash."""


@dataclass(frozen=True)
class SyncReport:
    """What a sync found and did; counts are documents unless the name says passages."""

    added: int = 0
    changed: int = 0
    deleted: int = 0
    unchanged: int = 0
    passages: int = 0
    embedded: int = 0
    state: str = "lexical"
    refused: dict[str, str] = field(default_factory=dict)
    warnings: dict[str, list[str]] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True)
class VerifyReport:
    """Comparison of files, view and Chroma; all zero (and `faults` empty) when the index is sound."""

    files: int
    passages: int
    rows: int
    missing: int
    orphans: int
    duplicates: int
    outdated: int
    faults: list[str]

    @property
    def sound(self) -> bool:
        return not (self.missing or self.orphans or self.duplicates or self.outdated or self.faults)


@dataclass(frozen=True)
class _Plan:
    """The corpus against the view: which documents stay, which are read again."""

    keep: NDArray[np.int64]
    read: list[CorpusFile]
    files: dict[str, dict[str, str]]
    report: dict[str, int]
    same: bool


class Index:
    """One domain's index on disk."""

    def __init__(self, domain: Domain, settings: RetrievalSettings) -> None:
        self.domain = domain
        self.settings = settings
        self.folder = settings.index_dir(domain.name)

    def view(self) -> View:
        """The current view. Raises `IndexMissing` or `IndexDamaged`."""
        try:
            return open_view(self.folder)
        except IndexMissing as error:
            raise IndexMissing(
                f"The domain {self.domain.name} has no index yet.",
                f"Build it: savia index sync --domain {self.domain.name}",
            ) from error

    def store(self, view: View) -> PassageStore:
        """Chroma as the view uses it. Raises `IndexDamaged` when it cannot be opened."""
        return self._open_store(view.meta["chroma"], view.meta["collection"])

    def sync(
        self, embedder: Embedder | None, progress: Progress | None = None, checkpoint: Checkpoint | None = None
    ) -> SyncReport:
        """Make the index equal to the corpus. Can be killed at any moment and run again.

        Raises `IndexLocked`, `StorageError`, `UsageError` (no corpus folder).
        """
        with writer_lock(self.folder, "savia index sync"), storage_errors(f"write the index at {self.folder}"):
            return self._sync(embedder, progress or _silent, checkpoint or _unchecked, self._usable_view(embedder))

    def rebuild(
        self, embedder: Embedder | None, progress: Progress | None = None, checkpoint: Checkpoint | None = None
    ) -> SyncReport:
        """Make everything anew from the documents: texts, vectors, Chroma. The old index answers until the new one is whole."""
        with writer_lock(self.folder, "savia index rebuild"), storage_errors(f"write the index at {self.folder}"):
            old = self._served_collection()
            report = self._sync(embedder, progress or _silent, checkpoint or _unchecked, None, fresh=True)
            if old:
                ChromaStore.drop(*old)
            return report

    def verify(self) -> VerifyReport:
        """Compare files, view and Chroma. Reads everything; changes nothing."""
        with writer_lock(self.folder, "savia index verify"):
            return self._verify(self.view())

    def _verify(self, view: View) -> VerifyReport:
        plan = self._plan(view, {})
        with_vector = {f"{int(i):016x}" for i in np.asarray(view.ids)[np.asarray(view.vector_rows) >= 0]}
        faults = _view_faults(view)
        stored: set[str] = set()
        count = 0
        if view.meta["embedder"] or with_vector:
            store = self.store(view)
            try:
                stored, count = store.ids(), store.count()
            finally:
                store.close()
        return VerifyReport(
            files=len(plan.files),
            passages=len(view),
            rows=count,
            missing=len(with_vector - stored),
            orphans=len(stored - with_vector),
            duplicates=len(view) - len(np.unique(view.ids)) + max(0, count - len(stored)),
            outdated=len(plan.read) + plan.report["deleted"],
            faults=faults,
        )

    def _usable_view(self, embedder: Embedder | None) -> View | None:
        """The current view if this version can build on it."""
        try:
            view = open_view(self.folder)
        except (IndexMissing, IndexDamaged):
            return None
        return view if view.meta.get("signature") == self._signature(embedder) else None

    def _signature(self, embedder: Embedder | None) -> str:
        """Changes whenever unchanged documents would give other passages, terms or fields."""
        config = self.domain.config
        parts = [
            FORMAT, ANALYZER_VERSION, config.language, self._cap(embedder), embedder.fingerprint if embedder else "",
            list(config.fields), list(config.name_fields),
            {word: list(others) for word, others in sorted(config.synonyms.items())},
            {name: list(rule.aliases) for name, rule in sorted(config.sections.items())},
            self.settings.chroma_url,
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def _cap(self, embedder: Embedder | None) -> int:
        return min(self.settings.passage_tokens, embedder.max_tokens) if embedder else self.settings.passage_tokens

    def _sync(
        self,
        embedder: Embedder | None,
        progress: Progress,
        checkpoint: Checkpoint,
        view: View | None,
        fresh: bool = False,
    ) -> SyncReport:
        started = time.monotonic()
        stats = {} if fresh else _read_stats(self.folder)
        plan = self._plan(view, stats)
        pending = (self.folder / "pending.json").exists()
        done = view is not None and (view.state == "complete" or embedder is None or not len(view))
        if plan.same and done and not pending:
            assert view is not None
            _write_stats(self.folder, plan, stats)
            return self._report(plan, view, 0, started)
        generation = self._generation(fresh)
        pool = self._pool(embedder, generation) if embedder else None
        # Rows already in Chroma under this collection; asked of Chroma itself after a crash or a change of collection.
        names = self._names(embedder, generation)
        store: PassageStore | None = None
        # Views that a reader may have open: they are read piece by piece, so they outlive this sync.
        opened = {current_view_name(self.folder) or ""}
        try:
            if embedder and pool is not None:
                trusted = view is not None and not pending and (view.meta["chroma"], view.meta["collection"]) == names
                if trusted and view is not None:
                    ready = np.asarray(view.ids)[np.asarray(view.vector_rows) >= 0]
                else:
                    store = self._open_store(*names)
                    ready = _as_numbers(store.ids())
            else:
                ready = np.zeros(0, np.uint64)
            draft = self._write_draft(view, plan, embedder, pool, ready, names, progress)
            missing = draft.keys[pool.rows_of(np.asarray(draft.keys)) < 0] if pool else np.zeros(0, np.uint64)
            few = len(np.unique(missing)) <= FEW and current_view_name(self.folder) is not None
            # After a killed rebuild the view is whole already: publishing the draft would only hide its vectors.
            whole = plan.same and view is not None and view.state == "complete"
            if embedder is None or pool is None:
                checkpoint("publish")
                publish(self.folder, draft.name)
                final, embedded = draft, 0
                checkpoint("pending-done")
                (self.folder / "pending.json").unlink(missing_ok=True)
            else:
                checkpoint("pending")
                write_json(self.folder / "pending.json", {"collection": names[1], "chroma": names[0]})
                if not few and not whole and not fresh:
                    checkpoint("publish-lexical")
                    publish(self.folder, draft.name)
                    opened.add(draft.name)
                embedded = self._embed(draft, embedder, pool, progress, checkpoint)
                store = store or self._open_store(*names)
                self._add_rows(draft, pool, store, ready, progress, checkpoint)
                final = View(with_vectors(self.folder, draft, pool))
                checkpoint("publish")
                publish(self.folder, final.name)
                stale = np.setdiff1d(ready, final.ids)
                self._delete_rows(store, stale, progress, checkpoint)
                checkpoint("pending-done")
                (self.folder / "pending.json").unlink(missing_ok=True)
        finally:
            if store is not None:
                store.close()
        remove_old_views(self.folder, {final.name} if fresh else {final.name, *opened})
        self._remove_generations(generation)  # of a rebuild, or of one that was killed
        _write_stats(self.folder, plan, stats)
        return self._report(plan, final, embedded, started)

    def _plan(self, view: View | None, stats: dict[str, Any]) -> _Plan:
        """Scan the corpus and compare content hashes with those the view was built from."""
        if not self.domain.corpus.is_dir():
            raise UsageError(
                f"The domain {self.domain.name} has no corpus folder ({self.domain.corpus}).",
                "Put Markdown files there, or run: savia init NAME --from FOLDER",
            )
        known = view.files if view is not None else {}
        files: dict[str, dict[str, str]] = {}
        read: list[CorpusFile] = []
        kept: set[str] = set()
        for file in scan(self.domain.corpus):
            if file.refused:
                files[file.path] = {"refused": file.refused}
                continue
            try:
                digest = _hash_of(file, stats)
            except UnreadableText as error:
                files[file.path] = {"refused": str(error)}
                continue
            before = known.get(file.path, {})
            files[file.path] = {"hash": digest}
            if before.get("hash") == digest:
                # A refused file keeps its reason as long as its bytes are the same.
                files[file.path] = dict(before)
                if "refused" not in before:
                    kept.add(file.path)
            else:
                read.append(file)
        paths = view.paths if view is not None else []
        keep = np.array([row for row, path in enumerate(paths) if path in kept], np.int64)
        indexed = {path for path, entry in known.items() if "refused" not in entry}
        changed = sum(file.path in indexed for file in read)
        counts = {
            "added": len(read) - changed,
            "changed": changed,
            "deleted": len(indexed - kept - {file.path for file in read}),
            "unchanged": len(kept),
        }
        return _Plan(keep, read, files, counts, view is not None and files == known)

    def _write_draft(
        self,
        view: View | None,
        plan: _Plan,
        embedder: Embedder | None,
        pool: VectorPool | None,
        ready: NDArray[np.uint64],
        names: tuple[str, str],
        progress: Progress,
    ) -> View:
        """Parse what changed and write the view with BM25 and the vectors that exist already."""
        config = self.domain.config
        meta = {
            "signature": self._signature(embedder),
            "domain": self.domain.name,
            "language": config.language,
            "synonyms": _synonym_terms(config),
            "embedder": {"name": embedder.name, "fingerprint": embedder.fingerprint} if embedder else None,
            "cap": self._cap(embedder),
            "chroma": names[0],
            "collection": names[1],
            "created": int(time.time()),
        }
        writer = ViewWriter(self.folder, Analyzer(config.language), meta)
        try:
            if view is not None:
                writer.keep(view, plan.keep)
            counter = embedder.counter if embedder else WordCounter()
            for start in range(0, len(plan.read), PARSE_BATCH):
                progress("read", start, len(plan.read))
                documents = list(_parse(plan.read[start : start + PARSE_BATCH], plan.files))
                for document, passages in zip(
                    documents, split_documents(documents, counter, self._cap(embedder)), strict=True
                ):
                    headings = {section.id: section.heading_path for section in document.sections}
                    aliases = [" ".join(_aliases(self.domain, headings[p.section_id])) for p in passages]
                    writer.add(document, passages, _other_names(self.domain, document), aliases)
            progress("read", len(plan.read), len(plan.read))
            return View(writer.finish(plan.files, config.fields, pool, ready))
        except BaseException:
            writer.abandon()
            raise

    def _embed(
        self, view: View, embedder: Embedder, pool: VectorPool, progress: Progress, checkpoint: Checkpoint
    ) -> int:
        """Embed each distinct text that the pool lacks, longest first (so that the estimate errs on the long side)."""
        keys = np.asarray(view.keys)
        absent = np.flatnonzero(pool.rows_of(keys) < 0)
        _, first = np.unique(keys[absent], return_index=True)
        rows = absent[first]
        sizes = np.diff(view.texts.offsets)[rows]
        rows = rows[np.argsort(-sizes, kind="stable")]
        for start in range(0, len(rows), EMBED_BATCH):
            progress("embed", start, len(rows))
            batch = rows[start : start + EMBED_BATCH]
            vectors = embedder.embed_passages([view.passage(int(row)).embedded_text for row in batch])
            checkpoint("embed")
            pool.append([int(key) for key in keys[batch]], vectors)
        progress("embed", len(rows), len(rows))
        return len(rows)

    def _add_rows(
        self,
        view: View,
        pool: VectorPool,
        store: PassageStore,
        ready: NDArray[np.uint64],
        progress: Progress,
        checkpoint: Checkpoint,
    ) -> None:
        rows = np.flatnonzero(~np.isin(np.asarray(view.ids), ready))
        vectors = pool.vectors()
        vector_rows = pool.rows_of(np.asarray(view.keys)[rows])
        for start in range(0, len(rows), ADD_BATCH):
            progress("add", start, len(rows))
            batch = rows[start : start + ADD_BATCH]
            passages = [view.passage(int(row)) for row in batch]
            metadatas = [_metadata(view, int(row), self.domain.config.fields) for row in batch]
            checkpoint("add")
            store.add(
                [passage.id for passage in passages],
                np.asarray(vectors[vector_rows[start : start + ADD_BATCH]]),
                [passage.text for passage in passages],
                metadatas,
            )
        progress("add", len(rows), len(rows))

    def _delete_rows(
        self, store: PassageStore, stale: NDArray[np.uint64], progress: Progress, checkpoint: Checkpoint
    ) -> None:
        names = [f"{int(number):016x}" for number in stale]
        for start in range(0, len(names), ADD_BATCH):
            progress("delete", start, len(names))
            checkpoint("delete")
            store.delete(names[start : start + ADD_BATCH])

    def _names(self, embedder: Embedder | None, generation: int) -> tuple[str, str]:
        """Chroma's folder (or server) and collection for an embedder."""
        fingerprint = embedder.fingerprint if embedder else "none"
        folder = self.settings.chroma_url or f"chroma-{generation}"
        return folder, f"savia-{self.domain.name}-{generation}-{fingerprint}"

    def _open_store(self, where: str, collection: str) -> PassageStore:
        if "://" in where:
            return ChromaStore.server(where, collection)
        return ChromaStore.embedded(self.folder / where, collection)

    def _pool(self, embedder: Embedder, generation: int) -> VectorPool:
        return VectorPool(self.folder / "vectors", f"{embedder.fingerprint}-{generation}", embedder.dimension)

    def _generation(self, fresh: bool) -> int:
        """Number of the Chroma folder and vector pool in use; a rebuild starts the next one."""
        path = self.folder / "generation.json"
        current = int(read_json(path)["generation"]) if path.exists() else 0
        if fresh or not current:
            current += 1
            write_json(path, {"generation": current})
        return current

    def _remove_generations(self, keep: int) -> None:
        import shutil

        for folder in self.folder.glob("chroma-*"):
            if folder.name != f"chroma-{keep}":
                shutil.rmtree(folder, ignore_errors=True)
        for path in (self.folder / "vectors").glob("*"):
            if not path.stem.endswith(f"-{keep}"):
                path.unlink(missing_ok=True)

    def _served_collection(self) -> tuple[str, str] | None:
        """Server and collection of the current view where it has one there: folders go by name, this one must be asked for."""
        try:
            meta = open_view(self.folder).meta
        except (IndexMissing, IndexDamaged):
            return None
        return (meta["chroma"], meta["collection"]) if "://" in meta["chroma"] else None

    def _report(self, plan: _Plan, view: View, embedded: int, started: float) -> SyncReport:
        rows = {path: row for row, path in enumerate(view.paths)} if plan.read else {}
        found = [view.document(rows[file.path]) for file in plan.read if file.path in rows]
        warnings = {document.path: list(document.warnings) for document in found if document.warnings}
        return SyncReport(
            **plan.report,
            passages=len(view),
            embedded=embedded,
            state=view.state,
            refused={path: entry["refused"] for path, entry in plan.files.items() if "refused" in entry},
            warnings=warnings,
            seconds=time.monotonic() - started,
        )


def _parse(files: Sequence[CorpusFile], entries: dict[str, dict[str, str]]) -> Iterable[Document]:
    """Documents of readable files; an unreadable one gets its reason in `entries`."""
    for file in files:
        try:
            yield parse_file(file, read_file(file))
        except UnreadableText as error:
            entries[file.path] = {**entries[file.path], "refused": str(error)}


def _hash_of(file: CorpusFile, stats: dict[str, Any]) -> str:
    """Content hash, from the cache when size and time are the same; updates the cache."""
    cached = stats.get(file.path)
    if cached is not None and cached[:2] == [file.size, file.mtime_ns]:
        return str(cached[2])
    digest = content_hash(read_file(file))
    stats[file.path] = [file.size, file.mtime_ns, digest]
    return digest


def _read_stats(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = read_json(folder / "stat.json")
        return found
    except (OSError, ValueError):
        return {}  # a cache: without it every file is hashed


def _write_stats(folder: Path, plan: _Plan, stats: dict[str, Any]) -> None:
    newest = time.time_ns() - RACY_NS
    kept = {path: entry for path, entry in stats.items() if path in plan.files and entry[1] < newest}
    if kept != _read_stats(folder):
        write_stat_cache(folder, kept)


def _other_names(domain: Domain, document: Document) -> str:
    names: list[str] = []
    for name in domain.config.name_fields:
        value = document.fields.get(name, ())
        names.extend([value] if isinstance(value, str) else value)
    return " ".join(names)


def _aliases(domain: Domain, heading_path: tuple[str, ...]) -> Iterable[str]:
    for heading in heading_path or ("top",):
        rule = domain.config.sections.get(heading)
        if rule:
            yield from rule.aliases


def _synonym_terms(config: DomainConfig) -> dict[str, list[str]]:
    """The pack's synonyms as index terms; words that are no single term are left out."""
    analyzer = Analyzer(config.language)
    found: dict[str, list[str]] = {}
    for word, others in config.synonyms.items():
        terms = analyzer.terms(word)
        if len(terms) == 1:
            known = found.setdefault(terms[0], [])
            known.extend(term for other in others for term in analyzer.terms(other) if term not in known)
    return found


def _metadata(view: View, row: int, fields: Sequence[str]) -> Metadata:
    document = view.document_of(row)
    passage = view.passage(row)
    metadata: dict[str, str | int] = {
        "document": document.id,
        "section": passage.section_id,
        "ordinal": passage.ordinal,
        "start": passage.start,
        "end": passage.end,
        "type": document.type,
        "title": document.title,
        "context": passage.context,
    }
    for name in fields:
        value = document.fields.get(name)
        if value:
            metadata[f"field_{name}"] = value if isinstance(value, str) else "; ".join(value)
    return metadata


def _view_faults(view: View) -> list[str]:
    """Passages whose text is not what their span says are found by comparing lengths; cheap and complete enough."""
    if len(view.texts) != len(view) or len(view.ids) != len(view):
        return ["the view's files disagree about the number of passages"]
    if view.state != "lexical" and len(view) and int(view.vector_rows.max()) >= view.meta["pool"]["rows"]:
        return ["the view points beyond the end of the vector pool"]
    return []


def _as_numbers(ids: Iterable[str]) -> NDArray[np.uint64]:
    return np.array([int(text, 16) for text in ids], np.uint64)


def _silent(stage: str, done: int, total: int) -> None:
    pass


def _unchecked(step: str) -> None:
    pass


__all__ = ["Index", "StorageError", "SyncReport", "VerifyReport"]
