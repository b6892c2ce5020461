"""The outer process of a job: runs its command, waits, and writes how it ended, though nobody else may be left to ask.

python -m training.job_process FOLDER COMMAND ...
"""

import signal
import subprocess
import sys
from pathlib import Path

from retrieval.files import write_json


def run_job(folder: Path, command: list[str]) -> int:
    """Run the command to its end; its exit code is left in `result.json`."""
    # A handler, not SIG_IGN, which the command would inherit: Ctrl-C is for the command, and this process survives it.
    signal.signal(signal.SIGINT, lambda number, frame: None)
    code = subprocess.run(command, check=False).returncode
    write_json(folder / "result.json", {"code": code})
    return code


if __name__ == "__main__":
    sys.exit(1 if run_job(Path(sys.argv[1]), sys.argv[2:]) else 0)
