"""The door for any OpenAI client: POST /v1/chat/completions and GET /v1/models, with retrieval inside.

    OpenAI(base_url="http://127.0.0.1:8000/v1", api_key="none").chat.completions.create(model="savia", messages=[...])

Warnings of dangerous questions stand at the top of the content: such a client shows nothing else.
"""

import json
import logging
import time
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from assistant.answer import Answer
from assistant.api.asking import Asked, Asking
from assistant.api.chat import read_to_end
from assistant.api.completions_schema import Completion, CompletionRequest, ModelCard, ModelList, Usage
from assistant.api.events import WAITING, EventStream, described, event
from assistant.api.problems import RESPONSES, problem_of, request_id
from assistant.api.runs import Run, running
from assistant.api.schema import answer_body, opening_body
from assistant.backends.vllm import count_tokens
from assistant.messages import Options, Piece
from assistant.safety import Notice
from assistant.wiring import default_options
from retrieval.errors import SaviaError

LOG = logging.getLogger("savia.api")
_STREAM = described("Chunks of a chat completion, then [DONE].")


def completions_router(asking: Asking, started: int) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["openai"])
    read_only: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (400, 401, 413, 429, 500)}

    @router.get("/models", response_model=ModelList, responses=read_only, summary="The domains with their backends")
    async def models() -> ModelList:
        return ModelList(data=[ModelCard(id=name, created=started) for name in asking.models()])

    @router.post(
        "/chat/completions",
        response_model=None,
        responses={**RESPONSES, 200: {"model": Completion, "description": "The completion", "content": _STREAM}},
        summary="Answer the last message, as OpenAI's clients ask",
    )
    async def complete(body: CompletionRequest, request: Request) -> Response:
        asked = _read(asking, body)
        request.state.note.update(domain=asked.domain, backend=asked.backend, stream=bool(body.stream))
        reply = _Reply(asked, request_id(request.scope), body)
        if body.stream:
            held = AsyncExitStack()
            run = await held.enter_async_context(running(asking.desk, asked.domain, lambda: asking.ask(asked)))
            return EventStream(_chunks(run, reply), held)
        async with running(asking.desk, asked.domain, lambda: asking.ask(asked)) as run:
            if not await read_to_end(run, request):
                return Response(status_code=499)
            return JSONResponse(reply.whole(await run.answer()))

    return router


def _read(asking: Asking, body: CompletionRequest) -> Asked:
    domain, backend = asking.read_model(body.model)
    own = default_options(asking.pool.settings)
    options = Options(
        body.max_completion_tokens or body.max_tokens or own.max_tokens,
        own.temperature if body.temperature is None else body.temperature,
        own.seed if body.seed is None else body.seed,
        body.top_p or own.top_p,
        body.stops(),
    )
    return asking.read(domain, backend, body.question(), body.history(), options)


class _Reply:
    """One completion's parts."""

    def __init__(self, asked: Asked, identity: str, body: CompletionRequest) -> None:
        self._asked = asked
        self._head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": asked.model}
        self._prompt_tokens = sum(count_tokens(message.text) for message in body.messages)
        self.identity = identity
        self.with_usage = bool(body.stream_options and body.stream_options.include_usage)

    def whole(self, answer: Answer) -> dict[str, Any]:
        message = {"role": "assistant", "content": warning_text(answer.red_flags) + answer.text}
        if answer.reasoning:
            message["reasoning_content"] = answer.reasoning
        return {
            **self._head,
            "object": "chat.completion",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": self._usage(answer),
            "savia": self.details(answer),
        }

    def details(self, answer: Answer) -> dict[str, Any]:
        return answer_body(answer, self._asked.domain, self.identity)

    def opening(self, run: Run) -> bytes:
        delta = {"role": "assistant", "content": warning_text(run.stream.red_flags)}
        return self._chunk(delta, savia=opening_body(run.stream, self._asked.domain))

    def piece(self, piece: Piece) -> bytes:
        return self._chunk({"content" if piece.kind == "answer" else "reasoning_content": piece.text})

    def closing(self, answer: Answer) -> bytes:
        end = self._chunk({}, "stop", savia=self.details(answer))
        usage = {**self._head, "object": "chat.completion.chunk", "choices": [], "usage": self._usage(answer)}
        return end + (event(usage) if self.with_usage else b"") + event("[DONE]")

    def _chunk(self, delta: dict[str, str], finish: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return event({**self._head, "object": "chat.completion.chunk", "choices": [choice], **more})

    def _usage(self, answer: Answer) -> dict[str, int]:
        written = count_tokens(answer.reasoning + answer.text)
        total = self._prompt_tokens + written
        return Usage(prompt_tokens=self._prompt_tokens, completion_tokens=written, total_tokens=total).model_dump()


async def _chunks(run: Run, reply: _Reply) -> AsyncGenerator[bytes, None]:
    yield reply.opening(run)
    warned = len(run.stream.red_flags)
    try:
        async for pieces in run.batches():
            if late := run.stream.red_flags[warned:]:  # of what only reranking brought to the top
                warned += len(late)
                yield reply.piece(Piece("answer", warning_text(late)))
            yield b"".join(reply.piece(piece) for piece in pieces if piece.text) or WAITING
        yield reply.closing(await run.answer())
    except Exception as error:
        if not isinstance(error, SaviaError):
            LOG.exception(json.dumps({"event": "error", "id": reply.identity}))
        yield event(problem_of(error).body(reply.identity))


def warning_text(notices: Sequence[Notice]) -> str:
    """The notices as a quotation above the answer."""
    return "".join(f"> ⚠ {notice.message}\n\n" for notice in notices)
