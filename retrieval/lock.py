"""One writer at a time: two writing processes corrupt Chroma silently, so the second one is refused with the first one's name.

with writer_lock(index, "savia index sync"):
    ...
"""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from retrieval.errors import IndexLocked, storage_errors
from retrieval.files import read_json, write_atomically

PATIENCE = 1.0  # seconds: a writer that has just finished may still be letting go


@contextmanager
def writer_lock(index: Path, command: str, what: str = "index") -> Iterator[None]:
    """Hold the lock of an index (or of `what` else is written there); the operating system frees it even when the process
    is killed.

    Raises `IndexLocked`, naming the holder, within two seconds.
    """
    with storage_errors(f"lock the {what} at {index}"):
        index.mkdir(parents=True, exist_ok=True)
        lock = FileLock(index / "lock", timeout=PATIENCE)
        try:
            lock.acquire()
        except Timeout as error:
            raise IndexLocked(
                f"The {what} at {index} is being written by {_holder(index)}.",
                "Wait until it ends, then run this again.",
            ) from error
    try:
        owner = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "command": command,
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        with storage_errors(f"lock the {what} at {index}"):
            write_atomically(index / "lock.json", json.dumps(owner).encode())
        yield
    finally:
        (index / "lock.json").unlink(missing_ok=True)
        lock.release()


def is_being_written(index: Path) -> bool:
    """Whether a writer holds the lock now; used by readers to stay off Chroma meanwhile."""
    if not (index / "lock.json").exists():
        return False  # the usual case costs one stat
    lock = FileLock(index / "lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return True
    except OSError:
        return False  # not writable for us: then no writer of ours runs either
    lock.release()
    return False


def _holder(index: Path) -> str:
    try:
        owner = read_json(index / "lock.json")
        return f"process {owner['pid']} on {owner['host']} ({owner['command']}, since {owner['since']})"
    except (OSError, ValueError, KeyError):
        return "another process"
