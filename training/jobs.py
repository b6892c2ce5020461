"""Long jobs that a page starts: a child process of its own session runs the command line, a folder keeps all that is known.

    job = Job(layout.root / "jobs" / "dataset-build")
    job.start(["dataset", "build", "--domain", "herbolaria"], {"SAVIA_HOME": "/srv/savia"})
    job.read().phase                                    # running, then done, failed, stopped or killed
    job.stop()                                          # as Ctrl-C would; job.kill() ends it at once

job.json      process id and its start, command, time     log.txt        what the command printed
result.json   exit code, written when it ended            stop           there once somebody asked for the end

The job outlives whoever started it. Going on is starting it again: the commands take up their own work.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from retrieval.errors import UsageError, storage_errors
from retrieval.files import read_json, write_json
from training.processes import is_alive, process_start

Phase = Literal["running", "stopping", "done", "failed", "stopped", "killed"]
GOING: tuple[Phase, ...] = ("running", "stopping")

TAIL = 8_192  # bytes of the log that are read: progress is redrawn many times
LOCK_PATIENCE = 5.0  # seconds: starting a process takes milliseconds
ENVIRONMENT = {"FORCE_COLOR": "", "NO_COLOR": "1", "COLUMNS": "120", "PYTHONUNBUFFERED": "1"}
SAVIA = (sys.executable, "-m", "savia")
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

_children: dict[int, "subprocess.Popen[bytes]"] = {}
"""Children of this process: asked now and then, so that ended ones leave no zombies."""


@dataclass(frozen=True, slots=True)
class JobState:
    """How a job stands. `command` is what a person would type; `began` is local time; `code` the exit code, if it ended itself."""

    phase: Phase
    command: tuple[str, ...]
    began: str
    code: int | None = None

    @property
    def going(self) -> bool:
        return self.phase in GOING


@dataclass(frozen=True, slots=True)
class Job:
    """One job's folder."""

    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"

    def start(
        self, arguments: Sequence[str], environment: Mapping[str, str] | None = None, program: Sequence[str] = SAVIA
    ) -> None:
        """Run `savia ARGUMENTS` (or another program) apart from this process. Raises `UsageError` where the job is still going."""
        command = [*program, *arguments]
        with storage_errors(f"start a job in {self.folder}"):
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                with FileLock(self.folder / ".lock", timeout=LOCK_PATIENCE):
                    shown = ("savia", *arguments) if program is SAVIA else tuple(command)
                    self._start(command, shown, {**os.environ, **ENVIRONMENT, **(environment or {})})
            except Timeout as error:
                raise UsageError(f"The job {self.folder.name} is being started.", "Look at it in a moment.") from error

    def _start(self, command: list[str], shown: tuple[str, ...], environment: dict[str, str]) -> None:
        state = self.read()
        if state and state.going:
            raise UsageError(f"The job {self.folder.name} is running already.", "Stop it first, or wait for its end.")
        for name in ("result.json", "stop"):
            (self.folder / name).unlink(missing_ok=True)
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "training.job_process", str(self.folder.resolve()), *command],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        _children[process.pid] = process
        began = datetime.now().isoformat(timespec="seconds")
        known = {"pid": process.pid, "start": process_start(process.pid), "command": shown, "began": began}
        write_json(self.folder / "job.json", known)

    def read(self) -> JobState | None:
        """How the job stands; None where it was never started."""
        _reap()
        known = _read(self.folder / "job.json")
        if not known:
            return None
        alive = is_alive(int(known.get("pid", 0)), str(known.get("start", "")))
        asked = (self.folder / "stop").exists()
        code = _read(self.folder / "result.json").get("code")
        phase: Phase
        if alive:
            phase = "stopping" if asked else "running"
        elif code == 0:
            phase = "done"
        elif asked:
            phase = "stopped"
        else:
            phase = "killed" if code is None else "failed"
        return JobState(phase, tuple(map(str, known.get("command", ()))), str(known.get("began", "")), code)

    def stop(self) -> None:
        """Ask for the end, as Ctrl-C does: the command may keep what it has first."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """End it now."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        known = _read(self.folder / "job.json")
        pid = int(known.get("pid", 0))
        if not is_alive(pid, str(known.get("start", ""))):
            return
        (self.folder / "stop").touch()
        try:
            os.killpg(pid, number)  # the job leads a group of its own, in which its command runs
        except ProcessLookupError:
            return  # it ended by itself just now

    def read_log(self, most: int = TAIL) -> str:
        """The end (so many bytes) of what the command printed, without terminal codes."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - most))
                data = file.read()
        except OSError:
            return ""
        text = _ANSI.sub("", data.decode("utf-8", "replace"))
        return "\n".join(line.rpartition("\r")[2].rstrip() for line in text.splitlines() if line.strip())

    def last_words(self) -> str:
        """The command's own sentence about what went wrong, else its last line."""
        lines = self.read_log().splitlines()
        for place in range(len(lines) - 1, -1, -1):
            if lines[place].startswith("Error:"):
                return " ".join(lines[place:]).removeprefix("Error:").strip()
        return lines[-1].strip() if lines else ""


def list_jobs(folder: Path) -> list[Job]:
    """The jobs in a folder of jobs, by name."""
    return [Job(path.parent) for path in sorted(folder.glob("*/job.json"))]


def _reap() -> None:
    for pid, process in list(_children.items()):
        if process.poll() is not None:
            _children.pop(pid, None)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = read_json(path)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
