"""What the last build was made from: a hash of each stage's inputs and of its files, in `data/build/<domain>/build.json`.

    state = read_state(layout); state.is_current("generate", inputs, layout)

A stage is out of date when its inputs, its files or the program changed. `progress.json` tells others how far a build is.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

from retrieval.files import file_sha256, read_json, write_json
from training.layout import BuildLayout

VERSION = 1  # raise when the file's shape changes: everything is then out of date
INTERVAL = 0.5  # seconds between two writes of progress.json

Phase = Literal["running", "done", "failed", "interrupted"]


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One stage as it was last run: `outputs` are SHA-256 by path below the build folder."""

    inputs: str
    outputs: dict[str, str]
    counts: dict[str, Any]
    seconds: float
    finished: str


@dataclass
class BuildState:
    """Records by stage, in the order in which they ran."""

    steps: dict[str, StepRecord] = field(default_factory=dict)
    corpus: dict[str, str] = field(default_factory=dict)
    """SHA-256 of each document, by path, as the last build read it."""

    def is_current(self, name: str, inputs: str, layout: BuildLayout) -> bool:
        """Whether the stage ran on these inputs and its files are as it left them."""
        record = self.steps.get(name)
        return (
            record is not None
            and record.inputs == inputs
            and hash_files(layout.root / path for path in record.outputs) == list(record.outputs.values())
        )


def read_state(layout: BuildLayout) -> BuildState:
    """The last build; an empty state where there is none that this version reads."""
    try:
        stored = read_json(layout.root / "build.json")
        if stored["version"] != VERSION:
            return BuildState()
        steps = {name: StepRecord(**record) for name, record in stored["steps"].items()}
        return BuildState(steps, dict(stored["corpus"]))
    except (OSError, ValueError, KeyError, TypeError):
        return BuildState()


def write_state(layout: BuildLayout, state: BuildState) -> None:
    steps = {name: asdict(record) for name, record in state.steps.items()}
    write_json(layout.root / "build.json", {"version": VERSION, "steps": steps, "corpus": state.corpus})


def record_step(
    layout: BuildLayout, inputs: str, outputs: Iterable[Path], counts: dict[str, Any], began: float
) -> StepRecord:
    """The record of a stage that has just ended; `began` is `time.monotonic()` at its start."""
    paths = [path for path in outputs if path.is_file()]
    hashed = dict(zip((path.relative_to(layout.root).as_posix() for path in paths), hash_files(paths), strict=True))
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return StepRecord(inputs, hashed, counts, round(time.monotonic() - began, 2), now)


def hash_files(paths: Iterable[Path]) -> list[str]:
    """SHA-256 of each file, empty for one that is not there."""
    return [file_sha256(path) if path.is_file() else "" for path in paths]


def hash_of(*parts: Any) -> str:
    """A hash of anything that JSON can hold."""
    text = json.dumps(parts, ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


@cache
def program_hash() -> str:
    """Of the modules that decide what rows look like: after an update of the program everything is made again."""
    folder = Path(__file__).parent
    paths = [*sorted((folder / "data_preparation").glob("*.py")), folder / "example.py"]
    prompts = folder.parent / "assistant" / "prompts.py"
    return hash_of(hash_files([*paths, prompts]))


class ProgressFile:
    """`progress.json` beside the build: how far it is, for the page and for other processes."""

    def __init__(self, layout: BuildLayout) -> None:
        self._path = layout.root / "progress.json"
        self._started = datetime.now(UTC).isoformat(timespec="seconds")
        self._last = 0.0
        self.stage = ""

    def report(self, shown: Callable[[str, int, int], None]) -> Callable[[str, int, int], None]:
        """A progress callback that also writes the file, at most twice a second."""

        def tell(label: str, done: int, total: int) -> None:
            shown(label, done, total)
            if time.monotonic() - self._last >= INTERVAL:
                self.write("running", label, done, total)

        return tell

    def write(self, phase: Phase, label: str = "", done: int = 0, total: int = 0, message: str = "") -> None:
        self._last = time.monotonic()
        place = {"stage": self.stage, "label": label, "done": done, "total": total}
        write_json(
            self._path, {"phase": phase, **place, "message": message, "pid": os.getpid(), "started": self._started}
        )
