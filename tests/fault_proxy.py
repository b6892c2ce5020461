"""A server on loopback that speaks HTTP by hand, so that it can break every rule of it: refuse, stall, cut, send garbage.

    with FaultServer([events("Se usa", " en té."), cut_after("Se ")]) as server:
        VllmBackend(server.url).stream(...)

The n-th request to /chat/completions gets the n-th reply, the last one for all further ones. `server.closed` is set when a client
hangs up while a reply is being sent.
"""

import json
import socket
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

Reply = Callable[["Connection"], None]

MODELS = [{"id": "tiny", "object": "model", "max_model_len": 4096}]
LONGEST = 20.0  # seconds that a stalling reply lasts at most


class Connection:
    """One request's socket, with what a reply needs to write to it."""

    def __init__(self, sock: socket.socket, server: "FaultServer") -> None:
        self.sock = sock
        self.server = server

    def head(self, status: str = "200 OK", kind: str = "text/event-stream", more: str = "") -> None:
        self.sock.sendall(f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nconnection: close\r\n{more}\r\n".encode())

    def event(self, value: Any) -> None:
        text = value if isinstance(value, str) else json.dumps(value)
        self.sock.sendall(f"data: {text}\n\n".encode())

    def wait_until_closed(self) -> None:
        """Until the client hangs up; notes the moment."""
        self.sock.settimeout(LONGEST)
        try:
            gone = self.sock.recv(1) == b""
        except ConnectionError:
            gone = True
        except TimeoutError:
            gone = False
        if gone:
            self.server.closed.set()


class FaultServer:
    """Answers GET /v1/models with `models` (None: 404) and POST /v1/chat/completions with the replies in turn."""

    def __init__(self, replies: Sequence[Reply], models: list[dict[str, Any]] | None = MODELS) -> None:
        self.replies = list(replies)
        self.models = models
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.closed = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"

    def __enter__(self) -> "FaultServer":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Refuse connections from now on; may be called again."""
        if self._socket.fileno() >= 0:
            self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with sock:
            try:
                line, headers, body = _read_request(sock)
                connection = Connection(sock, self)
                if not line.startswith("POST"):
                    self._list(connection)
                    return
                self.requests.append(json.loads(body))
                self.headers.append(headers)
                self.replies[min(len(self.requests), len(self.replies)) - 1](connection)
            except ConnectionError:
                self.closed.set()

    def _list(self, connection: Connection) -> None:
        if self.models is None:
            status("404 Not Found", {"detail": "Not Found"})(connection)
        else:
            status("200 OK", {"object": "list", "data": self.models})(connection)


def chunk(finish: str | None = None, **delta: str) -> dict[str, Any]:
    """One event of a chat completion."""
    return {
        "id": "1", "object": "chat.completion.chunk", "created": 0, "model": "tiny",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }  # fmt: skip


def events(*texts: str, reasoning: Sequence[str] = (), field: str = "reasoning", finish: str = "stop") -> Reply:
    """A well-formed stream."""

    def reply(connection: Connection) -> None:
        connection.head()
        for text in reasoning:
            connection.event(chunk(**{field: text}))
        for text in texts:
            connection.event(chunk(content=text))
        connection.event(chunk(finish))
        connection.event("[DONE]")

    return reply


def status(line: str, body: Any, more: str = "") -> Reply:
    """A JSON reply with a status line such as `404 Not Found`."""

    def reply(connection: Connection) -> None:
        connection.head(line, "application/json", more)
        connection.sock.sendall(json.dumps(body).encode())

    return reply


def raw(body: str, kind: str = "text/event-stream") -> Reply:
    """Any body under any content type."""

    def reply(connection: Connection) -> None:
        connection.head(kind=kind)
        connection.sock.sendall(body.encode())

    return reply


def cut_after(*texts: str) -> Reply:
    """A stream that ends in the middle of a chunk of the transfer."""

    def reply(connection: Connection) -> None:
        connection.head(more="transfer-encoding: chunked\r\n")
        for text in texts:
            data = f"data: {json.dumps(chunk(content=text))}\n\n".encode()
            connection.sock.sendall(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        connection.sock.sendall(b"ffff\r\ndata: {")

    return reply


def ended_after(*texts: str) -> Reply:
    """A stream that ends in good order, without saying why."""

    def reply(connection: Connection) -> None:
        connection.head()
        for text in texts:
            connection.event(chunk(content=text))

    return reply


def silent(*texts: str) -> Reply:
    """Some text, then nothing until the client hangs up."""

    def reply(connection: Connection) -> None:
        connection.head()
        for text in texts:
            connection.event(chunk(content=text))
        connection.wait_until_closed()

    return reply


def dribbling(pause: float, *texts: str) -> Reply:
    """A well-formed stream with a pause before each text."""

    def reply(connection: Connection) -> None:
        connection.head()
        for text in texts:
            time.sleep(pause)
            connection.event(chunk(content=text))
        connection.event(chunk("stop"))
        connection.event("[DONE]")

    return reply


def hang_up(connection: Connection) -> None:
    """No reply at all."""


def _read_request(sock: socket.socket) -> tuple[str, dict[str, str], bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            raise ConnectionError
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    line, *rest = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (entry.partition(":") for entry in rest)}
    while len(body) < int(headers.get("content-length", 0)):
        body += sock.recv(65536)
    return line, headers, body
