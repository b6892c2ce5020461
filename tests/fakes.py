"""Hand-written stand-ins that are passed in where a real part would be slow: never patched over our own code."""

import hashlib
import re
from collections.abc import Sequence

import numpy as np

from retrieval.embedders import Vectors, WordCounter
from retrieval.passages import TokenCounter

PACK = """\
title: Plantas
language: es
persona: Respondes sobre plantas.
refusal: No lo encuentro en los documentos.
disclaimer: Solo con fines educativos.
"""


class HashEmbedder:
    """A bag of hashed words as a unit vector: deterministic, and near texts share words. Counts what it was asked."""

    name = "hash"
    fingerprint = "hash-1"
    dimension = 32
    max_tokens = 128

    def __init__(self) -> None:
        self.counter: TokenCounter = WordCounter()
        self.embedded: list[str] = []

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        self.embedded.extend(texts)
        return np.stack([self._vector(text) for text in texts]) if texts else np.zeros((0, self.dimension), np.float32)

    def embed_query(self, text: str) -> Vectors:
        return self._vector(text)

    def _vector(self, text: str) -> Vectors:
        vector = np.full(self.dimension, 0.01, np.float32)
        for word in re.findall(r"\w+", text.lower()):
            vector[int(hashlib.md5(word.encode()).hexdigest(), 16) % self.dimension] += 1
        return np.asarray(vector / np.linalg.norm(vector), np.float32)
