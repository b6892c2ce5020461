"""One writer at a time, across real processes; readers can tell whether one is at work."""

import os
from pathlib import Path

import pytest

from retrieval.errors import IndexLocked
from retrieval.lock import is_being_written, writer_lock
from tests.fakes import HashEmbedder
from tests.retrieval.conftest import MakeIndex
from tests.retrieval.stepping_sync import SteppingSync


def test_a_second_writer_is_refused_with_the_firsts_process_and_command(make_index: MakeIndex) -> None:
    index = make_index({"ruda.md": "# Ruda\n\nHierba."})
    with SteppingSync(index.settings.home) as first:
        first.run_to("embed")
        with pytest.raises(IndexLocked, match=rf"process {first.process.pid} on .*\(savia index sync, since .*\)"):
            index.sync(HashEmbedder())
        with pytest.raises(IndexLocked, match="Wait until it ends"):
            index.verify()


def test_a_killed_writer_locks_nobody_out(make_index: MakeIndex) -> None:
    index = make_index({"ruda.md": "# Ruda\n\nHierba."})
    with SteppingSync(index.settings.home) as first:
        first.run_to("embed")
        first.kill()
    assert (index.folder / "lock.json").exists() and not is_being_written(index.folder)
    assert index.sync(HashEmbedder()).state == "complete"


def test_readers_see_a_writer_in_another_process(make_index: MakeIndex) -> None:
    index = make_index({"ruda.md": "# Ruda\n\nHierba."})
    assert not is_being_written(index.folder)
    with SteppingSync(index.settings.home) as first:
        first.run_to("embed")
        assert is_being_written(index.folder)
    assert not is_being_written(index.folder)


def test_asking_whether_somebody_writes_does_not_take_the_lock(tmp_path: Path) -> None:
    with writer_lock(tmp_path, "first"):
        pass
    (tmp_path / "lock.json").write_text("{}")
    assert not is_being_written(tmp_path)
    with writer_lock(tmp_path, "second"):
        assert is_being_written(tmp_path)


def test_the_lock_is_given_back_when_the_work_fails(tmp_path: Path) -> None:
    with pytest.raises(ValueError), writer_lock(tmp_path, "first"):
        raise ValueError
    with writer_lock(tmp_path, "second"):
        assert f'"pid": {os.getpid()}' in (tmp_path / "lock.json").read_text()
    assert not (tmp_path / "lock.json").exists()


def test_a_holder_that_left_no_name_is_another_process(tmp_path: Path) -> None:
    with writer_lock(tmp_path, "first"):
        (tmp_path / "lock.json").write_text("{torn")
        with pytest.raises(IndexLocked, match="by another process"), writer_lock(tmp_path, "second"):
            pass
