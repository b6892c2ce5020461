"""One call to an OpenAI-compatible server: the request with its key, the reply read with caps, each fault with its kind.

    async with connect(endpoint, timeout=120) as server:
        reply = await server.fetch(Request("model", (("user", "..."),), Draft))

The client library's own retries are off: `asking` retries, because it alone knows the budget, the limits and the journal.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cached_property
from time import time
from typing import Any

from pydantic import BaseModel

from assistant.backends.served import choose_served, is_loopback, read_served
from assistant.backends.server_faults import explain, said, server_message
from retrieval.errors import BackendError
from training.data_preparation.endpoints import Endpoint
from training.data_preparation.journal import Reply
from training.data_preparation.model_output import schema_of
from training.data_preparation.row_checks import estimate_tokens

LARGEST_BODY = 4_000_000  # bytes; a reply of max tokens is some ten thousand
CONNECT_SECONDS = 10.0
MOST_CONNECTIONS = 256

_PASSING = frozenset({408, 409, 425, 429})  # with all of 5xx: the next attempt may not see them
_FATAL = frozenset({401, 402, 403, 404, 405, 407})  # no other call would fare better


@dataclass(frozen=True)
class Request:
    """What is asked. `key` is the hash of all that shapes the reply, and nothing else: it finds a reply already paid for."""

    model: str
    messages: tuple[tuple[str, str], ...]  # (role, content)
    shape: type[BaseModel]
    max_tokens: int
    temperature: float | None = None

    @cached_property
    def key(self) -> str:
        asked = [self.model, self.messages, schema_of(self.shape), self.max_tokens, self.temperature]
        return hashlib.sha256(json.dumps(asked, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()[:32]

    @property
    def input_tokens(self) -> int:
        """An estimate, without the server's tokenizer."""
        return sum(estimate_tokens(content) for _, content in self.messages)


class Refused(Exception):
    """The server did no work; `passing`: another attempt may succeed, after `wait` seconds if it named any."""

    def __init__(self, reason: str, status: int = 0, passing: bool = True, wait: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.status, self.passing, self.wait = reason, status, passing, wait


class Lost(Exception):
    """The server may have worked, and no readable reply came."""


@dataclass
class Dialect:
    """What a server takes: learned from its refusals, once for a run."""

    structured: bool = True
    limit: str = "max_tokens"
    temperature: bool = True

    def learn(self, status: int, words: str) -> bool:
        """Give up what the refusal names, or structured output where it names nothing; False: nothing left to give up."""
        words = words.lower()
        if status not in (400, 404, 422, 500, 501):
            return False
        if (
            status in (400, 422)
            and self.limit in words
            and "max_completion_tokens" in words
            and self.limit == "max_tokens"
        ):
            self.limit = "max_completion_tokens"
        elif status in (400, 422) and "temperature" in words and self.temperature:
            self.temperature = False
        elif self.structured and (status in (400, 422, 501) or "response_format" in words or "json_schema" in words):
            self.structured = False
        else:
            return False
        return True


@dataclass
class Server:
    """An open connection. Use `connect`."""

    endpoint: Endpoint
    timeout: float
    client: Any
    dialect: Dialect = field(default_factory=Dialect)

    async def fetch(self, request: Request) -> Reply:
        """One attempt, or more where the server does not know an option. Raises `Refused`, `Lost`, `BackendError`."""
        while True:
            tried = Dialect(self.dialect.structured, self.dialect.limit, self.dialect.temperature)
            try:
                return await self._fetch(request)
            except Refused as error:
                # Another worker may have learned the same meanwhile: then it is only asked again.
                if error.passing or not (tried != self.dialect or self.dialect.learn(error.status, error.reason)):
                    raise

    async def fetch_model(self) -> str:
        """The first model that is served. Raises `BackendError`."""
        try:
            async with asyncio.timeout(self.timeout):
                page = await self.client.models.list()
        except TimeoutError as error:
            raise BackendError(
                f"The server at {self.endpoint.base_url} does not say what it serves.", "Name a --model."
            ) from error
        except Exception as error:
            raise explain(error, self.endpoint.base_url, False, self.endpoint.secret) from error
        chosen = choose_served(read_served([entry.model_dump() for entry in page.data or ()]), None)
        if chosen is None:
            raise BackendError(f"The server at {self.endpoint.base_url} serves no model.", "Name one with --model.")
        return chosen.id

    async def _fetch(self, request: Request) -> Reply:
        import openai

        try:
            async with asyncio.timeout(self.timeout):
                raw = await self.client.chat.completions.with_raw_response.create(**self._body(request))
                return _read_reply(raw.content, request)
        except TimeoutError as error:
            raise Lost(f"no reply within {self.timeout:g} seconds") from error
        except openai.APIStatusError as error:
            raise self._refusal(error) from error
        except openai.APITimeoutError as error:
            raise Refused("no connection in time") from error
        except openai.APIConnectionError as error:
            if type(error.__cause__).__name__ in ("ConnectError", "ConnectTimeout"):
                raise Refused("no server answers") from error
            raise Lost("the connection broke") from error

    def _body(self, request: Request) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": request.model,
            "messages": [{"role": role, "content": content} for role, content in request.messages],
            self.dialect.limit: request.max_tokens,
        }
        if self.dialect.structured:
            name = request.shape.__name__.lower()
            schema = {"name": name, "strict": True, "schema": schema_of(request.shape)}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        if request.temperature is not None and self.dialect.temperature:
            body["temperature"] = request.temperature
        return body

    def _refusal(self, error: Any) -> Refused | BackendError:
        status, words = error.status_code, said(server_message(error.body) or "no reason given", self.endpoint.secret)
        if status in _FATAL and not (status == 404 and self.dialect.structured and "response_format" in words):
            fault = explain(error, self.endpoint.base_url, False, self.endpoint.secret)
            mend = (
                "Set the key of your vendor (OPENAI_API_KEY, ANTHROPIC_API_KEY)."
                if status in (401, 403)
                else "Correct --base-url or --model."
            )
            return BackendError(fault.message, mend)
        passing = status in _PASSING or status >= 500
        return Refused(f"{status}: {words}", status, passing, retry_after(error.response.headers))


