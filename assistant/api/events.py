"""Server-sent events: how they are written, and a response that ends its work when the reader leaves.

event({"kind": "answer", "text": "Se usa"}, name="piece")
"""

import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

WAITING = b": waiting\n\n"  # a comment: keeps proxies from closing a silent connection
HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


def described(text: str) -> dict[str, Any]:
    """The content of a response that is a stream of events, for the API's description."""
    fields = {"event": {"type": "string"}, "data": {"type": "string", "description": "JSON"}}
    schema = {"type": "object", "description": text, "properties": fields, "required": ["data"]}
    return {"text/event-stream": {"schema": schema}}


def event(data: Any, name: str = "") -> bytes:
    """One event; JSON holds no line break, so one data line is enough."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {text}\n\n".encode("utf-8", "replace")


class EventStream(StreamingResponse):
    """A stream of events; `held` is closed when the response ends, however it ends."""

    media_type = "text/event-stream"

    def __init__(self, body: AsyncGenerator[bytes, None], held: AsyncExitStack) -> None:
        super().__init__(body, headers=HEADERS)
        self._body = body
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._held:
            try:
                await super().__call__(scope, receive, send)
            finally:
                await self._body.aclose()
