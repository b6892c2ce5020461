"""Which kind of section a question asks for, learnt from gold questions and from the pack's words for its sections.

    asking = Asking.fit([Sample("¿es peligroso?", frozenset({"safety"})), ...])
    asking.log_probabilities("¿le hace daño a un bebé?")      # one value a role

A softmax over hashed character n-grams, words and pairs of words, with a ridge penalty: two hundred questions are enough to
know most of the ways in which people ask for warnings, uses or history, whatever the thing is called that they ask about.
"""

import base64
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from retrieval.domain import ROLES, Role
from retrieval.text import fold_accents

DIMENSION = 4096  # hashed features; four times as many change nothing
GRAMS = range(2, 6)  # characters: stems, endings, and what a slip of the finger leaves whole
RIDGE = 0.1
STEPS = 200
FLOOR = 1e-3  # probability below which a role is not believed to be ruled out

_WORD = re.compile(r"\w+")
_MATRIX_TYPE = np.dtype("<f2")  # half precision: the weights are stored with the index


@dataclass(frozen=True, slots=True)
class Sample:
    """A text and the roles of the sections that answer it."""

    text: str
    roles: frozenset[Role]


@dataclass(frozen=True)
class Asking:
    """`weights` has a row a feature and one for the constant, a column a role in `ROLES` order."""

    weights: NDArray[np.float32]

    def log_probabilities(self, text: str) -> NDArray[np.float32]:
        """Natural logarithms of the roles' probabilities, in `ROLES` order, none below log(`FLOOR`)."""
        scores = np.array(self.weights[-1], np.float64)
        for feature, value in features(text).items():
            scores += value * self.weights[feature]
        probabilities = np.exp(scores - scores.max())
        return np.asarray(np.log(probabilities / probabilities.sum() + FLOOR), np.float32)

    @classmethod
    def fit(cls, samples: Sequence[Sample]) -> "Asking":
        """Regularised maximum likelihood by L-BFGS; a sample of several roles counts in parts for each."""
        matrix = feature_matrix([sample.text for sample in samples])
        targets = np.zeros((len(samples), len(ROLES)))
        for row, sample in enumerate(samples):
            targets[row, [ROLES.index(role) for role in sample.roles]] = 1 / len(sample.roles)
        shape = (DIMENSION + 1, len(ROLES))

        def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            weights = flat.reshape(shape)
            scores = matrix @ weights[:-1] + weights[-1]
            scores -= scores.max(axis=1, keepdims=True)
            probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
            value = -float((targets * np.log(probabilities + 1e-12)).sum()) + RIDGE / 2 * float(
                (weights[:-1] ** 2).sum()
            )
            error = probabilities - targets
            return value, np.vstack([matrix.T @ error + RIDGE * weights[:-1], error.sum(axis=0)]).ravel()

        start = np.zeros(shape[0] * shape[1])
        found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": STEPS}).x
        return cls(found.reshape(shape).astype(_MATRIX_TYPE).astype(np.float32))

    def as_text(self) -> str:
        """The weights for a JSON file."""
        return base64.b64encode(self.weights.astype(_MATRIX_TYPE).tobytes()).decode("ascii")

    @classmethod
    def from_text(cls, text: str) -> "Asking | None":
        """The stored weights; None where there are none or of another shape."""
        stored = base64.b64decode(text)
        shape = (DIMENSION + 1, len(ROLES))
        if len(stored) != shape[0] * shape[1] * _MATRIX_TYPE.itemsize:
            return None
        return cls(np.frombuffer(stored, _MATRIX_TYPE).reshape(shape).astype(np.float32))


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


def feature_matrix(texts: Sequence[str]) -> csr_matrix:
    """(texts, DIMENSION), a row of `features` each."""
    rows, columns, values = [], [], []
    for row, text in enumerate(texts):
        for place, value in features(text).items():
            rows.append(row)
            columns.append(place)
            values.append(value)
    return csr_matrix((values, (rows, columns)), shape=(len(texts), DIMENSION))
