"""The vllm backend against a real vLLM on this machine's processor: an opt-in check, described in docs/vllm-check.md.

    python -m docs.check_vllm --python PATH/bin/python     # of the environment that vLLM is installed in; about two minutes

Makes a tiny model and an adapter, starts the command that `savia serve --mode vllm --print` shows, and asks. Returns 1 where
something is not as it should be.
"""

import argparse
import json
import os
import platform
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from assistant.backends.vllm import VllmBackend
from assistant.messages import Message, Options, Piece
from assistant.serve_vllm import wait_until_healthy
from docs.looping_model import ANSWER, LOOP, LOOP_REASONING, REASONING, make_ending_adapter, make_looping_model
from retrieval.errors import BackendError, SaviaError

ROOT = Path(__file__).resolve().parent.parent
WINDOW = 2048
START_SECONDS = 600.0  # half of it is imports where other work goes on
ON_A_PROCESSOR = ("--enforce-eager", "--dtype", "float32")  # compiling takes longer than the whole check
SMALL = {
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB; its default is a large share of the memory
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # other programs run on these cores, too
    "HF_HUB_OFFLINE": "1",
}
SILENCE_SECONDS = 1.0  # from closing the stream until the server writes no token any more
LOOK = 0.25  # seconds between two looks at the server's count of tokens; it writes many a second
ASKED = [Message("system", "Respondes."), Message("user", "¿Para qué se usa la hoja?")]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    good: bool
    seen: str


@dataclass(frozen=True, slots=True)
class Server:
    """A vLLM that runs: its address, its process, and the command with which it was started."""

    root: str
    process: "subprocess.Popen[bytes]"
    command: str
    seconds: float

    @property
    def url(self) -> str:
        return f"{self.root}/v1"


def main() -> int:
    """0 where everything is as it should be, else 1."""
    parser = argparse.ArgumentParser(prog="python -m docs.check_vllm")
    parser.add_argument("--python", required=True, help="the Python of the environment that vLLM is installed in")
    try:
        good = report(parser.parse_args().python)
    except SaviaError as error:
        print(error, file=sys.stderr)
        return 1
    print("\nAll good." if good else "\nSomething is not as it should be.")
    return 0 if good else 1


