"""Vectors for a draft and rows for Chroma: batch by batch, each durable before the next, so that a kill loses one batch.

embedded = embed_missing(view, embedder, pool, progress, checkpoint)
add_rows(view, pool, store, ready, fields, progress, checkpoint)
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from retrieval.draft import Progress
from retrieval.embedders import Embedder
from retrieval.store import Metadata, PassageStore
from retrieval.vectors import VectorPool
from retrieval.view import View

EMBED_BATCH = 512  # texts embedded between two durable appends: at most this much work is lost to a kill
ADD_BATCH = 2_000  # rows given to Chroma at once

Checkpoint = Callable[[str], None]
"""Called before every durable write with its name; tests raise here to simulate a crash."""


def embed_missing(view: View, embedder: Embedder, pool: VectorPool, progress: Progress, checkpoint: Checkpoint) -> int:
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


def add_rows(
    view: View,
    pool: VectorPool,
    store: PassageStore,
    ready: NDArray[np.uint64],
    fields: Sequence[str],
    progress: Progress,
    checkpoint: Checkpoint,
) -> None:
    """Give Chroma every passage of the view that is not in `ready`."""
    rows = np.flatnonzero(~np.isin(np.asarray(view.ids), ready))
    vectors = pool.vectors()
    vector_rows = pool.rows_of(np.asarray(view.keys)[rows])
    for start in range(0, len(rows), ADD_BATCH):
        progress("add", start, len(rows))
        batch = rows[start : start + ADD_BATCH]
        passages = [view.passage(int(row)) for row in batch]
        metadatas = [_metadata(view, int(row), fields) for row in batch]
        checkpoint("add")
        store.add(
            [passage.id for passage in passages],
            np.asarray(vectors[vector_rows[start : start + ADD_BATCH]]),
            [passage.text for passage in passages],
            metadatas,
        )
    progress("add", len(rows), len(rows))


def delete_rows(store: PassageStore, stale: NDArray[np.uint64], progress: Progress, checkpoint: Checkpoint) -> None:
    """Take rows that no view uses out of Chroma."""
    names = [f"{int(number):016x}" for number in stale]
    for start in range(0, len(names), ADD_BATCH):
        progress("delete", start, len(names))
        checkpoint("delete")
        store.delete(names[start : start + ADD_BATCH])


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
