"""Runs vLLM until it is stopped, and says when it is ready.

serve_vllm(VllmPlan(model="models/herbolaria-merged"), say)
"""

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable

from assistant.serve import check_port
from assistant.vllm_command import ENVIRONMENT, VllmPlan, shell_line, vllm_command
from retrieval.errors import BackendError, UsageError

POLL_SECONDS = 1.0
START_SECONDS = 1800.0  # a large model on a slow disk, compiled for the first time
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def serve_vllm(plan: VllmPlan, say: Callable[[str], None], key: str = "") -> None:
    """Start vLLM, wait until it is healthy, then until it ends. Raises `UsageError`, `BackendError`."""
    if plan.host not in LOOPBACK and not key:
        raise UsageError(
            f"vLLM without a key listens on this machine only, not on {plan.host}.",
            "Set SAVIA_VLLM_API_KEY, and mind that vLLM guards only the addresses below /v1 with it.",
        )
    command = vllm_command(plan)
    if shutil.which(command[0]) is None:
        raise UsageError(
            f"{command[0]} is not installed here.",
            "Install vLLM in an environment of its own (pip install vllm) and give --vllm-python PATH, "
            "or see the command with --print.",
        )
    check_port(plan.host, plan.port, "vLLM", "--port")
    say(shell_line(command))
    secret = {"VLLM_API_KEY": key} if key else {}  # not an option: those can be read by every user of the machine
    process = subprocess.Popen(command, env={**os.environ, **ENVIRONMENT, **secret})
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        wait_until_healthy(f"http://{_address(plan)}/health", process)
        say(f"Ready. Ask it with SAVIA_BACKEND=vllm SAVIA_VLLM_URL=http://{_address(plan)}/v1")
        code = process.wait()
    except KeyboardInterrupt:
        code = 0
    finally:
        _end(process)
    if code > 0:
        sys.exit(code)


def wait_until_healthy(url: str, process: "subprocess.Popen[bytes]", limit: float = START_SECONDS) -> None:
    """Until GET `url` answers 200. Raises `BackendError` when the process ends before, or after `limit` seconds."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if process.poll() is not None:
            raise BackendError(
                f"vLLM ended with code {process.returncode} before it was ready.", "Its own messages above say why."
            )
        if is_healthy(url):
            return
        time.sleep(POLL_SECONDS)
    raise BackendError(f"vLLM was not ready after {limit:g} seconds.", "Its own messages above say why.")


def is_healthy(url: str) -> bool:
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=5) as response:
            return int(response.status) == 200
    except (urllib.error.URLError, OSError):
        return False


def _address(plan: VllmPlan) -> str:
    host = "127.0.0.1" if plan.host == "0.0.0.0" else plan.host
    return f"[{host}]:{plan.port}" if ":" in host else f"{host}:{plan.port}"


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Stop the process if it still runs; by force after a while."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
