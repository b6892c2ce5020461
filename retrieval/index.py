"""The index of a domain: documents in, passages in Chroma and a read view out, by reconciling content hashes.

    index = Index(domain, settings)
    report = index.sync(embedder)            # only what changed is parsed, embedded and written

Order of every sync: add rows to Chroma, publish the view that uses them, delete rows no view uses. So no published view
points at a missing row, whatever instant the process dies at; the next sync finds `pending.json` and sweeps. A fresh corpus
is first published with BM25 alone. Layout of the folder: docs/decisions/0003-read-view.md.
"""

import hashlib
import json
import time
from contextlib import suppress
from typing import Any

from retrieval.calibrate import Calibration, read_bm25, write_calibration
from retrieval.domain import Domain
from retrieval.draft import Progress
from retrieval.embedders import Embedder
from retrieval.errors import CorpusMissing, IndexDamaged, IndexLocked, IndexMissing, storage_errors
from retrieval.fill import Checkpoint
from retrieval.layout import IndexLayout
from retrieval.lexical import ANALYZER_VERSION
from retrieval.lock import writer_lock
from retrieval.passages import SPLITTER_VERSION
from retrieval.plan import Plan, make_plan, read_stats, write_stats
from retrieval.settings import RetrievalSettings
from retrieval.store import ChromaStore, PassageStore
from retrieval.sync import SyncReport, SyncRun, make_report
from retrieval.verify import VerifyReport, compare
from retrieval.view import FORMAT, View, open_view, publish
from retrieval.view_writer import remove_old_views, with_bm25


class Index:
    """One domain's index on disk."""

    def __init__(self, domain: Domain, settings: RetrievalSettings) -> None:
        self.domain = domain
        self.settings = settings
        self.folder = settings.index_dir(domain.name)
        self.layout = IndexLayout(self.folder, domain.name, settings.chroma_url)

    def view(self) -> View:
        """The current view. Raises `IndexMissing`, `CorpusMissing` or `IndexDamaged`."""
        try:
            return open_view(self.folder)
        except IndexMissing as error:
            if not self.domain.corpus.is_dir():
                raise _corpus_missing(self.domain) from error
            raise IndexMissing(
                f"The domain {self.domain.name} has no index yet.",
                f"Build it: savia index sync --domain {self.domain.name}",
            ) from error

    def store(self, view: View) -> PassageStore:
        """Chroma as the view uses it. Raises `IndexDamaged` when it cannot be opened."""
        return self.layout.open_store((view.meta["chroma"], view.meta["collection"]))

    def sync(
        self, embedder: Embedder | None, progress: Progress | None = None, checkpoint: Checkpoint | None = None
    ) -> SyncReport:
        """Make the index equal to the corpus. Can be killed at any moment and run again.

        Raises `IndexLocked`, `StorageError`, `CorpusMissing`.
        """
        with writer_lock(self.folder, "savia index sync"), storage_errors(f"write the index at {self.folder}"):
            return self._sync(embedder, progress or _silent, checkpoint or _unchecked, self._usable_view(embedder))

    def rebuild(
        self, embedder: Embedder | None, progress: Progress | None = None, checkpoint: Checkpoint | None = None
    ) -> SyncReport:
        """Make everything anew from the documents: texts, vectors, Chroma. The old index answers until the new one is whole."""
        with writer_lock(self.folder, "savia index rebuild"), storage_errors(f"write the index at {self.folder}"):
            old = self.layout.served_collection()
            report = self._sync(embedder, progress or _silent, checkpoint or _unchecked, None, fresh=True)
            if old:
                ChromaStore.drop(*old)
            return report

    def keep_calibration(self, calibration: Calibration) -> None:
        """Store what was learnt, and score the current view with its constants.

        Dying in between, or another writer at work, leaves the scores to the next sync.
        """
        with storage_errors(f"write the index at {self.folder}"):
            write_calibration(self.folder, calibration)
            if self.view().bm25 == calibration.bm25:
                return
            with suppress(IndexLocked), writer_lock(self.folder, "savia index calibrate"):
                self._scored(self.view())

    def _scored(self, view: View) -> View:
        """The current view if it is scored with the calibrated constants, else a copy that is, published in its place."""
        bm25 = read_bm25(self.folder)
        if view.bm25 == bm25:
            return view
        changed = View(with_bm25(self.folder, view, bm25))
        publish(self.folder, changed.name)
        remove_old_views(self.folder, {changed.name, view.name})
        return changed

    def verify(self) -> VerifyReport:
        """Compare files, view and Chroma. Reads everything; changes nothing."""
        with writer_lock(self.folder, "savia index verify"):
            view = self.view()
            plan = self._plan(view, {})
            store = self.store(view) if view.meta["embedder"] else None
            try:
                return compare(view, plan, store)
            finally:
                if store:
                    store.close()

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
            FORMAT, ANALYZER_VERSION, SPLITTER_VERSION, config.language, self._cap(embedder), embedder.fingerprint if embedder else "",
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
        stats = {} if fresh else read_stats(self.folder)
        plan = self._plan(view, stats)
        done = view is not None and (view.state == "complete" or embedder is None or not len(view))
        if view is not None and plan.same and done and not self.layout.pending.exists():
            write_stats(self.folder, plan, stats)
            return make_report(plan, self._scored(view), 0, started)
        signature, cap = self._signature(embedder), self._cap(embedder)
        run = SyncRun(self.layout, self.domain, signature, cap, embedder, progress, checkpoint, fresh)
        final, embedded = run.with_vectors(view, plan, embedder) if embedder else run.words_only(view, plan)
        # Readers open a view piece by piece: those that were current during this sync outlive it, but not a rebuild.
        remove_old_views(self.folder, {final.name} if fresh else {final.name, *run.opened})
        self.layout.remove_generations(run.generation)  # of a rebuild, or of one that was killed
        write_stats(self.folder, plan, stats)
        return make_report(plan, final, embedded, started)

    def _plan(self, view: View | None, stats: dict[str, Any]) -> Plan:
        if not self.domain.corpus.is_dir():
            raise _corpus_missing(self.domain)
        return make_plan(self.domain.corpus, view, stats)


def _corpus_missing(domain: Domain) -> CorpusMissing:
    if domain.datasets.is_dir():
        return CorpusMissing(
            f"The domain {domain.name} has ready-made rows to train with ({domain.datasets}), but no documents: "
            "it answers no questions from passages.",
            f"Make its training set: savia dataset build --domain {domain.name}. "
            f"To ask it, put Markdown files into {domain.corpus} and run savia index sync --domain {domain.name}.",
        )
    return CorpusMissing(
        f"The domain {domain.name} has no corpus folder ({domain.corpus}).",
        "Put Markdown files there, or run: savia init NAME --from FOLDER",
    )


def _silent(stage: str, done: int, total: int) -> None:
    pass


def _unchecked(step: str) -> None:
    pass
