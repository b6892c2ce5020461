"""Writes that a reader sees whole or not at all."""

from pathlib import Path

import pytest

from retrieval.files import move_folder, read_json, replace_folder, write_atomically, write_json


def test_a_write_replaces_the_old_content_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "CURRENT"
    write_atomically(path, b"first, the longer one\n")
    write_atomically(path, b"second\n")
    assert path.read_bytes() == b"second\n"
    assert [entry.name for entry in path.parent.iterdir()] == ["CURRENT"]


def test_a_failed_write_keeps_the_old_content_and_leaves_no_rubbish(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    (path / "inside").write_text("kept")
    with pytest.raises(OSError):  # a file cannot be renamed over a folder
        write_atomically(path, b"new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]
    assert (path / "inside").read_text() == "kept"


def test_others_may_read_what_was_written(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", b"x")
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


def test_json_is_written_for_people_and_read_back(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"título": ["sábila", 1, None]})
    assert "sábila" in (tmp_path / "a.json").read_text(encoding="utf-8")
    assert read_json(tmp_path / "a.json") == {"título": ["sábila", 1, None]}


def test_a_folder_takes_the_place_of_another_with_its_record(tmp_path: Path) -> None:
    source, target = tmp_path / "made", tmp_path / "kept"
    for folder, text in ((source, "new"), (target, "old")):
        folder.mkdir()
        (folder / "model").write_text(text, encoding="utf-8")
    replace_folder(source, target, "record.json", {"weight": 1})
    assert (target / "model").read_text(encoding="utf-8") == "new"
    assert read_json(target / "record.json") == {"weight": 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "made"]


def test_a_folder_that_cannot_be_copied_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "kept"
    target.mkdir()
    with pytest.raises(OSError):
        replace_folder(tmp_path / "missing", target, "record.json", {})
    assert target.is_dir()


def test_a_folder_that_cannot_be_moved_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "kept"
    target.mkdir()
    with pytest.raises(OSError):
        move_folder(tmp_path / "missing", target)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
