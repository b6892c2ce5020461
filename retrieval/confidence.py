"""Whether the corpus answers a question at all: a logistic model over four signs of the search, calibrated on gold questions.

    confidence = Confidence.fit(rows, answerable)      # or Confidence() where a pack has no gold
    confidence.accepts(signs(view, question, hits))

Signs: how much of the question's idf mass the best passages hold, the same for the best single passage, the best cosine, and
the share that no document knows (a plant without an entry). Fitted by Newton's method with a small ridge penalty.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.retrievers import Hit
from retrieval.view import View

TOP = 5  # hits that a person would read; what only lower ones hold does not count
RIDGE = 1.0
STEPS = 30

Signs = NDArray[np.float64]
SIGN_NAMES = ("covered_by_one", "covered_by_top", "cosine", "unknown")


@dataclass(frozen=True, slots=True)
class Confidence:
    """`weights` are for the signs in `SIGN_NAMES` order, then the constant. The default was chosen by eye: half of what the
    question says must be found, or the vectors must be close."""

    weights: tuple[float, ...] = (4.0, 2.0, 4.0, -3.0, -4.0)
    threshold: float = 0.5

    def probability(self, signs: Signs) -> float:
        """Probability that the corpus answers the question."""
        return float(1 / (1 + np.exp(-(np.array(self.weights[:-1]) @ signs + self.weights[-1]))))

    def accepts(self, signs: Signs) -> bool:
        return self.probability(signs) >= self.threshold

    @classmethod
    def fit(cls, rows: Sequence[Signs], answerable: Sequence[bool]) -> "Confidence":
        """Fit to labelled questions; the threshold gives answerable and unanswerable questions the same say."""
        matrix = np.column_stack([np.array(rows), np.ones(len(rows))])
        labels = np.array(answerable, float)
        balance = np.where(labels > 0, len(labels) / (2 * labels.sum()), len(labels) / (2 * (1 - labels).sum()))
        weights = np.zeros(matrix.shape[1])
        penalty = RIDGE * np.diag([*np.ones(len(weights) - 1), 0.0])
        for _ in range(STEPS):
            probability = 1 / (1 + np.exp(-matrix @ weights))
            gradient = matrix.T @ (balance * (labels - probability)) - penalty @ weights
            curvature = (matrix * (balance * probability * (1 - probability))[:, None]).T @ matrix + penalty
            weights = weights + np.linalg.solve(curvature + 1e-9 * np.eye(len(weights)), gradient)
        fitted = cls(tuple(float(weight) for weight in weights))
        scores = np.array([fitted.probability(row) for row in rows])
        return cls(fitted.weights, _best_threshold(scores, labels))

    @classmethod
    def of(cls, stored: dict[str, Any] | None) -> "Confidence":
        if not stored or len(stored.get("weights", ())) != len(SIGN_NAMES) + 1:
            return cls()
        return cls(tuple(stored["weights"]), float(stored["threshold"]))


def signs(view: View, question: str, hits: Sequence[Hit]) -> Signs:
    """The four signs of a search; see the module's docstring."""
    terms = view.query_terms(question)
    mass = {number: view.term_idf(number) for _, number in terms if number >= 0}
    unknown = sum(view.term_idf(-1) for _, number in terms if number < 0)
    total = sum(mass.values()) + unknown
    held = [_terms_of(view, hit.row) for hit in hits[:TOP]]
    shares = [sum(mass[number] for number in mass if number in terms_of) for terms_of in held]
    together = sum(value for number, value in mass.items() if any(number in terms_of for terms_of in held))
    cosine = max((hit.scores.get("dense", 0.0) for hit in hits[:TOP]), default=0.0)
    if not total:
        return np.array([0.0, 0.0, cosine, 1.0])
    return np.array([max(shares, default=0.0) / total, together / total, cosine, unknown / total])


def _terms_of(view: View, row: int) -> set[int]:
    start, end = view.counts.starts[row], view.counts.starts[row + 1]
    return set(view.counts.terms[start:end].tolist())


def _best_threshold(scores: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    """The cut with the most questions decided right; the middle between its neighbours."""
    order = np.sort(np.unique(scores))
    cuts = np.concatenate([[order[0] - 0.01], (order[1:] + order[:-1]) / 2, [order[-1] + 0.01]])
    right = [((scores >= cut) == (labels > 0)).mean() for cut in cuts]
    best = np.flatnonzero(np.array(right) >= max(right) - 1e-12)
    return float(cuts[best[len(best) // 2]])
