"""One sync: a draft by words, then vectors, then rows, then the view that uses them, then what no view uses.

run = SyncRun(layout, domain, embedder, signature, cap, progress, checkpoint, fresh=False)
view, embedded = run.with_vectors(before, plan)
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from retrieval.calibrate import read_bm25
from retrieval.domain import Domain
from retrieval.draft import Progress, synonym_terms, write_draft
from retrieval.embedders import Embedder, WordCounter
from retrieval.files import write_json
from retrieval.fill import Checkpoint, add_rows, delete_rows, embed_missing
from retrieval.layout import IndexLayout
from retrieval.plan import Plan
from retrieval.store import PassageStore
from retrieval.vectors import VectorPool
from retrieval.view import View, current_view_name, publish
from retrieval.view_writer import with_vectors

FEW = 256  # new texts that are embedded before anything is published: an edit never makes its document lexical-only


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


class SyncRun:
    """What one sync writes, whom it tells, and which views were current while it ran."""

    def __init__(
        self,
        layout: IndexLayout,
        domain: Domain,
        signature: str,
        cap: int,
        embedder: Embedder | None,
        progress: Progress,
        checkpoint: Checkpoint,
        fresh: bool,
    ) -> None:
        self.layout = layout
        self.domain = domain
        self.signature = signature
        self.cap = cap
        self.embedder = embedder
        self.progress = progress
        self.checkpoint = checkpoint
        self.fresh = fresh
        self.generation = layout.generation(fresh)
        self.store_name = layout.store_name(embedder, self.generation)
        self.opened: set[str] = set()

    def words_only(self, view: View | None, plan: Plan) -> tuple[View, int]:
        """Without an embedder: a view that answers by BM25."""
        final = self._draft(view, plan, None, np.zeros(0, np.uint64))
        self._publish("publish", final)
        self._finish()
        return final, 0

    def with_vectors(self, view: View | None, plan: Plan, embedder: Embedder) -> tuple[View, int]:
        """Embed, add to Chroma, publish, delete from Chroma; BM25 alone is published first where much is new."""
        pool = self.layout.pool(embedder, self.generation)
        store: PassageStore | None = None
        try:
            ready = self._known_rows(view)
            if ready is None:
                store = self.layout.open_store(self.store_name)
                ready = _as_numbers(store.ids())
            draft = self._draft(view, plan, pool, ready)
            self.checkpoint("pending")
            write_json(self.layout.pending, {"collection": self.store_name[1], "chroma": self.store_name[0]})
            if self._publishes_words_first(view, plan, draft, pool):
                self._publish("publish-lexical", draft)
            embedded = embed_missing(draft, embedder, pool, self.progress, self.checkpoint)
            store = store or self.layout.open_store(self.store_name)
            add_rows(draft, pool, store, ready, self.domain.config.fields, self.progress, self.checkpoint)
            final = View(with_vectors(self.layout.folder, draft, pool))
            self._publish("publish", final)
            delete_rows(store, np.setdiff1d(ready, final.ids), self.progress, self.checkpoint)
            self._finish()
        finally:
            if store is not None:
                store.close()
        return final, embedded

    def _known_rows(self, view: View | None) -> NDArray[np.uint64] | None:
        """Ids that Chroma holds, as the view says; None after a crash or a change of collection: Chroma must be asked."""
        if (
            view is None
            or self.layout.pending.exists()
            or (view.meta["chroma"], view.meta["collection"]) != self.store_name
        ):
            return None
        return np.asarray(np.asarray(view.ids)[np.asarray(view.vector_rows) >= 0])

    def _publishes_words_first(self, view: View | None, plan: Plan, draft: View, pool: VectorPool) -> bool:
        missing = np.unique(draft.keys[pool.rows_of(np.asarray(draft.keys)) < 0])
        few = len(missing) <= FEW and current_view_name(self.layout.folder) is not None
        # After a killed rebuild the view is whole already: publishing the draft would only hide its vectors.
        whole = plan.same and view is not None and view.state == "complete"
        return not (few or whole or self.fresh)

    def _draft(self, view: View | None, plan: Plan, pool: VectorPool | None, ready: NDArray[np.uint64]) -> View:
        config, embedder = self.domain.config, self.embedder
        meta = {
            "signature": self.signature,
            "domain": self.domain.name,
            "language": config.language,
            "synonyms": synonym_terms(config),
            "embedder": {"name": embedder.name, "fingerprint": embedder.fingerprint} if embedder else None,
            "cap": self.cap,
            "bm25": list(read_bm25(self.layout.folder)),
            "chroma": self.store_name[0],
            "collection": self.store_name[1],
            "created": int(time.time()),
        }
        counter = embedder.counter if embedder else WordCounter()
        folder = self.layout.folder
        return write_draft(folder, self.domain, meta, view, plan, counter, self.cap, pool, ready, self.progress)

    def _publish(self, step: str, view: View) -> None:
        self.opened.add(current_view_name(self.layout.folder) or "")
        self.checkpoint(step)
        publish(self.layout.folder, view.name)

    def _finish(self) -> None:
        self.checkpoint("pending-done")
        self.layout.pending.unlink(missing_ok=True)


def make_report(plan: Plan, view: View, embedded: int, started: float) -> SyncReport:
    rows = {path: row for row, path in enumerate(view.paths)} if plan.read else {}
    found = [view.document(rows[file.path]) for file in plan.read if file.path in rows]
    warnings = {document.path: list(document.warnings) for document in found if document.warnings}
    return SyncReport(
        **plan.counts,
        passages=len(view),
        embedded=embedded,
        state=view.state,
        refused={path: entry["refused"] for path, entry in plan.files.items() if "refused" in entry},
        warnings=warnings,
        seconds=time.monotonic() - started,
    )


def _as_numbers(ids: Iterable[str]) -> NDArray[np.uint64]:
    return np.array([int(text, 16) for text in ids], np.uint64)
