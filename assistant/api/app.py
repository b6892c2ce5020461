"""The API as one ASGI application.

app = create_app(read_settings(), read_assistant_settings(), read_api_settings())
uvicorn.run(app, host="127.0.0.1", port=8000)
"""

import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from anyio import to_thread
from fastapi import Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.security import HTTPBearer

from assistant.api.asking import Asking
from assistant.api.chat import chat_router
from assistant.api.completions import completions_router
from assistant.api.gate import Gate, Observed
from assistant.api.keys import Keys, read_keys
from assistant.api.limits import RateLimit
from assistant.api.metrics import Metrics
from assistant.api.pool import AssistantPool
from assistant.api.probes import probes_router
from assistant.api.problems import add_problem_handlers
from assistant.api.runs import Desk
from assistant.api.settings import ApiSettings
from assistant.settings import AssistantSettings
from retrieval.errors import SaviaError
from retrieval.settings import RetrievalSettings

LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


def create_app(
    retrieval: RetrievalSettings,
    assistant: AssistantSettings,
    api: ApiSettings,
    pool: AssistantPool | None = None,
    hosts: Collection[str] = LOCAL_HOSTS,
) -> FastAPI:
    """The application. `hosts`: names that a Host header may have; empty: any (behind a key). Raises `SettingsError`."""
    keys, metrics = read_keys(api), Metrics()
    asking = Asking(pool or AssistantPool(retrieval, assistant), Desk(api.concurrency, metrics))
    app = FastAPI(
        title="Savia",
        summary="Cited answers from a folder of Markdown.",
        version=_version(),
        lifespan=_lifespan(asking),
        docs_url=None,  # those pages load their scripts from elsewhere
        redoc_url=None,
    )
    guarded = (
        [Depends(HTTPBearer(auto_error=False, description="A key made by `savia serve --new-key`"))] if keys else []
    )
    app.include_router(chat_router(asking), dependencies=guarded)
    app.include_router(completions_router(asking, int(time.time())), dependencies=guarded)
    app.include_router(probes_router(asking))
    add_problem_handlers(app)
    _add_layers(app, api, keys, metrics, hosts)
    return app


def _add_layers(app: FastAPI, api: ApiSettings, keys: Keys, metrics: Metrics, hosts: Collection[str]) -> None:
    """The last one added is the first one passed."""
    rate = RateLimit(api.rate)
    app.add_middleware(Gate, keys=keys, rate=rate, max_body=api.max_body, hosts=hosts)
    if api.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=api.origins,
            allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type", "x-api-key", "x-request-id"],
            expose_headers=["x-request-id", "retry-after"],
        )
    app.add_middleware(Observed, metrics=metrics)


def _lifespan(asking: Asking) -> Any:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await to_thread.run_sync(_open_default, asking)
        yield
        await to_thread.run_sync(asking.pool.close)

    return lifespan


def _open_default(asking: Asking) -> None:
    """So that the first question is not the slow one; what is wrong is told by /ready and by every question."""
    with suppress(SaviaError), asking.pool.leased(asking.pool.retrieval.domain):
        return


def _version() -> str:
    try:
        return version("savia")
    except PackageNotFoundError:
        return "unknown"
