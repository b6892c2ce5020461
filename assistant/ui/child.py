"""The command line as a child process of the page, and what its log says.

process = start_child(["index", "sync", "--domain", "herbolaria"], log, home)
read_tail(log)          # the progress bars as the command draws them
"""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

TAIL = 8_192  # bytes of the log that are read: progress is redrawn many times
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def start_child(arguments: Sequence[str], log: Path, home: Path) -> subprocess.Popen[bytes]:
    """Run `savia ARGUMENTS` on the same home; what it prints goes to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    # A terminal's progress bar, though the log is a file: FORCE_COLOR makes Rich redraw it as it moves.
    terminal = {"FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "100", "NO_COLOR": ""}
    environment = {**os.environ, **terminal, "SAVIA_HOME": str(home.resolve())}
    command = [sys.executable, "-m", "savia", *arguments]
    with log.open("wb") as output:
        return subprocess.Popen(command, env=environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL)


def read_tail(log: Path) -> str:
    """The end of the log without colours; empty where there is none."""
    try:
        data = log.read_bytes()[-TAIL:]
    except OSError:
        return ""
    return _ANSI.sub("", data.decode("utf-8", "replace"))


def last_words(log: Path) -> str:
    """The command's own sentence about what went wrong."""
    lines = [line.strip() for line in read_tail(log).splitlines() if line.strip()]
    for place in range(len(lines) - 1, -1, -1):
        if lines[place].startswith("Error:"):
            return " ".join(lines[place:]).removeprefix("Error:").strip()
    return lines[-1] if lines else ""
