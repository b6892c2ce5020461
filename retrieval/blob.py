"""Many byte strings in one file with their offsets beside it: written in one pass, read through a memory map.

writer = BlobWriter(folder, "texts"); writer.add(b"..."); writer.close()
Blob(folder, "texts")[0]
"""

import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray


class Blob:
    """Many byte strings in one memory-mapped file, with their offsets."""

    def __init__(self, folder: Path, name: str) -> None:
        self.offsets: NDArray[np.int64] = np.load(folder / f"{name}.npy")
        path = folder / f"{name}.bin"
        self.data: NDArray[np.uint8] = np.memmap(path, np.uint8, "r") if path.stat().st_size else np.zeros(0, np.uint8)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> bytes:
        return self.data[self.offsets[index] : self.offsets[index + 1]].tobytes()


class BlobWriter:
    def __init__(self, folder: Path, name: str) -> None:
        self._file: BinaryIO = (folder / f"{name}.bin").open("wb")
        self._offsets_path = folder / f"{name}.npy"
        self._lengths: list[Any] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, content: bytes) -> None:
        self._file.write(content)
        self._lengths.append([len(content)])
        self._count += 1

    def copy(self, blob: Blob, rows: NDArray[np.int64]) -> None:
        """Copy entries in runs of neighbours."""
        for run in np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1):
            if len(run):
                self._file.write(blob.data[blob.offsets[run[0]] : blob.offsets[run[-1] + 1]].tobytes())
        self._lengths.append(np.diff(blob.offsets)[rows])
        self._count += len(rows)

    def close(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        lengths = np.concatenate([np.zeros(0, np.int64), *self._lengths])
        np.save(self._offsets_path, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
