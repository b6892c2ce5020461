"""How many of each list's best passages are enough, where hybrid takes Chroma's instead of scanning all.

    choose_candidates(view, embedder, Fusion(0.2), ["¿para qué sirve la ruda?"], prior_of)      # 100

The smallest number with which the first ten stay those of a complete scan.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from retrieval.embedders import Embedder
from retrieval.prior import Prior
from retrieval.retrievers import CANDIDATES, FEW, Fusion, HybridRetriever, top_rows
from retrieval.view import Scores, View

COUNTS: Final = (50, 100, CANDIDATES)  # more come from Chroma at less than full recall
SAME = 0.99  # share of the first `FEW`
MOST_QUESTIONS = 100


def choose_candidates(
    view: View, embedder: Embedder, fusion: Fusion, questions: Sequence[str], prior_of: Callable[[int], Prior | None]
) -> int:
    """One of `COUNTS`; `prior_of` maps a question's place to its prior. Cost: a few searches for each of up to `MOST_QUESTIONS` questions."""
    if len(view) <= CANDIDATES or not questions:
        return CANDIDATES
    nearest = _Scan(view)
    shares: dict[int, list[float]] = {count: [] for count in COUNTS}
    for place, question in enumerate(questions[:MOST_QUESTIONS]):
        prior = prior_of(place)
        complete = {hit.row for hit in HybridRetriever(view, embedder, fusion, prior=prior).search(question, FEW)}
        for count in COUNTS:
            some = HybridRetriever(view, embedder, fusion, nearest, prior, count).search(question, FEW)
            shares[count].append(len(complete & {hit.row for hit in some}) / max(len(complete), 1))
    return next((count for count in COUNTS if np.mean(shares[count]) >= SAME), COUNTS[-1])


class _Scan:
    """The nearest passages by a scan: what Chroma's index is set to find."""

    def __init__(self, view: View) -> None:
        self._view = view

    def candidates(self, vector: NDArray[np.float32], limit: int) -> tuple[NDArray[np.int64], Scores]:
        scores = np.nan_to_num(self._view.dense_scores(vector), nan=-2.0)
        rows = top_rows(scores, limit, None)
        return rows, scores[rows]
