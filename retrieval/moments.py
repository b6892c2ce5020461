"""Sums over a view's vectors, from which the mean and variance of any query's scores follow without a scan.

moments = sum_moments(vector_rows, pool)
mean, deviation = moments.mean_and_deviation(query)
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.vectors import VectorPool

MOMENT_BLOCK = 8192  # vectors multiplied at once: 24 MB of float64


@dataclass(frozen=True)
class Moments:
    """Sums over the vectors of a view, from which the mean and variance of any query's scores follow exactly."""

    count: int
    total: NDArray[np.float64]  # (dimension,)
    outer: NDArray[np.float64]  # (dimension, dimension): sum of v v'

    def mean_and_deviation(self, query: NDArray[np.float32]) -> tuple[float, float]:
        """Mean q.mu and standard deviation sqrt(q'Cq) of the dot products with all vectors."""
        if not self.count:
            return 0.0, 1.0
        vector = query.astype(np.float64)
        mean = float(self.total @ vector) / self.count
        variance = float(vector @ self.outer @ vector) / self.count - mean * mean
        return mean, max(variance, 1e-12) ** 0.5


def sum_moments(
    rows: NDArray[np.int32],
    pool: VectorPool | None,
    before: Moments | None = None,
    rows_before: NDArray[np.int32] | None = None,
) -> Moments:
    """Sums over the vectors at `rows`, each as often as passages share it; from the sums before (of `rows_before`, in the
    same pool) where little changed. O(changed rows)."""
    if pool is None or not len(rows):
        size = pool.dimension if pool else 0
        return Moments(0, np.zeros(size), np.zeros((size, size)))
    times = np.bincount(rows, minlength=len(pool))
    total, outer = np.zeros(pool.dimension), np.zeros((pool.dimension, pool.dimension))
    if before is not None:
        changes = times - np.bincount(rows_before if rows_before is not None else rows[:0], minlength=len(pool))
        if np.count_nonzero(changes) * 2 < len(rows):
            times, total, outer = changes, before.total.copy(), before.outer.copy()
    touched = np.flatnonzero(times)
    vectors = pool.vectors()
    for start in range(0, len(touched), MOMENT_BLOCK):
        block = touched[start : start + MOMENT_BLOCK]
        values = np.asarray(vectors[block], np.float64)
        weighted = values * times[block][:, None]
        total += weighted.sum(0)
        outer += weighted.T @ values
    return Moments(len(rows), total, outer)
