"""An append-only file of vectors keyed by the hash of their text: each distinct text is embedded once, ever.

    pool = VectorPool(folder, "minilm-53aa51172d14", dimension=384)
    rows = pool.rows_of(keys)            # -1 where a text has no vector yet
    pool.append(new_keys, new_vectors)

A vector is on disk before its key is, so a torn write loses at most the last batch and never pairs a key with a wrong
vector. Readers map the file and look only at the rows that their view knows of.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]


def text_key(text: str) -> int:
    """A 64-bit key of a text (a collision among a million texts has probability 3e-8)."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


class VectorPool:
    """The writer's side; one process at a time (the index's lock)."""

    def __init__(self, folder: Path, name: str, dimension: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{name}.f32"
        self._keys_path = folder / f"{name}.keys"
        self.dimension = dimension
        self._repair()
        keys = np.fromfile(self._keys_path, np.uint64)
        self._order = np.argsort(keys, kind="stable")
        self._sorted = keys[self._order]

    def __len__(self) -> int:
        return len(self._sorted)

    def rows_of(self, keys: Keys) -> NDArray[np.int32]:
        """The row of each key, -1 where there is none."""
        if not len(self._sorted):
            return np.full(len(keys), -1, np.int32)
        position = np.minimum(np.searchsorted(self._sorted, keys), len(self._sorted) - 1)
        rows = np.where(self._sorted[position] == keys, self._order[position], -1)
        return rows.astype(np.int32)

    def append(self, keys: Sequence[int], vectors: NDArray[np.float32]) -> None:
        """Add rows: (n,) keys and (n, dimension) vectors. Durable when it returns."""
        first = len(self)
        _append(self.path, np.ascontiguousarray(vectors, np.float32).tobytes())
        new = np.array(keys, np.uint64)
        _append(self._keys_path, new.tobytes())
        merged = np.concatenate([self._sorted, new])
        order = np.concatenate([self._order, np.arange(first, first + len(new))])
        by_key = np.argsort(merged, kind="stable")
        self._sorted, self._order = merged[by_key], order[by_key]

    def vectors(self) -> NDArray[np.float32]:
        return map_vectors(self.path, len(self), self.dimension)

    def _repair(self) -> None:
        """Cut both files to the rows that both hold."""
        for path in (self.path, self._keys_path):
            path.touch()
        width = 4 * self.dimension
        rows = min(self.path.stat().st_size // width, self._keys_path.stat().st_size // 8)
        for path, size in ((self.path, width), (self._keys_path, 8)):
            if path.stat().st_size != rows * size:
                os.truncate(path, rows * size)


def map_vectors(path: Path, rows: int, dimension: int) -> NDArray[np.float32]:
    """The first `rows` vectors of a pool as a read-only memory map."""
    if rows == 0:
        return np.zeros((0, dimension), np.float32)
    return np.memmap(path, np.float32, "r", shape=(rows, dimension))


def _append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
