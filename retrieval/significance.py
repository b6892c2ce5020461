"""Whether a difference between two runs on the same questions is more than chance: paired randomisation and the bootstrap.

    compare([1.0, 0.5, ...], [0.6, 0.5, ...]).interval
    loss_probability(differences) <= 0.05                 # the gate's question

The randomisation test flips the sign of each question's difference at random (Fisher 1935; Smucker, Allan & Carterette 2007, "A
Comparison of Statistical Significance Tests for Information Retrieval Evaluation", CIKM, which finds it fit for such scores);
intervals are percentiles of resampled means (Efron 1979). Seeds are fixed: the same rows give the same verdict. Cost: rounds times
questions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ROUNDS = 10_000  # the standard error of a probability of 0.05 is then 0.002
CHUNK = 4_000_000  # numbers drawn at once: bounds the memory
SEED = 29
LEVEL = 0.05

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Mean of (one - other), its 95 % interval, and the two-sided probability of so large a mean by chance."""

    difference: float
    interval: tuple[float, float]
    probability: float

    @property
    def significant(self) -> bool:
        return self.probability <= LEVEL


def compare(one: Sequence[float], other: Sequence[float]) -> Comparison:
    """Two runs, question by question in the same order."""
    differences = np.asarray(one, float) - np.asarray(other, float)
    if not len(differences) or not differences.any():
        return Comparison(0.0, (0.0, 0.0), 1.0)
    means = _flipped_means(differences)
    observed = abs(float(differences.mean()))
    extreme = int((np.abs(means) >= observed - 1e-12).sum())
    return Comparison(float(differences.mean()), bootstrap_interval(differences), (extreme + 1) / (ROUNDS + 1))


def loss_probability(differences: Sequence[float]) -> float:
    """One-sided: how often chance alone would give a mean as low as this. A gate closes where it is at most `LEVEL`."""
    values = np.asarray(differences, float)
    if not len(values) or not values.any():
        return 1.0
    lower = int((_flipped_means(values) <= float(values.mean()) + 1e-12).sum())
    return (lower + 1) / (ROUNDS + 1)


def bootstrap_interval(values: Sequence[float] | Values, level: float = LEVEL) -> tuple[float, float]:
    """Percentile interval of the mean; both ends equal the value where there is only one."""
    sample = np.asarray(values, float)
    if not len(sample):
        return 0.0, 0.0
    random = np.random.default_rng(SEED)
    means = np.concatenate(
        [
            sample[random.integers(len(sample), size=(rounds, len(sample)))].mean(axis=1)
            for rounds in _chunks(len(sample))
        ]
    )
    low, high = np.quantile(means, [level / 2, 1 - level / 2])
    return float(low), float(high)


def _flipped_means(differences: Values) -> Values:
    """Means of the differences with random signs, `ROUNDS` of them. Questions without a difference cannot flip."""
    moved = differences[differences != 0]
    random = np.random.default_rng(SEED)
    sums = [
        (random.integers(0, 2, size=(rounds, len(moved)), dtype=np.int8) * 2.0 - 1.0) @ moved
        for rounds in _chunks(len(moved))
    ]
    return np.concatenate(sums) / len(differences)


def _chunks(width: int) -> list[int]:
    """`ROUNDS` in parts whose tables stay below `CHUNK` numbers."""
    size = max(1, min(ROUNDS, CHUNK // max(width, 1)))
    whole, rest = divmod(ROUNDS, size)
    return [size] * whole + ([rest] if rest else [])
