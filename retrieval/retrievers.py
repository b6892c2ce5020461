"""Ways to find passages: bm25, dense (Chroma's own query), exact (a scan of the view), hybrid (fused z-scores).

retriever = build_retriever("hybrid", view, embedder, Fusion(weight=0.4))
for hit in retriever.search("¿Para qué se usa la sábila?", 5): print(hit.rank, hit.score, hit.passage.text)
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.cognates import FOREIGN_WEIGHT, cognate_scores, foreign_language
from retrieval.embedders import Embedder
from retrieval.errors import UsageError
from retrieval.passages import Passage
from retrieval.prior import Prior
from retrieval.store import PassageStore
from retrieval.view import DocumentInfo, Scores, View

CANDIDATES = 200  # of each list, before fusion over Chroma, where nothing was calibrated; as many as its HNSW returns at full recall
FEW = 10  # hits for which the calibrated number of candidates is enough
RRF_K = 60  # Cormack, Clarke & Büttcher 2009
PLAIN = ("bm25", "dense", "exact", "hybrid")
NAMES = (*PLAIN, "adapted", "rerank")  # hybrids that `savia adapt` makes (retrieval/wiring.py)

Method = Literal["zscore", "rrf"]
Engine = Literal["dense", "exact"]


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found: `scores` holds what each retriever gave it, `score` is what it is ranked by (rank from 1)."""

    passage: Passage
    document: DocumentInfo
    row: int
    rank: int
    score: float
    scores: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fusion:
    """How two score lists become one: `weight` is the dense side's share (z-scores only)."""

    weight: float = 0.4
    method: Method = "zscore"


class Retriever(Protocol):
    """Finds passages. `where` filters by front-matter fields (all must match)."""

    name: str

    def search(self, query: str, limit: int, where: dict[str, str] | None = None) -> list[Hit]: ...


class Bm25Retriever:
    name = "bm25"

    def __init__(self, view: View) -> None:
        self.view = view

    def search(self, query: str, limit: int, where: dict[str, str] | None = None) -> list[Hit]:
        scores = self.view.lexical_scores(query)
        rows = top_rows(scores, limit, _mask(self.view, where))
        rows = rows[scores[rows] > 0]
        return make_hits(self.view, rows, scores[rows], {"bm25": scores[rows]})


class Nearest(Protocol):
    """Finds the passages nearest to a vector, best first: rows and scores."""

    def candidates(self, vector: NDArray[np.float32], limit: int) -> tuple[NDArray[np.int64], Scores]: ...


class ExactRetriever:
    """Every vector of the view against the query's: no approximation, filters for free, cost linear in the passages."""

    name = "exact"

    def __init__(self, view: View, embedder: Embedder) -> None:
        self.view = view
        self.embedder = embedder

    def search(self, query: str, limit: int, where: dict[str, str] | None = None) -> list[Hit]:
        scores = self.view.dense_scores(self.embedder.embed_query(query))
        known = ~np.isnan(scores)
        mask = _mask(self.view, where)
        rows = top_rows(np.nan_to_num(scores, nan=-2.0), limit, known if mask is None else mask & known)
        return make_hits(self.view, rows, scores[rows], {"dense": scores[rows]})


class DenseRetriever:
    """Chroma's nearest-neighbour query. Filtered questions go to the exact scan: a filter costs Chroma 100 ms and more."""

    name = "dense"

    def __init__(self, view: View, embedder: Embedder, store: PassageStore) -> None:
        self.view = view
        self.embedder = embedder
        self.store = store

    def search(self, query: str, limit: int, where: dict[str, str] | None = None) -> list[Hit]:
        if where:
            return ExactRetriever(self.view, self.embedder).search(query, limit, where)
        rows, scores = self.candidates(self.embedder.embed_query(query), limit)
        return make_hits(self.view, rows, scores, {"dense": scores})

    def candidates(self, vector: NDArray[np.float32], limit: int) -> tuple[NDArray[np.int64], Scores]:
        """Rows of the view, best first; rows that a later sync deleted or added are not among them."""
        ids, scores = self.store.query(vector, min(limit, len(self.view)))
        rows = self.view.rows_of(ids)
        return rows[rows >= 0], scores[rows >= 0]