def report(python: str) -> bool:
    """Print what is found; whether all of it is as it should be. Raises `BackendError`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = make_looping_model(folder / "base")
        adapter = make_ending_adapter(model, folder / "herbolaria")
        with run_server(python, adapter, folder / "vllm.log") as server:
            print(_heading(server, python, folder), flush=True)
            good = True
            for finding in check(server):
                good = good and finding.good
                print(f"{'good' if finding.good else 'BAD '}  {finding.what}: {finding.seen}", flush=True)
    return good


@contextmanager
def run_server(python: str, adapter: Path, log: Path) -> Iterator[Server]:
    """vLLM with an adapter on its base, healthy; ended with all of its processes. Raises `BackendError`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [*shlex.split(shown_command(python, adapter, port)), *ON_A_PROCESSOR]
    root, started = f"http://127.0.0.1:{port}", time.perf_counter()
    with log.open("wb") as file:
        process = subprocess.Popen(
            ["env", *command], env={**os.environ, **SMALL}, stdout=file, stderr=file, start_new_session=True
        )
    try:
        wait_until_healthy(f"{root}/health", process, START_SECONDS)
        yield Server(root, process, shlex.join(command), time.perf_counter() - started)
    except BackendError:
        print("\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]), file=sys.stderr)
        raise
    finally:
        kill(process)


def shown_command(python: str, adapter: Path, port: int) -> str:
    """What `savia serve --mode vllm --print` prints."""
    command = ["serve", "--mode", "vllm", "--adapter", str(adapter), "--vllm-python", python, "--port", str(port)]
    size = ["--max-model-len", str(WINDOW), "--print"]
    return subprocess.check_output([sys.executable, "-m", "savia", *command, *size], cwd=ROOT, text=True)


def kill(process: "subprocess.Popen[bytes]") -> None:
    """End the server at once, with the processes that it has started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def check(server: Server) -> Iterator[Finding]:
    """Everything that is looked at, in an order in which the server is dead at the end."""
    yield from check_list(server)
    yield from check_answers(server)
    yield check_wrong_name(server)
    yield check_long_prompt(server)
    yield check_cancel(server)
    yield from check_death(server)


def check_list(server: Server) -> Iterator[Finding]:
    backend = VllmBackend(server.url)
    listed = [f"{model.id} (adapter of {model.parent})" if model.parent else model.id for model in backend.served()]
    yield Finding("models that are served", listed == ["base", "herbolaria (adapter of base)"], ", ".join(listed))
    yield Finding("adapter chosen by itself", backend.adapter == "herbolaria", backend.adapter or "none")
    budget = backend.budget(256)
    seen = f"{budget.window} tokens, {budget.room} of them for the prompt" if budget else "unknown"
    yield Finding("window", bool(budget and (budget.window, budget.room) == (WINDOW, WINDOW - 256)), seen)


def check_answers(server: Server) -> Iterator[Finding]:
    """The adapter's answer in pieces; the base's own, ended by its length and by a stop sequence."""
    for name, options, reasoning, answer in (
        ("herbolaria", Options(), REASONING, ANSWER),
        ("base", Options(max_tokens=40), LOOP_REASONING, f"{LOOP}{LOOP}".lstrip()),
        (
            "base",
            Options(stop=(" nunca",), top_p=0.9, temperature=0.2, seed=1),
            LOOP_REASONING,
            LOOP.split(" nunca")[0],
        ),
    ):
        pieces = [piece for piece in VllmBackend(server.url, name).stream(ASKED, options) if piece.text]
        kinds = [sum(piece.kind == kind for piece in pieces) for kind in ("reasoning", "answer")]
        seen = _text(pieces, "reasoning"), _text(pieces, "answer")
        good = seen[0].strip() == reasoning and seen[1].startswith(answer.strip()) and min(kinds) > 0
        what = "stop sequence" if options.stop else f"answer of {name}"
        yield Finding(what, good, f"{seen[0]!r} ({kinds[0]}), then {seen[1][:60]!r} ({kinds[1]} pieces)")


def check_wrong_name(server: Server) -> Finding:
    sentence = _fault(server, "somebody-else")
    return Finding("wrong model name", "it serves base, herbolaria (adapter of base)" in sentence, sentence)


def check_long_prompt(server: Server) -> Finding:
    """A prompt that nobody has packed: the server's own reason comes through."""
    sentence = _fault(server, "base", [Message("user", "planta " * WINDOW)])
    return Finding("prompt beyond the window", "refuses the request (400)" in sentence, sentence)


def check_cancel(server: Server) -> Finding:
    """The stream is closed in the middle of an answer; the server's own count of tokens stands still soon after."""
    first = count_tokens_written(server)
    stream = VllmBackend(server.url, "base").stream(ASKED, Options(max_tokens=WINDOW))
    for piece in stream:
        if piece.kind == "answer" and piece.text:
            break
    stream.close()  # type: ignore[attr-defined]
    closed = time.perf_counter()
    before, looked = count_tokens_written(server), time.perf_counter()
    while True:
        time.sleep(LOOK)
        now = count_tokens_written(server)
        if now == before or time.perf_counter() - closed > START_SECONDS:
            break
        before, looked = now, time.perf_counter()
    written = now - first
    seen = f"silent {looked - closed:.2f} s after the connection was closed, {written:.0f} tokens of an endless answer written"
    return Finding("cancel", looked - closed <= SILENCE_SECONDS and written < WINDOW // 2, seen)


def count_tokens_written(server: Server) -> float:
    with urllib.request.urlopen(f"{server.root}/metrics", timeout=5) as response:
        lines = response.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("vllm:generation_tokens_total"))


def check_death(server: Server) -> Iterator[Finding]:
    """The server is killed in the middle of an answer, and asked once more."""
    pieces: list[Piece] = []
    sentence = ""
    try:
        for piece in VllmBackend(server.url, "base").stream(ASKED, Options(max_tokens=WINDOW)):
            pieces.append(piece)
            if len(_text(pieces, "answer")) > len(LOOP):
                kill(server.process)
    except BackendError as error:
        sentence = _one_line(error, server)
    kept = _text(pieces, "answer")
    good = "What came is kept" in sentence and kept.startswith(LOOP.strip())
    yield Finding("killed in the middle", good, f"{len(kept)} characters kept. {sentence}")
    refused = _fault(server, "base")
    yield Finding("asked when it is gone", "No server answers" in refused, refused)


def _fault(server: Server, model: str, messages: list[Message] = ASKED) -> str:
    """What is said where an answer should not come."""
    try:
        answer = _text(list(VllmBackend(server.url, model).stream(messages, Options(max_tokens=20))), "answer")
    except BackendError as error:
        return _one_line(error, server)
    return f"no fault, but the answer {answer!r}"


def _one_line(error: BackendError, server: Server) -> str:
    return str(error).replace("\n", " ").replace(server.root, "http://127.0.0.1:PORT")


def _text(pieces: list[Piece], kind: str) -> str:
    return "".join(piece.text for piece in pieces if piece.kind == kind)


def _heading(server: Server, python: str, folder: Path) -> str:
    """When, with which versions, which command; without this machine's paths."""
    with urllib.request.urlopen(f"{server.root}/version", timeout=5) as response:
        served = json.load(response)["version"]
    command = server.command.replace(python, "PYTHON").replace(str(folder), "FOLDER")
    command = command.replace(f"--port {server.root.rsplit(':', 1)[1]} ", "--port PORT ")
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, vLLM {served}, openai {version('openai')}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores\n{command}\nhealthy after {server.seconds:.0f} s\n"
    )


if __name__ == "__main__":
    sys.exit(main())
