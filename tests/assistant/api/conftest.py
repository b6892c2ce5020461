"""The API really served: uvicorn on a free port of this machine, over the pack of three documents."""

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
import uvicorn

from assistant.api.app import create_app
from assistant.api.pool import AssistantPool
from assistant.api.settings import ApiSettings
from assistant.backends.base import ChatBackend
from assistant.settings import AssistantSettings
from retrieval.index import Index


@dataclass
class Served:
    """A running server: its address and a client of it."""

    url: str
    client: httpx2.Client
    pool: AssistantPool
    server: uvicorn.Server = field(repr=False)

    def ask(self, message: str, **more: Any) -> httpx2.Response:
        return self.client.post("/api/v1/chat", json={"message": message, **more})


Serve = Callable[..., Served]


@pytest.fixture
def serve(three_remedies: Index) -> Iterator[Serve]:
    """`serve(backends={"vllm": backend}, rate=2)` starts a server; it is stopped after the test."""
    with ExitStack() as stack:

        def start(
            backends: Mapping[Any, ChatBackend] | None = None, assistant: dict[str, Any] | None = None, **api: Any
        ) -> Served:
            settings = AssistantSettings(**(assistant or {}))
            retrieval = three_remedies.settings.model_copy(update={"domain": "tiny"})
            pool = AssistantPool(retrieval, settings, backends)
            app = create_app(retrieval, settings, ApiSettings(**{"rate": 0, **api}), pool)
            server, url = stack.enter_context(serving(app))
            client = stack.enter_context(httpx2.Client(base_url=url, timeout=30, trust_env=False))
            return Served(url, client, pool, server)

        yield start


@contextmanager
def serving(app: Any) -> Iterator[tuple[uvicorn.Server, str]]:
    """An ASGI application on a free loopback port."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none", timeout_graceful_shutdown=5))
    ready = threading.Event()
    startup = server.startup

    async def start(sockets: list[socket.socket] | None = None) -> None:
        await startup(sockets)
        ready.set()

    server.startup = start  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    assert ready.wait(30)
    yield server, f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(30)
    listener.close()
