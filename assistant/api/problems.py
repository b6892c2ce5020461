"""Everything that goes wrong as one JSON shape, `{"error": {"message", "type", "code", "param", "request_id"}}`, which is OpenAI's too.

raise ApiProblem(404, "There is no domain 'x'.")
"""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from retrieval.errors import (
    BackendError,
    DomainNotFound,
    EmbedderUnavailable,
    IndexProblem,
    SaviaError,
    StorageError,
    UsageError,
)

MOST_FAULTS = 5  # of a refused body that are told
TYPES = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}


class ProblemBody(BaseModel):
    """What went wrong, in one sentence."""

    message: str
    type: str
    code: str | None = None
    param: str | None = None
    request_id: str = ""


class Problem(BaseModel):
    """The body of every response that is no answer."""

    error: ProblemBody


class ApiProblem(Exception):
    """A refusal with its status; `retry_after` in seconds."""

    def __init__(self, status: int, message: str, retry_after: float = 0, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_after = retry_after
        self.code = code

    def response(self, request_id: str) -> JSONResponse:
        headers = {"retry-after": str(max(1, round(self.retry_after)))} if self.retry_after else {}
        if self.status == 401:
            headers["www-authenticate"] = "Bearer"
        return JSONResponse(self.body(request_id), self.status, headers)

    def body(self, request_id: str) -> dict[str, Any]:
        kind = TYPES.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")
        error = ProblemBody(message=self.message, type=kind, code=self.code, request_id=request_id)
        return Problem(error=error).model_dump()


RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The body is no JSON that can be read, or the Host header is foreign"},
    401: {"model": Problem, "description": "The API key is missing or wrong"},
    404: {"model": Problem, "description": "No such domain, backend or model"},
    413: {"model": Problem, "description": "The body is too large"},
    422: {"model": Problem, "description": "A field is missing or cannot be right"},
    429: {"model": Problem, "description": "Too many requests; see Retry-After"},
    500: {"model": Problem, "description": "A fault of Savia"},
    502: {"model": Problem, "description": "The model that writes the answer failed"},
    503: {"model": Problem, "description": "Not ready, or too many answers at once; see Retry-After"},
}


def problem_of(error: Exception) -> ApiProblem:
    """Any exception as a refusal. What is not foreseen says nothing of its insides."""
    match error:
        case ApiProblem():
            return error
        case DomainNotFound():
            return ApiProblem(404, error.message, code="domain_not_found")
        case UsageError():
            return ApiProblem(422, str(error))
        case BackendError():
            return ApiProblem(502, str(error), code="backend_failed")
        case IndexProblem() | EmbedderUnavailable() | StorageError():
            return ApiProblem(503, str(error), code="not_ready")
        case SaviaError():
            return ApiProblem(500, str(error))
        case HTTPException():
            return ApiProblem(error.status_code, str(error.detail))
        case RequestValidationError():
            return ApiProblem(422, _faults(error))
        case _:
            return ApiProblem(500, "Something failed inside Savia; its log has the request's id.")


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every exception with its problem."""

    async def handle(request: Request, error: Exception) -> JSONResponse:
        return problem_of(error).response(request_id(request.scope))

    for kind in (SaviaError, ApiProblem, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, handle)


def request_id(scope: Any) -> str:
    return str(scope.get("state", {}).get("request_id", ""))


def _faults(error: RequestValidationError) -> str:
    """Where and why, without the values: they may be private, or not even be text."""
    faults = [f"{_place(fault['loc'])}: {fault['msg']}" for fault in error.errors()[:MOST_FAULTS]]
    return f"The request cannot be read: {'; '.join(faults)}.".encode("utf-8", "replace").decode()


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location if part != "body") or "body"
