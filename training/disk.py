"""A disk that is full, or refuses, while a library writes a model: one sentence, whatever the library makes of it.

with model_writing("save the model to models/x", Path("models/x")):
    network.save_pretrained("models/x")
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EFBIG, EIO
from pathlib import Path
from typing import Final

from retrieval.errors import StorageError, storage_errors

_MEND: Final = "Free space or fix permissions, then run the same command again."
_NEARLY_FULL: Final = 2**20  # bytes free; torch does not say why a write failed, so the disk is asked
_WINDOWS_FULL: Final = (39, 112)  # ERROR_HANDLE_DISK_FULL, ERROR_DISK_FULL
_FULL: Final = "the disk is full"
_SAFETENSORS: Final = re.compile(r"\(os error (\d+)\)")
_TORCH: Final = re.compile(r"inline_container|PytorchStreamWriter")


@contextmanager
def model_writing(action: str, folder: Path) -> Iterator[None]:
    """Turn what Python, safetensors and torch raise for a failed write into a `StorageError` that names `action`.

    Nothing may be removed before it is left: free space is what tells a full disk from another fault.
    """
    with storage_errors(action):
        try:
            yield
        except Exception as error:  # safetensors raises an Exception of its own, torch a RuntimeError
            reason = _reason(error, folder)
            if not reason:
                raise
            raise StorageError(f"Could not {action}: {reason}.", _MEND) from error


def _reason(error: Exception, folder: Path) -> str:
    """Why a write failed; empty where the error is about something else."""
    if isinstance(error, OSError):
        if getattr(error, "winerror", None) in _WINDOWS_FULL:
            return _FULL
        return os.strerror(error.errno).lower() if error.errno in (EFBIG, EIO) else ""
    text = str(error)
    told = _SAFETENSORS.search(text)
    if told and type(error).__module__.startswith("safetensors"):
        return explain_code(int(told[1]))
    if isinstance(error, RuntimeError) and _TORCH.search(text):
        full = _free(folder) < _NEARLY_FULL
        return _FULL if full else "the system took only a part of a file"
    return ""


def explain_code(code: int, windows: bool = os.name == "nt") -> str:
    """What the system means by an error's number; Windows counts otherwise than C."""
    return _FULL if windows and code in _WINDOWS_FULL else os.strerror(code).lower()


def _free(folder: Path) -> int:
    """Bytes free where a folder is, or will be."""
    place = next(path for path in (folder.resolve(), *folder.resolve().parents) if path.is_dir())
    return shutil.disk_usage(place).free
