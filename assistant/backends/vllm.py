"""A model behind an OpenAI-compatible server: vLLM, or anything that speaks its `/v1/chat/completions`.

    VLLMClient(base_url="http://localhost:8000/v1").generate("¿Para qué se usa la sábila?", context="...")

Closing the stream closes the connection. A failure is tried again only while nothing of the answer has come; after that the text
stays and the error says so. Retries are ours, not the client library's: it cannot know what has been shown.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from assistant.backends.bridge import Put, iterate, run_to_end
from assistant.backends.completion_stream import Part, load_client_library, read_parts
from assistant.backends.served import ServedModel, choose_served, is_loopback, normal_url, read_served, served_names
from assistant.backends.served_reasoning import ServedReasoning
from assistant.backends.server_faults import KEPT, SERVE, explain, is_passing
from assistant.backends.text_model import TextModel
from assistant.messages import Message, Options, Piece
from assistant.prompts import Budget
from assistant.settings import CONNECT_SECONDS, FIRST_TOKEN_SECONDS, TOTAL_SECONDS, VLLM_URL
from retrieval.domain import DomainConfig
from retrieval.errors import BackendError

ATTEMPTS = 3  # a restarting or busy server is often back within a second
BACK_OFF = 0.25  # seconds before the second attempt; doubled for each further one
LONGEST_BACK_OFF = 5.0  # a server that asks for more than this is told of at once
BEAT = 0.25  # seconds between two looks at whether to stop
SERVED_FOR = 30.0  # seconds that the list of models is believed
BYTES_PER_TOKEN = (
    3  # of a prompt whose tokenizer is not here: Spanish has about 4, so the estimate errs towards too many
)
LEAST_ROOM = 2  # at least one part in so many of the window belongs to the prompt
MOST_TEXT = 2_000_000  # characters; no answer is that long, a server that never ends is


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """Seconds to wait: for a connection, for the next token (the first one above all), for the whole answer."""

    connect: float = CONNECT_SECONDS
    token: float = FIRST_TOKEN_SECONDS
    total: float = TOTAL_SECONDS


class VllmBackend:
    """Any OpenAI-compatible server. Nothing is connected before the first question."""

    name = "vllm"

    def __init__(
        self,
        base_url: str = VLLM_URL,
        model: str | None = None,
        api_key: SecretStr | None = None,
        limits: TimeLimits | None = None,
    ) -> None:
        self.url = normal_url(base_url)
        self._wanted = model
        self._secret = api_key.get_secret_value().strip() if api_key else ""
        self._limits = limits or TimeLimits()
        self._served: tuple[ServedModel, ...] = ()
        self._served_at = -SERVED_FOR
        self._opening: set[str] = set()  # models whose template opens the reasoning tag, as their answers have shown

    @property
    def model(self) -> str:
        """The model asked for; before the first question, and without a wish in the settings, nothing is known."""
        chosen = choose_served(self._served, self._wanted)
        return self._wanted or (chosen.id if chosen else "")

    @property
    def adapter(self) -> str:
        """The served name of the LoRA adapter that answers, empty where a model answers by itself."""
        chosen = choose_served(self._served, self._wanted)
        return chosen.id if chosen and chosen.parent else ""

    def served(self) -> tuple[ServedModel, ...]:
        """What the server serves, asked again after half a minute. Raises `BackendError`."""
        if time.monotonic() - self._served_at > SERVED_FOR:
            load_client_library()
            try:
                self._served = run_to_end(self._fetch_served())
            except Exception as error:
                raise explain(error, self.url, False, self._secret) from error
            self._served_at = time.monotonic()
        return self._served

    def budget(self, reserved: int) -> Budget | None:
        """The served model's window with an estimate of tokens; None where the server does not say how long it is."""
        try:
            chosen = choose_served(self.served(), self._wanted)
        except BackendError:
            return None  # not every server lists its models; what is wrong is said when it is asked
        if chosen is None or not chosen.window:
            return None
        return Budget(count_tokens, chosen.window, min(reserved, chosen.window // LEAST_ROOM))

    def stream(self, messages: Sequence[Message], options: Options) -> Iterator[Piece]:
        """Pieces as the server sends them; an empty one each time nothing came for a moment. Raises `BackendError`."""
        answered, finish = False, ""
        for piece in self._pieces(messages, options):
            if isinstance(piece, Part):
                finish = piece.finish
                continue
            answered = answered or (piece.kind == "answer" and bool(piece.text.strip()))
            yield piece
        if not answered:
            raise self._no_answer(finish, options)

    def _pieces(self, messages: Sequence[Message], options: Options) -> Iterator[Piece | Part]:
        """The parts as pieces; the last part, which says why it is the last, as it is."""

        async def produce(put: Put[Part]) -> None:
            await self._produce(messages, options, put)

        load_client_library()
        asked = self.model
        reader = ServedReasoning(asked in self._opening)
        try:
            for part in iterate(produce, BEAT):
                if part is None:
                    yield Piece("answer", "")
                    continue
                yield from reader.feed(part)
                if part.finish:
                    yield part
            yield from reader.finish()
        finally:
            (self._opening.add if reader.opened else self._opening.discard)(asked or self.model)

    def _no_answer(self, finish: str, options: Options) -> BackendError:
        if finish == "length":
            return BackendError(
                f"{self.model or 'The model'} used up its {options.max_tokens} tokens before it began its answer.",
                "Raise SAVIA_MAX_TOKENS.",
            )
        return BackendError(
            f"{self.model or 'The model'} ended without an answer.", "Ask again or choose another backend."
        )

    async def _produce(self, messages: Sequence[Message], options: Options, put: Put[Part]) -> None:
        """Ask, with further attempts while nothing has come. Raises `BackendError`."""
        for attempt in range(1, ATTEMPTS + 1):
            begun = False

            def count_and_put(part: Part) -> None:
                nonlocal begun
                begun = begun or bool(part.text)
                put(part)

            try:
                await self._ask(messages, options, count_and_put)
                return
            except Exception as error:
                wait = _wait(error, attempt)
                if begun or attempt == ATTEMPTS or not is_passing(error) or wait > LONGEST_BACK_OFF:
                    raise await self._told(error, begun) from error
                await asyncio.sleep(wait)

    async def _ask(self, messages: Sequence[Message], options: Options, put: Put[Part]) -> None:
        started, seen = asyncio.get_running_loop().time(), 0
        end = started + self._limits.total
        try:
            async with asyncio.timeout_at(min(end, started + self._limits.token)) as alarm, self._client() as client:
                stream = await client.chat.completions.create(**await self._request(messages, options))
                try:
                    async for part in read_parts(stream):
                        seen += len(part.text)
                        if part.text:
                            alarm.reschedule(min(end, asyncio.get_running_loop().time() + self._limits.token))
                        put(part)
                        if seen > MOST_TEXT:
                            raise BackendError(f"The server at {self.url} does not end its answer.", KEPT)
                finally:
                    await stream.close()
        except TimeoutError:
            raise self._too_late(bool(seen), asyncio.get_running_loop().time() >= end) from None

    async def _request(self, messages: Sequence[Message], options: Options) -> dict[str, Any]:
        """The request's body; the model's name is asked for where the settings have none."""
        if not self._wanted and not self._served:
            self._served, self._served_at = await self._fetch_served(), time.monotonic()
        if not self.model:
            raise BackendError(f"The server at {self.url} serves no model.", SERVE)
        chosen = choose_served(self._served, self._wanted)
        most = min(options.max_tokens, chosen.window // LEAST_ROOM) if chosen and chosen.window else options.max_tokens
        return {
            "model": self.model,
            "messages": [{"role": message.role, "content": message.content} for message in messages],
            "stream": True,
            "max_tokens": most,
            "temperature": options.temperature,
            **({} if options.seed is None else {"seed": options.seed}),
            **({} if options.top_p == 1 else {"top_p": options.top_p}),
            **({"stop": list(options.stop)} if options.stop else {}),
        }

    async def _fetch_served(self) -> tuple[ServedModel, ...]:
        async with asyncio.timeout(self._limits.connect * 2), self._client() as client:
            page = await client.models.list()
            return read_served([entry.model_dump() for entry in page.data or ()])

    async def _told(self, error: Exception, begun: bool) -> BackendError:
        """The error as a sentence; where the server may not know the model, what it serves instead."""
        self._served_at = -SERVED_FOR
        if isinstance(error, BackendError):
            return error
        if getattr(error, "status_code", 0) in (400, 404) and self._wanted:
            try:
                self._served = await self._fetch_served()
            except Exception:  # the list is a courtesy; the fault itself is told below
                self._served = ()
            if self._served and not choose_served(self._served, self._wanted):
                return BackendError(
                    f"The server at {self.url} does not serve {self._wanted!r}; it serves {served_names(self._served)}.",
                    "Set SAVIA_VLLM_MODEL to one of them, or leave it empty.",
                )
        return explain(error, self.url, begun, self._secret)

    def _too_late(self, begun: bool, whole: bool) -> BackendError:
        if whole:
            return BackendError(f"The answer was not complete after {self._limits.total:g} seconds.", KEPT)
        if begun:
            return BackendError(f"The server at {self.url} fell silent for {self._limits.token:g} seconds.", KEPT)
        return BackendError(
            f"The server at {self.url} sent no token within {self._limits.token:g} seconds.",
            "It may be busy or loading: ask again, or raise SAVIA_VLLM_FIRST_TOKEN_SECONDS.",
        )

    def _client(self) -> Any:
        """A client for one request: its connection ends with it. Keys and proxies of other servers are kept away."""
        import openai

        http = openai.DefaultAsyncHttpxClient(
            timeout=openai.Timeout(None, connect=self._limits.connect),
            verify=self.url.startswith("https"),
            trust_env=not is_loopback(self.url),
            follow_redirects=False,
        )
        return openai.AsyncOpenAI(
            base_url=self.url,
            api_key=self._secret or "none",
            organization="",
            project="",
            max_retries=0,
            http_client=http,
        )


class VLLMClient(TextModel):
    """A server in a script: `VLLMClient().generate(query, context)`, `.generate_stream(query, context)`."""

    def __init__(
        self,
        base_url: str = VLLM_URL,
        model: str | None = None,
        api_key: str | None = None,
        config: DomainConfig | None = None,
        options: Options | None = None,
    ) -> None:
        backend = VllmBackend(base_url, model, SecretStr(api_key) if api_key else None)
        super().__init__(backend, config, options)

    def served(self) -> tuple[ServedModel, ...]:
        """The server's models and adapters. Raises `BackendError`."""
        return VllmBackend.served(self.backend)  # type: ignore[arg-type]


def count_tokens(text: str) -> int:
    """About how many tokens a text has, rather too many than too few."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)


def _wait(error: Exception, attempt: int) -> float:
    """Seconds before the next attempt: what the server asks for, else twice as long each time."""
    asked = getattr(getattr(error, "response", None), "headers", {}).get("retry-after", "")
    return float(asked) if str(asked).isdigit() else BACK_OFF * 2 ** (attempt - 1)
