"""Savia's own door: POST /api/v1/chat, whole or as server-sent events.

curl -s localhost:8000/api/v1/chat -H 'content-type: application/json' -d '{"message": "¿Qué es el susto?"}'
"""

import json
import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from assistant.api.asking import Asked, Asking
from assistant.api.events import WAITING, EventStream, described, event
from assistant.api.problems import RESPONSES, problem_of, request_id
from assistant.api.runs import Run, running
from assistant.api.schema import ChatAnswer, ChatRequest, answer_body, opening_body
from assistant.messages import Piece
from retrieval.errors import SaviaError

LOG = logging.getLogger("savia.api")
_STREAM = described(
    "Events `sources` (again where the hits are reranked: the last ones count), `waiting` (how many questions come before), `piece` (many), then `done` with the whole answer; or `error` with what came before it."
)


def chat_router(asking: Asking) -> APIRouter:
    router = APIRouter(tags=["chat"])

    @router.post(
        "/api/v1/chat",
        response_model=None,
        responses={**RESPONSES, 200: {"model": ChatAnswer, "description": "The answer", "content": _STREAM}},
        summary="Answer one question with citations",
    )
    async def chat(body: ChatRequest, request: Request) -> Response:
        asked = asking.read(body.domain, body.backend, body.message, body.turns)
        request.state.note.update(domain=asked.domain, backend=asked.backend, stream=body.stream)
        if body.stream:
            return await _stream(asking, asked, request_id(request.scope))
        return await _whole(asking, asked, request)

    return router


async def _whole(asking: Asking, asked: Asked, request: Request) -> Response:
    async with running(asking.desk, asked.domain, lambda: asking.ask(asked)) as run:
        if not await read_to_end(run, request):
            return Response(status_code=499)  # nobody is there to read it
        answer = await run.answer()
    return JSONResponse(answer_body(answer, asked.domain, request_id(request.scope)))


async def read_to_end(run: Run, request: Request) -> bool:
    """Read the run's pieces; False when the client left before the end."""
    async for _ in run.batches():
        if await request.is_disconnected():
            return False
    return True


async def _stream(asking: Asking, asked: Asked, identity: str) -> EventStream:
    """The search comes before the response: a wrong domain is still a proper status."""
    held = AsyncExitStack()
    run = await held.enter_async_context(running(asking.desk, asked.domain, lambda: asking.ask(asked)))
    return EventStream(_events(run, asked.domain, identity), held)


async def _events(run: Run, domain: str, identity: str) -> AsyncGenerator[bytes, None]:
    yield event(opening_body(run.stream, domain), "sources")
    pending = run.stream.reranks
    try:
        async for pieces in run.batches():
            if pending:  # the numbers that the answer cites are those of the better order
                pending = False
                yield event(opening_body(run.stream, domain), "sources")
            yield b"".join(_event(piece) for piece in pieces)
        yield event(answer_body(await run.answer(), domain, identity), "done")
    except Exception as error:
        if not isinstance(error, SaviaError):
            LOG.exception(json.dumps({"event": "error", "id": identity}))
        partial = answer_body(await run.answer(), domain, identity)
        yield event({**problem_of(error).body(identity), "answer": partial}, "error")


def _event(piece: Piece) -> bytes:
    if piece.text:
        return event({"kind": piece.kind, "text": piece.text}, "piece")
    return event({"ahead": piece.ahead}, "waiting") if piece.ahead else WAITING
