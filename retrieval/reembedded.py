"""A view with the vectors of another model, held in memory: a candidate is measured before anything of the index changes.

view = ReembeddedView(index.view().folder, embed_all(index.view(), candidate, progress))
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.embedders import Embedder, Vectors
from retrieval.moments import Moments
from retrieval.view import View

BATCH = 256  # passages between two words of progress


class ReembeddedView(View):
    """The same passages; `vectors` has a row for each."""

    def __init__(self, folder: Path, vectors: Vectors) -> None:
        super().__init__(folder)
        self._vectors = vectors

    @cached_property
    def vector_rows(self) -> NDArray[np.int32]:
        return np.arange(len(self._vectors), dtype=np.int32)

    @cached_property
    def moments(self) -> Moments:
        values = self._vectors.astype(np.float64)
        return Moments(len(values), values.sum(axis=0), values.T @ values)

    @cached_property
    def _pool(self) -> NDArray[np.float32]:
        return self._vectors


def embed_all(view: View, embedder: Embedder, progress: Callable[[str, int, int], None]) -> Vectors:
    """Vectors of all passages in row order; equal texts are embedded once."""
    texts = [view.passage(row).embedded_text for row in range(len(view))]
    distinct = list(dict.fromkeys(texts))
    found: dict[str, Vectors] = {}
    for start in range(0, len(distinct), BATCH):
        batch = distinct[start : start + BATCH]
        found.update(zip(batch, embedder.embed_passages(batch), strict=True))
        progress("Embedding passages", min(start + BATCH, len(distinct)), len(distinct))
    return np.stack([found[text] for text in texts]).astype(np.float32)


class RememberingEmbedder:
    """An embedder that knows the vectors of some texts already, so that a sync after a trial embeds nothing twice."""

    def __init__(self, embedder: Embedder, view: View, vectors: Vectors) -> None:
        self.name = embedder.name
        self.fingerprint = embedder.fingerprint
        self.dimension = embedder.dimension
        self.max_tokens = embedder.max_tokens
        self.counter = embedder.counter
        self._embedder = embedder
        self._known = {view.passage(row).embedded_text: vectors[row] for row in range(len(view))}

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        missing = [text for text in texts if text not in self._known]
        if missing:
            self._known.update(zip(missing, self._embedder.embed_passages(missing), strict=True))
        return np.stack([self._known[text] for text in texts])

    def embed_query(self, text: str) -> Vectors:
        return self._embedder.embed_query(text)
