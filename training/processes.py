"""Whether a process that was started earlier still runs, told from another that was given its number since.

start = process_start(pid); is_alive(pid, start)
"""

import os
import subprocess
import time
from pathlib import Path

_PROC = Path("/proc")
_SLACK = 2.0  # seconds: the time of the last boot is known in whole seconds


def process_start(pid: int) -> str:
    """When the process began, as the system tells it: the boot and the clock tick on Linux, the date elsewhere; empty where
    there is no such process."""
    if (_PROC / "self" / "stat").is_file():
        fields = _read_stat(pid)
        # proc(5): field 3 is the state, field 22 the start; an ended process that nobody asked about is a zombie.
        return f"{_read_boot()} {fields[19]}" if fields and fields[0] not in "ZX" else ""
    found = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return found.stdout.strip()


def is_alive(pid: int, start: str) -> bool:
    """Whether the process that began at `start` still runs."""
    return pid > 0 and bool(start) and process_start(pid) == start


def is_alive_since(pid: int, moment: float) -> bool:
    """Whether a process of this number runs that was there at `moment` (seconds since 1970), for want of its start."""
    if pid <= 0:
        return False
    if not (_PROC / "self" / "stat").is_file():
        return bool(process_start(pid))
    fields = _read_stat(pid)
    if not fields or fields[0] in "ZX":
        return False
    uptime = float((_PROC / "uptime").read_text().split()[0])
    return time.time() - uptime + int(fields[19]) / os.sysconf("SC_CLK_TCK") <= moment + _SLACK


def _read_stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the third on: the second, the name, may hold anything."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _read_boot() -> str:
    try:
        return (_PROC / "sys" / "kernel" / "random" / "boot_id").read_text().strip()
    except OSError:
        return ""