class HybridRetriever:
    """BM25 and vectors by a weighted sum of z-scores over complete score vectors; BM25 alone where there are no vectors.

    Reciprocal ranks throw margins away: on Spanish text they lose 17 to 24 points of MRR@10 against BM25 alone. The mean and
    deviation of the dense scores come exactly from the view's moments, so Chroma's candidates suffice. A `prior` adds what the
    question itself says about where to look: the document it names, the kind of section it asks for. A question in another
    language than the documents leans on the vectors, and its words count as what they look like.
    """

    name = "hybrid"

    def __init__(
        self,
        view: View,
        embedder: Embedder | None,
        fusion: Fusion,
        dense: Nearest | None = None,
        prior: Prior | None = None,
        candidates: int = CANDIDATES,
    ) -> None:
        """`dense` finds candidates, `candidates` of them and as many by words; without it every passage is scored."""
        self.view = view
        self.embedder = embedder
        self.fusion = fusion
        self.dense = dense
        self.prior = prior
        self.candidates = candidates
        self.reads_language = True  # off only to measure what it is worth

    def search(self, query: str, limit: int, where: dict[str, str] | None = None) -> list[Hit]:
        foreign = self._reading(query)
        lexical = cognate_scores(self.view, query, foreign) if foreign else self.view.lexical_scores(query)
        named = self.prior.named(query) if self.prior else np.zeros(len(self.view), bool)
        vector = self.embedder.embed_query(query) if self.embedder else None
        rows = self._candidates(lexical, named, vector, limit, _mask(self.view, where))
        dense = self._dense_scores(vector, rows)
        fused = self._fuse(lexical, rows, dense, vector, bool(foreign))
        found = (
            fused > zscore(lexical).min() if vector is None else None
        )  # without vectors, a passage must share a word
        if self.prior:
            fused = fused + self.prior.scores(query, named)[rows]
        best = top_rows(fused, limit, found)
        parts = {"bm25": lexical[rows[best]]}
        if vector is not None:
            parts["dense"] = np.nan_to_num(dense[best])
        return make_hits(self.view, rows[best], fused[best], parts)

    def _reading(self, query: str) -> str:
        """The question's language where it is another than the documents', else nothing."""
        return foreign_language(self.view, query) if self.reads_language else ""

    def _candidates(
        self,
        lexical: Scores,
        named: NDArray[np.bool_],
        vector: NDArray[np.float32] | None,
        limit: int,
        mask: NDArray[np.bool_] | None,
    ) -> NDArray[np.int64]:
        """All rows for a scan; through Chroma the best of both lists and the rows of what the question names."""
        if mask is not None:
            return np.flatnonzero(mask)
        if self.dense is None or vector is None:
            return np.arange(len(self.view))
        count = max(limit, self.candidates if limit <= FEW else CANDIDATES)
        near, _ = self.dense.candidates(vector, count)
        found = top_rows(lexical, count, None)
        return np.unique(np.concatenate([near, found, np.flatnonzero(named)]))

    def _dense_scores(self, vector: NDArray[np.float32] | None, rows: NDArray[np.int64]) -> Scores:
        if vector is None:
            return np.zeros(len(rows), np.float32)
        if len(rows) < len(self.view) // 4:
            return self.view.dense_scores_at(vector, rows)
        return self.view.dense_scores(vector)[rows]

    def _fuse(
        self,
        lexical: Scores,
        rows: NDArray[np.int64],
        dense: Scores,
        vector: NDArray[np.float32] | None,
        foreign: bool,
    ) -> Scores:
        if vector is None:
            return zscore(lexical)[rows]
        if self.fusion.method == "rrf":
            return reciprocal_ranks(lexical[rows]) + reciprocal_ranks(np.nan_to_num(dense, nan=-2.0))
        mean, deviation = self.view.moments.mean_and_deviation(vector)
        weight = max(self.fusion.weight, FOREIGN_WEIGHT) if foreign else self.fusion.weight
        return fuse(zscore(lexical)[rows], np.nan_to_num((dense - mean) / deviation), weight)


def build_retriever(
    name: str,
    view: View,
    embedder: Embedder | None,
    fusion: Fusion,
    open_store: Callable[[], PassageStore] | None = None,
    engine: Engine = "exact",
    prior: Prior | None = None,
    candidates: int = CANDIDATES,
) -> Retriever:
    """The retriever called `name`; without an embedder or vectors, hybrid is BM25 alone.

    `engine="dense"` makes hybrid take its dense candidates from Chroma (then `open_store` is needed).
    Raises `UsageError` for an unknown name, or for a dense one where there are no vectors.
    """
    if name not in PLAIN:
        raise UsageError(f"There is no retriever {name!r}.", f"Choose one of {', '.join(NAMES)}.")
    if name == "bm25":
        return Bm25Retriever(view)
    if embedder is None or view.state == "lexical":
        if name == "hybrid":
            return HybridRetriever(view, None, fusion, None, prior)
        raise UsageError(
            f"The retriever {name!r} needs vectors, and this index has none.", "Run savia index sync with an embedder."
        )
    dense = None
    if open_store is not None and (name == "dense" or engine == "dense"):
        dense = DenseRetriever(view, embedder, open_store())
    if name == "hybrid":
        return HybridRetriever(view, embedder, fusion, dense, prior, candidates)
    return dense if name == "dense" and dense is not None else ExactRetriever(view, embedder)


def top_rows(scores: Scores, limit: int, mask: NDArray[np.bool_] | None) -> NDArray[np.int64]:
    """Row numbers of the best scores, best first; ties in row order, so that results are reproducible."""
    rows = np.arange(len(scores)) if mask is None else np.flatnonzero(mask)
    if limit < len(rows):
        values = scores[rows]
        threshold = np.partition(values, len(values) - limit)[len(values) - limit]
        rows = rows[values >= threshold]
    order = np.argsort(-scores[rows], kind="stable")
    return rows[order[:limit]].astype(np.int64)


def zscore(scores: Scores) -> Scores:
    """(x - mean) / deviation over the whole vector; zeros where all are equal."""
    deviation = float(scores.std())
    if deviation < 1e-9:
        return np.zeros_like(scores)
    return np.asarray((scores - scores.mean()) / deviation, np.float32)


def fuse(lexical: Scores, dense: Scores, weight: float) -> Scores:
    return np.asarray((1 - weight) * lexical + weight * dense, np.float32)


def reciprocal_ranks(scores: Scores) -> Scores:
    ranks = np.empty(len(scores), np.float32)
    ranks[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
    return np.asarray(1.0 / (RRF_K + ranks), np.float32)


def make_hits(view: View, rows: NDArray[np.int64], scores: Scores, parts: dict[str, Scores]) -> list[Hit]:
    return [
        Hit(
            view.passage(int(row)),
            view.document_of(int(row)),
            int(row),
            place + 1,
            float(scores[place]),
            {name: float(values[place]) for name, values in parts.items()},
        )
        for place, row in enumerate(rows)
    ]


def _mask(view: View, where: dict[str, str] | None) -> NDArray[np.bool_] | None:
    return view.mask(where) if where else None
