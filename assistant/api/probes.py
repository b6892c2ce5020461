"""What machines ask about the server itself: is it alive, can it answer, what has it counted.

curl -s localhost:8000/ready
"""

from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

from assistant.api.asking import Asking
from assistant.api.problems import RESPONSES, ApiProblem
from assistant.backends.vllm import VllmBackend
from retrieval.errors import SaviaError

PROMETHEUS = "text/plain; version=1.0.0; charset=utf-8"


class Alive(BaseModel):
    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    """The default domain can be asked. `backends` has a word or a fault for each that is offered."""

    status: Literal["ready"] = "ready"
    domain: str
    backends: dict[str, str]


def probes_router(asking: Asking) -> APIRouter:
    router = APIRouter(tags=["server"])
    common: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (400, 413, 500)}

    @router.get("/health", response_model=Alive, responses=common, summary="Is the process alive?")
    async def health() -> Alive:
        return Alive()

    @router.get(
        "/ready",
        response_model=Ready,
        responses={**common, 503: RESPONSES[503]},
        summary="Can the default domain and backend be asked?",
    )
    def ready() -> Ready:
        pool = asking.pool
        try:
            with pool.leased(pool.retrieval.domain):
                states: dict[str, str] = {name: backend_state(asking, name) for name in pool.offered}
        except SaviaError as error:
            raise ApiProblem(503, str(error), code="not_ready") from error
        if states[pool.settings.backend] != "ready":
            raise ApiProblem(503, states[pool.settings.backend], code="not_ready")
        return Ready(domain=pool.retrieval.domain, backends=states)

    guarded: dict[int | str, dict[str, Any]] = {**common, 401: RESPONSES[401], 429: RESPONSES[429]}
    text: dict[int | str, dict[str, Any]] = {
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus' text format"}
    }

    @router.get(
        "/metrics", response_class=PlainTextResponse, responses={**guarded, **text}, summary="Counters for Prometheus"
    )
    async def metrics() -> PlainTextResponse:
        return PlainTextResponse(asking.desk.metrics.text(), media_type=PROMETHEUS)

    return router


def backend_state(asking: Asking, name: Any) -> str:
    """`ready`, or what is wrong with a server; a local model is loaded when it is asked, not to see whether it can be."""
    if name == "extractive":
        return "ready"
    try:
        backend = asking.pool.backend(name)
        if isinstance(backend, VllmBackend):
            backend.served()
    except SaviaError as error:
        return str(error)
    return "ready"
