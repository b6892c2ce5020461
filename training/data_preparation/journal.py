"""What was asked of a model and what it answered, kept for good: one JSON line an event, on disk before anything goes on.

    with open_journal(path) as journal:
        journal.record_asked(key, Spent(1, 900, 450))
        journal.record_answered(key, Reply("{...}", "stop", 812, 377))

A call is written down before it is sent, so a process that is killed knows afterwards what it may have paid for; a reply is
written down before it is used, so nothing that came is ever asked again. A last line that was torn is cut off when the journal
is opened. One process writes at a time.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from retrieval.errors import DataError, storage_errors
from training.data_preparation.budget import Spent

BLOCK = 1 << 16  # bytes read at a time when looking for the last line's end


@dataclass(frozen=True, slots=True)
class Reply:
    """A model's text, why it ended (`stop`, `length`, ...), and what it cost in tokens."""

    text: str
    finish: str
    input_tokens: int
    output_tokens: int


class Journal:
    """Replies by request key, and all that was spent. Without a file it only remembers (for plans and rows from the past)."""

    def __init__(self, file: BinaryIO | None = None) -> None:
        self.replies: dict[str, Reply] = {}
        self.spent = Spent()
        self._open: dict[str, Spent] = {}  # estimates of calls whose end is not known yet
        self._file = file

    def record_asked(self, key: str, estimate: Spent) -> None:
        """A call is about to be sent: it counts by its estimate until its end is known."""
        self._append({"event": "asked", "key": key, "input": estimate.input_tokens, "output": estimate.output_tokens})

    def record_answered(self, key: str, reply: Reply) -> None:
        self._append(
            {
                "event": "answered", "key": key, "text": reply.text, "finish": reply.finish,
                "input": reply.input_tokens, "output": reply.output_tokens,
            }
        )  # fmt: skip

    def record_refused(self, key: str, reason: str) -> None:
        """The server did no work (429, 500, no connection): the call is not charged."""
        self._append({"event": "refused", "key": key, "reason": reason})

    def record_lost(self, key: str, reason: str) -> None:
        """No readable reply came, and the server may have worked: the call stays counted by its estimate."""
        self._append({"event": "lost", "key": key, "reason": reason})

    def apply(self, event: dict[str, Any]) -> None:
        """Take one event into account. Raises `ValueError`, `KeyError` or `TypeError` for a line that is none."""
        key = str(event["key"])
        match event["event"]:
            case "asked":
                self._open[key] = Spent(1, int(event["input"]), int(event["output"]))
                self.spent += self._open[key]
            case "answered":
                reply = Reply(str(event["text"]), str(event["finish"]), int(event["input"]), int(event["output"]))
                self.spent += Spent(1, reply.input_tokens, reply.output_tokens) - self._open.pop(key, Spent())
                self.replies[key] = reply
            case "refused":
                self.spent -= self._open.pop(key, Spent())
            case "lost":
                self._open.pop(key, None)
            case other:
                raise ValueError(f"unknown event {other!r}")

    def _append(self, event: dict[str, Any]) -> None:
        if self._file is not None:
            line = json.dumps(event, ensure_ascii=False) + "\n"
            with storage_errors("write the journal"):
                self._file.write(line.encode("utf-8", "replace"))
                self._file.flush()
                os.fsync(self._file.fileno())
        self.apply(event)


@contextmanager
def open_journal(path: Path) -> Iterator[Journal]:
    """The journal, ready to be continued. Raises `DataError` while another process writes it, or for a damaged line."""
    with storage_errors(f"open the journal {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_name("lock"), timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise DataError(
                f"{path} is being written by another process.", "Wait until it ends, then run this again."
            ) from error
    try:
        with storage_errors(f"open the journal {path}"):
            mend_last_line(path)
            file = path.open("ab")
        with file:
            journal = Journal(file)
            _replay(path, journal)
            yield journal
    finally:
        lock.release()


def read_journal(path: Path) -> Journal:
    """What the journal holds now, without writing; a last line without its end is left out."""
    journal = Journal()
    if path.is_file():
        _replay(path, journal)
    return journal


def mend_last_line(path: Path) -> None:
    """Cut off what stands behind the last line's end: a line that a kill or a full disk tore."""
    if not path.is_file():
        return
    with path.open("r+b") as file:
        size = end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - BLOCK)
            file.seek(start)
            place = file.read(end - start).rfind(b"\n")
            if place >= 0:
                end = start + place + 1
                break
            end = start
        if end != size:
            file.truncate(end)
            file.flush()
            os.fsync(file.fileno())


def _replay(path: Path, journal: Journal) -> None:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                journal.apply(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise DataError(
                    f"{path}, line {number} is no event of a journal ({error!r}).",
                    "Remove that line: its call is asked again.",
                ) from error
