"""Jobs as real processes: they end, fail, are stopped and killed, and a dead one is told from a number used again."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from retrieval.errors import UsageError
from training.jobs import Job, JobState, list_jobs
from training.processes import is_alive, is_alive_since, process_start

PATIENCE = 30.0  # seconds: what a loaded machine may take to start Python
PYTHON = (sys.executable, "-c")
WAIT = "import time; print('begun', flush=True); time.sleep(600)"


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    made = Job(tmp_path / "jobs" / "one")
    yield made
    made.kill()
    wait_until(lambda: not (state := made.read()) or not state.going)


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)


def end_of(job: Job) -> JobState:
    wait_until(lambda: bool((state := job.read()) and not state.going))
    state = job.read()
    assert state is not None
    return state


def start_waiting(job: Job, program: str = WAIT) -> None:
    job.start([program], program=PYTHON)
    wait_until(lambda: "begun" in job.read_log())


def test_a_job_that_was_never_started_has_no_state(job: Job) -> None:
    assert job.read() is None


def test_a_job_runs_the_command_line_to_its_end(job: Job) -> None:
    job.start(["--help"])
    state = end_of(job)
    assert (state.phase, state.code, state.command) == ("done", 0, ("savia", "--help"))
    assert job.read_log()


def test_a_failed_job_keeps_its_code_and_last_words(job: Job) -> None:
    job.start(["dataset", "build", "--domain", "nowhere"], {"SAVIA_HOME": str(job.folder)})
    assert end_of(job).phase == "failed"
    assert "nowhere" in job.last_words()


def test_a_job_that_is_going_is_not_started_twice(job: Job) -> None:
    start_waiting(job)
    with pytest.raises(UsageError, match="running already"):
        job.start(["--help"])


def test_a_stop_reaches_the_command_as_ctrl_c_would(job: Job) -> None:
    program = f"try:\n    {WAIT.replace('; ', chr(10) + '    ')}\nexcept KeyboardInterrupt:\n    print('kept'); raise"
    start_waiting(job, program)
    job.stop()
    assert end_of(job).phase == "stopped"
    assert "kept" in job.read_log()


def test_a_job_that_does_not_listen_can_be_killed(job: Job) -> None:
    start_waiting(job, f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); {WAIT}")
    job.stop()
    state = job.read()
    assert state and state.phase == "stopping"
    job.kill()
    assert end_of(job).phase == "stopped"


def test_a_job_killed_from_outside_is_said_to_be_killed(job: Job) -> None:
    start_waiting(job)
    os.killpg(json.loads((job.folder / "job.json").read_text())["pid"], signal.SIGKILL)
    assert end_of(job).phase == "killed"


def test_a_job_outlives_the_process_that_started_it(job: Job) -> None:
    code = "import sys; from pathlib import Path; from training.jobs import Job; "
    code += "Job(Path(sys.argv[1])).start([sys.argv[2]], program=(sys.executable, '-c'))"
    subprocess.run([sys.executable, "-c", code, str(job.folder), WAIT], check=True)
    state = job.read()
    assert state and state.phase == "running"
    assert [found.folder.name for found in list_jobs(job.folder.parent)] == ["one"]


def test_a_process_number_used_again_is_not_the_job(job: Job) -> None:
    job.folder.mkdir(parents=True)
    known = {"pid": os.getpid(), "start": "another boot 17", "command": ["savia"], "began": ""}
    (job.folder / "job.json").write_text(json.dumps(known))
    state = job.read()
    assert state and state.phase == "killed"
    job.kill()  # which must not end this very process


def test_a_torn_or_foreign_file_is_no_job(job: Job) -> None:
    job.folder.mkdir(parents=True)
    for text in ("", "[1]", '{"pid"'):
        (job.folder / "job.json").write_text(text)
        assert job.read() is None


def test_a_stopped_job_can_be_started_again(job: Job) -> None:
    start_waiting(job)
    job.stop()
    end_of(job)
    job.start(["--help"])
    assert end_of(job).phase == "done"


def test_this_process_is_alive_and_an_ended_one_is_not() -> None:
    assert is_alive(os.getpid(), process_start(os.getpid()))
    assert not is_alive(0, "")
    assert is_alive_since(os.getpid(), time.time())
    assert not is_alive_since(os.getpid(), 1_000_000_000.0)  # of 2001: it was another process then
    child = subprocess.Popen([sys.executable, "-c", ""])
    start = process_start(child.pid)
    child.wait()
    assert not is_alive(child.pid, start)
