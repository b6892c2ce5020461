"""The error family: what each carries, and which system errors become one of them."""

import errno
import inspect
from pathlib import Path

import numpy as np
import pytest

import retrieval.errors
from retrieval.errors import (
    DomainInvalid,
    SaviaError,
    SettingsError,
    StorageError,
    UsageError,
    storage_errors,
)


def test_the_tree_at_the_top_of_the_module_names_every_error() -> None:
    family = [
        name for name, kind in vars(retrieval.errors).items() if inspect.isclass(kind) and issubclass(kind, SaviaError)
    ]
    assert all(name in (retrieval.errors.__doc__ or "") for name in family) and len(family) > 10


def test_exit_codes_are_those_of_the_command_line() -> None:
    assert (SaviaError.exit_code, StorageError.exit_code) == (1, 1)
    assert (UsageError.exit_code, SettingsError.exit_code) == (2, 2)


def test_an_error_reads_as_what_is_wrong_and_what_mends_it() -> None:
    error = SaviaError("There is no index.", "Build it: savia index sync")
    assert (str(error), error.mend) == ("There is no index. Build it: savia index sync", "Build it: savia index sync")
    assert str(SaviaError("Only this.")) == "Only this."


def test_a_broken_pack_lists_every_fault_on_its_own_line() -> None:
    error = DomainInvalid("x has faults:", ["title: is missing", "languaje: unknown key"], "Correct the file.")
    assert str(error) == "x has faults:\n  - title: is missing\n  - languaje: unknown key \nCorrect the file."
    assert error.faults == ["title: is missing", "languaje: unknown key"]


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "the disk quota is used up"),
        (errno.EACCES, "permission denied"),
        (errno.EROFS, "the file system is read-only"),
    ],
)
def test_a_disk_that_cannot_be_written_is_a_sentence(number: int, reason: str) -> None:
    with pytest.raises(StorageError) as caught, storage_errors("write the index at data"):
        raise OSError(number, "as the system says it", "data/file")
    assert caught.value.message == f"Could not write the index at data: {reason} (data/file)."


def test_an_array_that_numpy_could_not_finish_is_a_full_disk() -> None:
    with pytest.raises(StorageError, match="the disk is full"), storage_errors("write the index"):
        raise OSError("2700 requested and 496 written")  # numpy's own words, with no number


def test_numpy_says_so_on_a_full_disk() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with (
        pytest.raises(StorageError, match="the disk is full"),
        storage_errors("write the index"),
        Path("/dev/full").open("wb") as file,
    ):
        np.save(file, np.zeros(100_000))


def test_other_errors_keep_their_type() -> None:
    with pytest.raises(FileNotFoundError), storage_errors("write"):
        raise FileNotFoundError(errno.ENOENT, "No such file")
    with pytest.raises(ValueError), storage_errors("write"):
        raise ValueError
