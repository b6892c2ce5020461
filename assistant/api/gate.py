"""What every request passes before anything reads it: an id, the host, the key, the rate, the size; and what is noted after it.

app = Observed(Gate(app, keys, rate, settings.max_body, hosts), metrics)
"""

import json
import logging
import re
import time
import uuid
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.api.keys import Keys
from assistant.api.limits import RateLimit
from assistant.api.metrics import Metrics
from assistant.api.problems import ApiProblem, request_id

OPEN_PATHS = frozenset({"/health", "/ready", "/openapi.json"})  # no key, no rate: they tell nothing and cost nothing
LOG = logging.getLogger("savia.api")
_REQUEST_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)


class Gate:
    """Refuses before the body is read. `hosts`: names the Host header may have; empty: any."""

    def __init__(self, app: ASGIApp, keys: Keys, rate: RateLimit, max_body: int, hosts: Collection[str]) -> None:
        self._app = app
        self._keys = keys
        self._rate = rate
        self._max_body = max_body
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
            body = await self._read_body(scope, receive)
        except ApiProblem as problem:
            await problem.response(request_id(scope))(scope, receive, send)
            return
        if body is not None:
            await self._app(scope, _replayed(body, receive), send)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        if self._hosts and _host_name(headers.get("host", "")) not in self._hosts:
            # A web page that points its own name at this machine would otherwise be answered.
            raise ApiProblem(400, "The Host header names another machine.")
        if scope["path"] in OPEN_PATHS:
            return
        asker = scope["client"][0] if scope.get("client") else "unknown"
        if self._keys:
            owner = self._keys.owner(_sent_key(headers))
            if owner is None:
                raise ApiProblem(401, "Send an API key: Authorization: Bearer KEY.", code="invalid_api_key")
            scope["state"]["note"]["key"] = asker = owner
        wait = self._rate.take(asker)
        if wait:
            raise ApiProblem(429, "Too many requests.", retry_after=wait, code="rate_limit_exceeded")

    async def _read_body(self, scope: Scope, receive: Receive) -> bytes | None:
        """The whole body, which is small; None when the client has left."""
        length = Headers(scope=scope).get("content-length", "0")
        body = bytearray()
        more = True
        while more:
            if len(body) > self._max_body or (length.isdigit() and int(length) > self._max_body):
                raise ApiProblem(413, f"The body has more than {self._max_body:,} bytes.")
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if len(body) > self._max_body:
            raise ApiProblem(413, f"The body has more than {self._max_body:,} bytes.")
        return bytes(body)


class Observed:
    """Gives each request an id; logs and counts it when it is over. No text of a message is ever logged."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent = Headers(scope=scope).get("x-request-id", "")
        identity = sent if _REQUEST_ID.fullmatch(sent) else uuid.uuid4().hex
        note: dict[str, Any] = {}
        scope["state"] = {**scope.get("state", {}), "request_id": identity, "note": note}
        started, status = time.perf_counter(), 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = identity
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            if not status:
                await ApiProblem(500, "Something failed inside Savia.").response(identity)(scope, receive, send_with_id)
            LOG.exception(_line("error", id=identity))
        finally:
            seconds, route = time.perf_counter() - started, getattr(scope.get("route"), "path", "unmatched")
            self._metrics.requested(scope["method"], route, status, seconds)
            LOG.info(
                _line(
                    "request",
                    id=identity,
                    method=scope["method"],
                    route=route,
                    status=status,
                    seconds=round(seconds, 4),
                    **note,
                )
            )


def _line(what: str, **values: Any) -> str:
    return json.dumps({"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": what, **values})


def _replayed(body: bytes, receive: Receive) -> Receive:
    """The body as one message, then whatever comes: the client's leaving."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _sent_key(headers: Headers) -> str:
    scheme, _, value = headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")


def _host_name(host: str) -> str:
    """`127.0.0.1:8000` and `[::1]:8000` without the port."""
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0].lower()
