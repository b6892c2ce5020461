"""Whether the corpus answers a question at all: a logistic model over eight signs of the search, calibrated on gold questions.

    confidence = Confidence.fit(rows, answerable)      # or Confidence() where a pack has no gold
    confidence.accepts(signs(view, question, hits, rewriter, confidence.wording))

Signs, all about the question's words other than names, weighted by idf: the share that one of the best passages says; the
share that no document knows (a plant without an entry); whether the question names a document or one of the corpus' topics; the
share that asks for a kind of section (the pack's aliases); the best hit's score; the best cosine; whether it asks how much and no
sentence found both speaks of it and counts; and how it is put (retrieval/wording.py). Fitted by Newton's method with a small ridge
penalty.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.followups import Rewriter
from retrieval.prior import without_names
from retrieval.quantity import asking_words, asks_quantity, gives_quantity
from retrieval.retrievers import Hit
from retrieval.sentences import sentence_spans
from retrieval.view import View
from retrieval.wording import Wording

TOP = 5  # hits that a person would read; what only lower ones hold does not count
RIDGE = 1.0
STEPS = 30
REFUSAL_WEIGHT = 3.0  # a wrong answer to an unanswerable question costs this many wrong refusals when the cut is chosen
UNANSWERABLE = 0.15  # of people's questions, so it is assumed then, however many of them the gold holds
SCORE_SCALE = 10.0  # brings the best hit's score, in deviations, to the size of the other signs
MOST_STRENGTH = 1.2  # a word that hardly any passage has makes a score without bounds, and says no more than this
MOST_FAMILIAR = 0.6  # a wording that is known at all speaks for an answer as much as a common one
SPOKEN_OF = 0.3  # share of a question's words that a sentence must have to speak of what is asked

Signs = NDArray[np.float64]
SIGN_NAMES = ("said", "unknown", "named", "asks", "strength", "near", "uncounted", "wording")
NO_VECTORS = 0.4  # the cosine assumed where there are no vectors: it speaks for neither side


@dataclass(frozen=True, slots=True)
class Confidence:
    """`weights` are for the signs in `SIGN_NAMES` order, then the constant. The default was chosen by eye: a fair part of what
    the question says must be found, and little of it may be unknown."""

    weights: tuple[float, ...] = (3.0, -3.0, 1.0, 0.5, 0.1, 5.0, -1.5, 0.0, -2.9)
    threshold: float = 0.5
    wording: Wording | None = None

    def probability(self, signs: Signs) -> float:
        """Probability that the corpus answers the question."""
        return float(1 / (1 + np.exp(-(np.array(self.weights[:-1]) @ signs + self.weights[-1]))))

    def accepts(self, signs: Signs) -> bool:
        return self.probability(signs) >= self.threshold

    @classmethod
    def fit(cls, rows: Sequence[Signs], answerable: Sequence[bool]) -> "Confidence":
        """Fit to labelled questions, both classes having the same say; the threshold then weighs the mistakes."""
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

    def as_json(self) -> dict[str, Any]:
        """What `of` reads."""
        wording = self.wording.as_text() if self.wording else ""
        return {"weights": list(self.weights), "threshold": self.threshold, "wording": wording}

    @classmethod
    def of(cls, stored: dict[str, Any] | None) -> "Confidence":
        if not stored or len(stored.get("weights", ())) != len(SIGN_NAMES) + 1:
            return cls()
        wording = Wording.from_text(stored["wording"]) if stored.get("wording") else None
        return cls(tuple(stored["weights"]), float(stored["threshold"]), wording)


def signs(view: View, question: str, hits: Sequence[Hit], rewriter: Rewriter, wording: Wording | None = None) -> Signs:
    """The eight signs of a search; see the module's docstring. Without a `wording` model its sign is 0."""
    names = {term for name, _ in rewriter.names.find(question) for term in name.split()}
    terms = view.query_terms(question)
    unknown = sum(view.term_idf(-1) for _, number in terms if number < 0)
    # A topic next to a word that no document has ("the price in Puebla") says little.
    known = bool(names) or (not unknown and bool(rewriter.topics.find(question)))
    mass = {term: view.term_idf(number) for term, number in terms if number >= 0 and term not in names}
    total = sum(mass.values()) + unknown
    said = max((_mass_in(mass, view.analyzer.terms(hit.passage.embedded_text)) for hit in hits[:TOP]), default=0.0)
    asks = _mass_in(mass, rewriter.asking_terms)
    strength = min(hits[0].score / SCORE_SCALE, MOST_STRENGTH) if hits else 0.0
    near = max((hit.scores.get("dense", NO_VECTORS) for hit in hits[:TOP]), default=0.0)
    put = min(wording.score(without_names(question, rewriter.names)), MOST_FAMILIAR) if wording else 0.0
    if not total:  # nothing but a name: "la ruda"
        return np.array([1.0, 0.0, float(known), 0.0, strength, near, 0.0, put])
    uncounted = asks_quantity(question) and not _is_counted(view, question, names, hits[:TOP])
    return np.array([said / total, unknown / total, float(known), asks / total, strength, near, float(uncounted), put])


def _is_counted(view: View, question: str, names: Collection[str], hits: Sequence[Hit]) -> bool:
    """Whether a sentence of the hits has a number and enough of the question's words."""
    asking = set(view.analyzer.terms(asking_words(question)))
    mass = {
        term: view.term_idf(number)
        for term, number in view.query_terms(question)
        if term not in names and term not in asking
    }
    enough = SPOKEN_OF * sum(mass.values())
    for hit in hits:
        text = hit.passage.text
        for start, end in sentence_spans(text):
            sentence = text[start:end]
            if gives_quantity(sentence) and _mass_in(mass, view.analyzer.terms(sentence)) >= enough:
                return True
    return False


def _mass_in(mass: dict[str, float], terms: Collection[str]) -> float:
    held = set(terms)
    return sum(value for term, value in mass.items() if term in held)


def _best_threshold(scores: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    """The cut with the least weighted mistakes; the middle between its neighbours."""
    answered = max(1.0, labels.sum())
    refused = max(1.0, len(labels) - labels.sum())
    weights = np.where(labels > 0, (1 - UNANSWERABLE) / answered, REFUSAL_WEIGHT * UNANSWERABLE / refused)
    order = np.sort(np.unique(scores))
    cuts = np.concatenate([[order[0] - 0.01], (order[1:] + order[:-1]) / 2, [order[-1] + 0.01]])
    right = [(weights * ((scores >= cut) == (labels > 0))).sum() for cut in cuts]
    best = np.flatnonzero(np.array(right) >= max(right) - 1e-12)
    return float(cuts[best[len(best) // 2]])