@asynccontextmanager
async def connect(endpoint: Endpoint, timeout: float) -> AsyncIterator[Server]:
    """A server to ask; nothing is sent yet. Keys and proxies of other servers are kept away from a local one."""
    import httpx2
    import openai

    local = is_loopback(endpoint.base_url)
    http = httpx2.AsyncClient(
        verify=endpoint.base_url.startswith("https"),
        timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS),  # the whole call is timed where it is made
        limits=httpx2.Limits(max_connections=MOST_CONNECTIONS),
        headers={"accept-encoding": "identity"},
        event_hooks={"response": [_cap]},
        trust_env=not local,
        follow_redirects=False,
    )
    async with openai.AsyncOpenAI(
        base_url=endpoint.base_url,
        api_key=endpoint.secret or "none",
        organization="",
        project="",
        max_retries=0,
        http_client=http,
    ) as client:
        yield Server(endpoint, timeout, client)


async def _cap(response: Any) -> None:
    """Let no body grow beyond the cap, not even one that unpacks: bodies are taken as they come."""
    import httpx2

    class Capped(httpx2.AsyncByteStream):
        def __init__(self, stream: Any) -> None:
            self.stream = stream

        async def __aiter__(self) -> AsyncIterator[bytes]:
            size = 0
            async for block in self.stream:
                size += len(block)
                if size > LARGEST_BODY:
                    raise httpx2.DecodingError(f"the reply is larger than {LARGEST_BODY} bytes")
                yield block

        async def aclose(self) -> None:
            await self.stream.aclose()

    response.headers.pop("content-encoding", None)
    response.stream = Capped(response.stream)


def retry_after(headers: Any) -> float | None:
    """Seconds that the server asks to wait, as a number or a date; None where it says nothing that can be read."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        text = str(headers.get(name, "")).strip()
        try:
            seconds = float(text) / unit
        except ValueError:
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    try:
        return max(0.0, parsedate_to_datetime(str(headers.get("retry-after", ""))).timestamp() - time())
    except (ValueError, TypeError, OverflowError):
        return None


def _read_reply(content: bytes, request: Request) -> Reply:
    """The reply in a body, read by hand: the client library takes any JSON. Raises `Lost`."""
    try:
        body = json.loads(content)
        choice = body["choices"][0]
        message = choice["message"]
        text = message.get("content") or message.get("refusal") or ""
    except (ValueError, RecursionError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise Lost("the reply is no chat completion") from error
    if not isinstance(text, str):
        raise Lost("the reply's content is no text")
    usage, finish = body.get("usage"), choice.get("finish_reason")
    return Reply(
        text,
        finish if isinstance(finish, str) else "",
        _count(usage, "prompt_tokens", request.input_tokens),
        _count(usage, "completion_tokens", estimate_tokens(text)),
    )


def _count(usage: Any, name: str, estimate: int) -> int:
    """Tokens as the server counts them, where it does so credibly."""
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 10**9 else estimate
