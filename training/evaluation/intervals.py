"""Figures with their 95 % intervals, and whether two models differ by more than chance, on the same questions.

ratio_interval(base_losses, tuned_losses).interval            # of perplexity(tuned) / perplexity(base)

Means are compared by `retrieval.significance`; a ratio of perplexities is none, so rows are drawn again and it is made anew
(paired bootstrap, Efron 1979). The seed is fixed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from retrieval.significance import LEVEL, SEED
from training.evaluation.perplexity import Loss, perplexity

ROUNDS: Final = 2_000  # the ends of an interval are then within a few percent of its width
CHUNK: Final = 4_000_000  # numbers drawn at once


@dataclass(frozen=True, slots=True)
class Ratio:
    """perplexity(other) / perplexity(one) on the rows that both have."""

    rows: int
    ratio: float
    interval: tuple[float, float]


def perplexity_interval(losses: Sequence[Loss]) -> tuple[float, float]:
    """95 % of the resampled sets have their perplexity in it."""
    found = [loss for loss in losses if loss.tokens]
    if not found:
        return math.nan, math.nan
    return _ends(_resampled(found))


def ratio_interval(one: Sequence[Loss], other: Sequence[Loss]) -> Ratio:
    """How the second model's perplexity compares with the first's. Only rows whose tokens are the same in both are compared."""
    known = {loss.id: loss for loss in one if loss.tokens}
    pairs = [(known[loss.id], loss) for loss in other if loss.id in known and loss.tokens == known[loss.id].tokens]
    if not pairs:
        return Ratio(0, math.nan, (math.nan, math.nan))
    ones, others = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    low, high = _ends(_resampled(others) - _resampled(ones))
    return Ratio(len(pairs), perplexity(others) / perplexity(ones), (low, high))


def _resampled(losses: Sequence[Loss]) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Mean losses per token of `ROUNDS` sets drawn with replacement; the same draws for every model with as many rows."""
    nats = np.array([loss.nats for loss in losses])
    tokens = np.array([loss.tokens for loss in losses], np.float64)
    random = np.random.default_rng(SEED)
    size = max(1, CHUNK // len(losses))
    means = []
    for start in range(0, ROUNDS, size):
        draws = random.integers(len(losses), size=(min(size, ROUNDS - start), len(losses)))
        means.append(nats[draws].sum(axis=1) / tokens[draws].sum(axis=1))
    return np.concatenate(means)


def _ends(means: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> tuple[float, float]:
    low, high = np.exp(np.quantile(means, [LEVEL / 2, 1 - LEVEL / 2]))
    return float(low), float(high)
