"""How a question is put, as a sign of whether a corpus answers it: learnt from gold questions, whatever they are about.

    wording = Wording.fit(["¿a cómo está el kilo de xx?", "¿para qué sirve xx?"], [False, True])
    wording.score("¿cuánto cuesta xx?")        # about -1 (never answered) to 1

Encyclopaedias answer some kinds of questions and never others (prices, recipes, results of matches), and the words of the others
are often in the corpus. Regularised least squares on ±1 (Rifkin, Yeo & Poggio 2003, "Regularized Least-Squares
Classification", section 3) over the features of retrieval/asking.py, both classes having the same say.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.asking import DIMENSION, feature_matrix, features

RIDGE = 1.0
_TYPE = np.dtype("<f2")  # half precision: the weights are stored with the index


@dataclass(frozen=True, eq=False)
class Wording:
    """One weight a hashed feature, (DIMENSION,)."""

    weights: NDArray[np.float32]

    def score(self, text: str) -> float:
        """`text` with its names masked (retrieval/prior.py, `without_names`)."""
        return float(sum(value * self.weights[place] for place, value in features(text).items()))

    @classmethod
    def fit(cls, texts: Sequence[str], answered: Sequence[bool]) -> "Wording":
        """Solved over the questions, not the features: cost grows with the cube of their number (0.1 s for 1,000)."""
        matrix = feature_matrix(texts)
        labels = np.array(answered, bool)
        size = len(labels)
        share = np.where(labels, size / (2 * max(1, labels.sum())), size / (2 * max(1, (~labels).sum())))
        kernel = (matrix @ matrix.T).toarray() + RIDGE * np.diag(1 / share)
        solved = np.linalg.solve(kernel, np.where(labels, 1.0, -1.0))
        return cls(np.asarray(matrix.T @ solved, np.float32).astype(_TYPE).astype(np.float32))

    def as_text(self) -> str:
        """The weights for a JSON file."""
        return base64.b64encode(self.weights.astype(_TYPE).tobytes()).decode("ascii")

    @classmethod
    def from_text(cls, text: str) -> "Wording | None":
        """The stored weights; None where they are of another shape."""
        stored = base64.b64decode(text)
        if len(stored) != DIMENSION * _TYPE.itemsize:
            return None
        return cls(np.frombuffer(stored, _TYPE).astype(np.float32))
