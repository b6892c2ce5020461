"""Servers on loopback that speak the OpenAI protocol: one scripted with faults, and a real one of a third party.

    with ModelServer(write_rows) as server: ...                # server.url; server.requests, server.completed
    with serve_transformers(folder) as server: ...             # server.url, server.model

A script is called with each request's body and its number (from 1), and returns what to send: `complete(text)`, `status(429, ...)`,
`hang()`, `cut(text)`, `body(b"...")`.
"""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any
from urllib.request import urlopen

LONGEST_HANG = 30.0  # seconds, if the client does not give up before
START_SECONDS = 120.0  # a busy machine needs most of a minute to import torch

Body = dict[str, Any]
Answer = Callable[["Handler"], str]
Script = Callable[[Body, int], Answer]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request and what became of it: `completed`, `refused`, `lost` (hung, cut or garbage)."""

    body: Body
    outcome: str
    headers: dict[str, str]


class ModelServer:
    """Records each body in `arrivals` when it comes, and in `requests` what became of it when its answer has gone out."""

    def __init__(self, script: Script, models: tuple[str, ...] = ("tiny",)) -> None:
        self.script = script
        self.models = models
        self.requests: list[Asked] = []
        self.arrivals: list[Body] = []
        self.answered = threading.Condition()
        self.closing = threading.Event()
        self._http = _Http(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    @property
    def completed(self) -> list[Asked]:
        return [asked for asked in self.requests if asked.outcome == "completed"]

    @property
    def charged(self) -> list[Asked]:
        """What a vendor may bill: everything that it did not refuse."""
        return [asked for asked in self.requests if asked.outcome != "refused"]

    def wait_for(self, number: int, timeout: float = 60.0) -> bool:
        """Until so many requests were answered; False where it takes too long."""
        with self.answered:
            return self.answered.wait_for(lambda: len(self.requests) >= number, timeout)

    def __enter__(self) -> "ModelServer":
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no error of the server's; anything else is shown."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server_of: ModelServer

    def do_GET(self) -> None:
        self.send({"object": "list", "data": [{"id": name, "object": "model"} for name in self.server_of.models]})

    def do_POST(self) -> None:
        server = self.server_of
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))))
        with server.answered:
            server.arrivals.append(body)
            number = len(server.arrivals)
        outcome = "lost"
        try:
            outcome = server.script(body, number)(self)
        except OSError:
            self.close_connection = True
        finally:
            headers = {name.lower(): value for name, value in self.headers.items()}
            with server.answered:
                server.requests.append(Asked(body, outcome, headers))
                server.answered.notify_all()

    def send(self, value: Any, code: int = 200, headers: dict[str, str] | None = None) -> None:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(code)
        for name, text in {
            "content-type": "application/json",
            "content-length": str(len(data)),
            **(headers or {}),
        }.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def log_message(self, *_: Any) -> None:
        pass


def _handler(server: ModelServer) -> type[Handler]:
    return type("BoundHandler", (Handler,), {"server_of": server})


def complete(text: str, finish: str = "stop", usage: dict[str, int] | None = None) -> Answer:
    """A chat completion with that text."""

    def answer(handler: Handler) -> str:
        choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}
        counted = usage or {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
        handler.send(
            {
                "id": "1",
                "object": "chat.completion",
                "created": 0,
                "model": "tiny",
                "choices": [choice],
                "usage": counted,
            }
        )
        return "completed"

    return answer


def status(code: int, message: str = "no", headers: dict[str, str] | None = None) -> Answer:
    """An error as vendors send it."""

    def answer(handler: Handler) -> str:
        handler.send({"error": {"message": message}}, code, headers)
        return "refused"

    return answer


def hang() -> Answer:
    """Nothing, until the client gives up."""

    def answer(handler: Handler) -> str:
        handler.connection.settimeout(0.1)
        end = monotonic() + LONGEST_HANG
        while monotonic() < end and not handler.server_of.closing.is_set():
            try:
                if handler.connection.recv(1) == b"":
                    break
            except TimeoutError:
                continue
        handler.close_connection = True
        return "lost"

    return answer


def cut(text: str) -> Answer:
    """A reply whose connection ends in its middle."""

    def answer(handler: Handler) -> str:
        data = json.dumps({"choices": [{"message": {"content": text}}]}).encode()
        handler.send_response(200)
        handler.send_header("content-type", "application/json")
        handler.send_header("content-length", str(len(data) * 2))
        handler.end_headers()
        handler.wfile.write(data[: len(data) // 2])
        handler.wfile.flush()
        handler.connection.shutdown(socket.SHUT_RDWR)
        handler.close_connection = True
        return "lost"

    return answer


def body(data: bytes, headers: dict[str, str] | None = None) -> Answer:
    """Any bytes with status 200."""

    def answer(handler: Handler) -> str:
        handler.send(data, headers=headers)
        return "lost"

    return answer


# --- A model that answers well ---------------------------------------------------------------------------------------------


def write_rows(request: Body, number: int = 0) -> Answer:
    """Rows that quote their passages, other words for questions, and verdicts without objection."""
    return complete(good_text(request))


def good_text(request: Body) -> str:
    """What a careful model replies: by the shape that the prompt asks for, with or without a schema."""
    asked = request["messages"][-1]["content"] if len(request["messages"]) < 4 else request["messages"][1]["content"]
    if '"grounded"' in asked:
        return json.dumps(
            {"grounded": True, "self_contained": True, "right_language": True, "reason": "Está en el pasaje."}
        )
    if '"reasoning"' not in asked:
        question = re.search(r"<question>\n(.*?)\n</question>", asked, re.DOTALL)
        assert question
        return json.dumps({"suitable": True, "question": f"oye {_plain(question[1])}"})
    passages = re.findall(r'<passage n="\d+" source="([^"]*)">\n(.*?)\n</passage>', asked, re.DOTALL)
    quotes = " ".join(text.split(". ")[0].strip().rstrip(".") + "." for _, text in passages)
    sources = " y ".join(source for source, _ in passages)
    row = {
        "suitable": True,
        "question": f"¿Qué se sabe de {sources}?",
        "reasoning": f"Sirve lo que se dice de {sources}, porque habla de eso. Dice: {quotes}",
        "answer": quotes,
    }
    return json.dumps(row, ensure_ascii=False)


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFD", text.strip("¿?").lower())
    return "".join(letter for letter in folded if not unicodedata.combining(letter))


# --- A third party's server ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunningServer:
    url: str
    model: str


@contextmanager
def serve_transformers(model: Path) -> Iterator[RunningServer]:
    """`transformers serve` with a model from a folder, on the CPU; takes several seconds: the fixture `transformers_server` keeps it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryFile() as log:
        (Path(home) / "hub").mkdir()  # it lists what is cached there
        command = [
            sys.executable, "-m", "transformers.cli.transformers", "serve", str(model),
            "--device", "cpu", "--dtype", "float32", "--host", "127.0.0.1", "--port", str(port),
        ]  # fmt: skip
        environment = {**os.environ, "HF_HOME": home, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            _wait_until_healthy(f"http://127.0.0.1:{port}/health", process, log)
            yield RunningServer(f"http://127.0.0.1:{port}/v1", str(model))
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_healthy(url: str, process: "subprocess.Popen[bytes]", log: Any) -> None:
    end, pause = monotonic() + START_SECONDS, threading.Event()
    while monotonic() < end and process.poll() is None:
        try:
            with urlopen(url, timeout=5):
                return
        except OSError:
            pause.wait(0.2)
    log.seek(0)
    raise RuntimeError(f"transformers serve did not start:\n{log.read()[-2000:].decode(errors='replace')}")
