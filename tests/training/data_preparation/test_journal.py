"""The journal: nothing that was paid for is lost, whatever tears the file."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrieval.errors import DataError
from training.data_preparation.budget import Spent
from training.data_preparation.journal import Reply, open_journal, read_journal

ESTIMATE = Spent(1, 100, 50)
REPLY = Reply('{"a": "té\u2028\\n"}', "stop", 90, 20)


def write_two(path: Path) -> None:
    with open_journal(path) as journal:
        for key in ("one", "two"):
            journal.record_asked(key, ESTIMATE)
            journal.record_answered(key, REPLY)


def test_replies_are_there_when_it_is_opened_again(tmp_path: Path) -> None:
    write_two(tmp_path / "journal.jsonl")
    with open_journal(tmp_path / "journal.jsonl") as journal:
        assert journal.replies == {"one": REPLY, "two": REPLY}
        assert journal.spent == Spent(2, 180, 40)


def test_what_may_have_been_charged_counts_and_what_was_refused_does_not(tmp_path: Path) -> None:
    with open_journal(tmp_path / "journal.jsonl") as journal:
        for key in ("refused", "lost", "killed meanwhile"):
            journal.record_asked(key, ESTIMATE)
        journal.record_refused("refused", "429")
        journal.record_lost("lost", "no reply")
    assert read_journal(tmp_path / "journal.jsonl").spent == Spent(2, 200, 100)


def test_a_call_asked_again_after_a_kill_counts_twice(tmp_path: Path) -> None:
    with open_journal(tmp_path / "journal.jsonl") as journal:
        journal.record_asked("one", ESTIMATE)
        journal.record_asked("one", ESTIMATE)
        journal.record_answered("one", REPLY)
    assert read_journal(tmp_path / "journal.jsonl").spent == Spent(2, 190, 70)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(cut=st.integers(0, 400), rubbish=st.binary(max_size=20))
def test_a_torn_last_line_is_cut_off_wherever_it_tore(tmp_path: Path, cut: int, rubbish: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    path.unlink(missing_ok=True)
    write_two(path)
    whole = path.read_bytes()
    kept = whole[: max(0, len(whole) - cut)]
    path.write_bytes(kept + rubbish.replace(b"\n", b""))
    with open_journal(path) as journal:
        journal.record_asked("three", ESTIMATE)
    lines = path.read_bytes().decode().split("\n")
    assert lines.pop() == ""
    assert [json.loads(line)["key"] for line in lines][-1] == "three"
    assert len(lines) == kept.count(b"\n") + 1


def test_two_processes_do_not_write_the_same_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with open_journal(path), pytest.raises(DataError, match="another process"), open_journal(path):
        pass


def test_a_damaged_line_is_named_and_not_guessed_at(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write_two(path)
    path.write_bytes(b'{"event": "answered"}\n' + path.read_bytes())
    with pytest.raises(DataError, match="line 1"), open_journal(path):
        pass
