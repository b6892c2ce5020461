"""Which kind of section a question asks for, learnt from questions and the sections that answer them.

    asking = Asking.fit([Sample("¿es peligroso?", frozenset({"plantas/Toxicidad"})), ...])
    asking.log_probabilities("¿le hace daño a un bebé?")      # one value for each of asking.kinds

A softmax over hashed character n-grams, words and pairs of words, with a ridge penalty: two hundred questions are enough to
know most of the ways in which people ask for warnings, uses or history, whatever the thing is called that they ask about.
"""

import base64
import re
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from retrieval.text import fold_accents

DIMENSION = 4096  # hashed features; four times as many change nothing
GRAMS = range(2, 6)  # characters: stems, endings, and what a slip of the finger leaves whole
RIDGE = 0.1
STEPS = 50  # more change nothing
JITTER = 1e-6  # keeps the matrix of equal questions invertible
MOST_SAMPLES = 2_000  # evenly taken: time and memory of a fit grow with their square
FLOOR = 1e-3  # probability below which a kind is not believed to be ruled out

_WORD = re.compile(r"\w+")
_MATRIX_TYPE = np.dtype("<f2")  # half precision: the weights are stored with the index


@dataclass(frozen=True, slots=True)
class Sample:
    """A text and the kinds of the sections that answer it."""

    text: str
    kinds: frozenset[str]


@dataclass(frozen=True)
class Asking:
    """`weights` has a row a feature and one for the constant, a column for each of `kinds`."""

    kinds: tuple[str, ...]
    weights: NDArray[np.float32]

    def log_probabilities(self, text: str) -> NDArray[np.float32]:
        """Natural logarithms of the kinds' probabilities, in the order of `kinds`, none below log(`FLOOR`)."""
        scores = np.array(self.weights[-1], np.float64)
        for feature, value in features(text).items():
            scores += value * self.weights[feature]
        probabilities = np.exp(scores - scores.max())
        return np.asarray(np.log(probabilities / probabilities.sum() + FLOOR), np.float32)

    @classmethod
    def fit(cls, samples: Sequence[Sample]) -> "Asking":
        """Regularised maximum likelihood by L-BFGS; a sample of several kinds counts in parts for each.

        The fit runs in as many dimensions as there are samples, on the Cholesky factor of their products: it has the same optimum,
        since the best weights lie in what the samples span (the representer theorem: Schölkopf & Smola 2002, section 4.2).
        """
        samples = samples[:: -(-len(samples) // MOST_SAMPLES)]
        kinds = tuple(sorted(frozenset().union(*(sample.kinds for sample in samples))))
        targets = np.zeros((len(samples), len(kinds)))
        for row, sample in enumerate(samples):
            targets[row, [kinds.index(kind) for kind in sample.kinds]] = 1 / len(sample.kinds)
        matrix = feature_matrix([sample.text for sample in samples])
        factor = cholesky((matrix @ matrix.T).toarray() + JITTER * np.eye(len(samples)), lower=True)
        found = _fit_softmax(factor, targets)
        weights = matrix.T @ solve_triangular(factor, found[:-1], lower=True, trans="T")
        return cls(kinds, np.vstack([weights, found[-1:]]).astype(_MATRIX_TYPE).astype(np.float32))

    def as_json(self) -> dict[str, Any]:
        weights = base64.b64encode(self.weights.astype(_MATRIX_TYPE).tobytes()).decode("ascii")
        return {"kinds": list(self.kinds), "weights": weights}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Asking | None":
        """The stored model; None where its weights are of another shape."""
        kinds, weights = tuple(stored["kinds"]), base64.b64decode(stored["weights"])
        shape = (DIMENSION + 1, len(kinds))
        if len(weights) != shape[0] * shape[1] * _MATRIX_TYPE.itemsize:
            return None
        return cls(kinds, np.frombuffer(weights, _MATRIX_TYPE).reshape(shape).astype(np.float32))


def _fit_softmax(rows: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights (columns of `rows` + 1, kinds), the constants last."""
    shape = (rows.shape[1] + 1, targets.shape[1])

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = flat.reshape(shape)
        scores = rows @ weights[:-1] + weights[-1]
        scores -= scores.max(axis=1, keepdims=True)
        probabilities = np.exp(scores)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        value = -float((targets * np.log(probabilities + 1e-12)).sum()) + RIDGE / 2 * float((weights[:-1] ** 2).sum())
        error = probabilities - targets
        return value, np.vstack([rows.T @ error + RIDGE * weights[:-1], error.sum(axis=0)]).ravel()

    start = np.zeros(shape[0] * shape[1])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": STEPS}).x
    return np.asarray(found.reshape(shape))


def features(text: str) -> dict[int, float]:
    """Hashed feature -> value: log counts, grams and words each scaled to unit length."""
    words = _WORD.findall(fold_accents(text.lower(), keep="ñ"))
    grams = Counter(f"c:{gram}" for word in words for gram in _grams(f" {word} "))
    whole = Counter([*(f"w:{word}" for word in words), *(f"b:{one} {two}" for one, two in pairwise(words))])
    found: dict[int, float] = {}
    for counts in (grams, whole):
        values = {name: 1 + float(np.log(count)) for name, count in counts.items()}
        length = float(np.sqrt(sum(value * value for value in values.values()))) or 1.0
        for name, value in values.items():
            place = zlib.crc32(name.encode()) % DIMENSION
            found[place] = found.get(place, 0.0) + value / length
    return found


def _grams(word: str) -> list[str]:
    return [word[start : start + size] for size in GRAMS for start in range(len(word) - size + 1)]


_learnt_features = lru_cache(maxsize=MOST_SAMPLES)(features)  # a calibration meets each question in every fold


def feature_matrix(texts: Sequence[str]) -> csr_matrix:
    """(texts, DIMENSION), a row of `features` each."""
    rows, columns, values = [], [], []
    for row, text in enumerate(texts):
        for place, value in _learnt_features(text).items():
            rows.append(row)
            columns.append(place)
            values.append(value)
    return csr_matrix((values, (rows, columns)), shape=(len(texts), DIMENSION))
