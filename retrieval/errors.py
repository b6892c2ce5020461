"""Every error that a user can cause or mend, as one family.

SaviaError                    exit code 1
├── UsageError                exit code 2: an option or value that cannot be right
├── SettingsError             an environment variable or setting that cannot be read
├── DomainError               the pack itself
│   ├── DomainNotFound
│   ├── DomainInvalid         carries every fault at once
│   └── CorpusMissing         no documents, so no index either: an IndexMissing too
├── IndexProblem              the index of a pack
│   ├── IndexMissing
│   ├── IndexLocked
│   └── IndexDamaged
├── EmbedderUnavailable       no vectors: the caller goes on with BM25 alone, and says so
├── StorageError              the disk is full or not writable
├── BackendError              the model or server that writes the answer
├── DataError                 training rows or their files; may carry a fault per row
├── RecipeInvalid             a training recipe; carries every fault at once
├── TrainingError             a training run, a merge or a model's evaluation
└── GateRefused               exit code 3: a check that guards a result said no

The message is one sentence with what is wrong and the value; `mend` is the command that mends it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from errno import EACCES, EDQUOT, ENOSPC, EROFS


class SaviaError(Exception):
    """Base of all errors that the command line, the page and the API turn into a sentence."""

    exit_code = 1

    def __init__(self, message: str, mend: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.message} {self.mend}".strip()


class UsageError(SaviaError):
    exit_code = 2


class SettingsError(SaviaError):
    exit_code = 2


class DomainError(SaviaError):
    pass


class DomainNotFound(DomainError):
    pass


class DomainInvalid(DomainError):
    """A pack that breaks the format; `faults` holds one sentence per fault."""

    def __init__(self, message: str, faults: list[str], mend: str = "") -> None:
        super().__init__("\n  - ".join([message, *faults]), f"\n{mend}" if mend else "")
        self.faults = faults


class IndexProblem(SaviaError):
    pass


class IndexMissing(IndexProblem):
    pass


class CorpusMissing(IndexMissing, DomainError):
    """A pack without documents: it can hold ready-made rows to train with, but has no passages to answer from."""


class IndexLocked(IndexProblem):
    pass


class IndexDamaged(IndexProblem):
    pass


class EmbedderUnavailable(SaviaError):
    pass


class StorageError(SaviaError):
    pass


class BackendError(SaviaError):
    pass


class DataError(SaviaError):
    pass


class RecipeInvalid(SaviaError):
    """A recipe that breaks the schema; `faults` holds one sentence per fault."""

    def __init__(self, message: str, faults: list[str], mend: str = "") -> None:
        super().__init__("\n  - ".join([message, *faults]), f"\n{mend}" if mend else "")
        self.faults = faults


class TrainingError(SaviaError):
    pass


class GateRefused(SaviaError):
    exit_code = 3


_STORAGE_REASONS = {
    ENOSPC: "the disk is full",
    EDQUOT: "the disk quota is used up",
    EACCES: "permission denied",
    EROFS: "the file system is read-only",
}


@contextmanager
def storage_errors(action: str) -> Iterator[None]:
    """Turn a full or unwritable disk into a `StorageError` that names `action`; nothing half-written is published."""
    try:
        yield
    except OSError as error:
        # numpy writes past Python's files and says only how many items it got rid of before the disk was full.
        short = error.errno is None and "requested and" in str(error)
        reason = _STORAGE_REASONS.get(ENOSPC if short else error.errno or 0)
        if reason is None:
            raise
        where = f" ({error.filename})" if error.filename else ""
        raise StorageError(
            f"Could not {action}: {reason}{where}.", "Free space or fix permissions, then run the same command again."
        ) from error
