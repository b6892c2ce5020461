"""What went wrong between us and a model's server, as one sentence each; which faults are worth another attempt.

raise explain(error, url="http://127.0.0.1:8000/v1", secret="")
"""

import json
import os
from typing import Any

from retrieval.errors import BackendError
from retrieval.text import strip_invisible

SERVE = "Start it (savia serve --mode vllm --model-path FOLDER), correct SAVIA_VLLM_URL, or choose another backend."
KEPT = "What came is kept; ask again or choose another backend."
OFTEN_MENDED = frozenset({408, 409, 429, 500, 502, 503, 504})  # statuses that the next attempt may not see
MOST_SAID = 200  # characters of a server's own words that are shown


class BrokenOff(Exception):
    """The stream ended without saying that the answer is complete."""


class Unreadable(Exception):
    """What came is no event of a chat completion."""


class NoEventStream(Exception):
    """The server answered something else than a stream of events; the text is its content type."""


def is_passing(error: Exception) -> bool:
    """Whether another attempt may succeed: refused or broken connections, a busy or failing server."""
    import openai

    if isinstance(error, openai.APIStatusError):
        return error.status_code in OFTEN_MENDED
    return isinstance(error, BrokenOff) or (
        isinstance(error, openai.APIConnectionError) and not isinstance(error, openai.APITimeoutError)
    )


def explain(error: Exception, url: str, begun: bool, secret: str = "") -> BackendError:
    """The fault as a `BackendError`; `begun` when some of the answer had come. Anything unforeseen is raised as it is."""
    import openai

    if isinstance(error, openai.APIStatusError):
        return _explain_status(error, url, secret)
    if begun and isinstance(error, BrokenOff | openai.APIConnectionError):
        return BackendError(f"The server at {url} broke off in the middle of the answer.", KEPT)
    if isinstance(error, openai.APITimeoutError):
        return BackendError(f"No connection to the server at {url} in time.", SERVE)
    if isinstance(error, openai.APIConnectionError):
        return _explain_connection(error, url)
    if isinstance(error, BrokenOff):
        return BackendError(f"The server at {url} closed the stream without an answer.", "Look at the server's log.")
    if isinstance(error, NoEventStream):
        return BackendError(
            f"The server at {url} answered {str(error) or 'without a content type'} instead of a stream of events.",
            "Is this the address of an OpenAI-compatible API? It usually ends in /v1.",
        )
    if isinstance(error, Unreadable | ValueError | openai.APIResponseValidationError):
        kept = KEPT if begun else "Look at the server's log."
        return BackendError(f"The server at {url} sent something that cannot be read.", kept)
    if isinstance(error, openai.APIError):  # an error event in the stream
        return BackendError(f"The server at {url} gave up: {said(error.message, secret)}", KEPT if begun else "")
    raise error


def said(text: str, secret: str = "") -> str:
    """A server's words, harmless and short; a key that it repeats is struck out."""
    words = " ".join(strip_invisible(text).split())
    words = words.replace(secret, "***") if secret else words
    words = words if len(words) <= MOST_SAID else f"{words[:MOST_SAID]}…"
    return words if words.endswith((".", "…", "!", "?")) else f"{words}."


def server_message(body: Any) -> str:
    """The message in an error's body, whichever of the usual shapes it has."""
    if isinstance(body, dict):
        for name in ("message", "detail", "error"):
            if body.get(name):
                return server_message(body[name])
        return ""
    return body if isinstance(body, str) else json.dumps(body) if body else ""


def _explain_connection(error: Exception, url: str) -> BackendError:
    cause = error.__cause__
    if type(cause).__name__ == "ConnectError":
        return BackendError(f"No server answers at {url} ({_reason(cause)}).", SERVE)
    return BackendError(f"The server at {url} closed the connection without an answer.", "Look at the server's log.")


def _reason(error: BaseException | None) -> str:
    """The system's own words for a failed connection, wherever in the chain of causes they stand."""
    words = ""
    while error is not None:
        words = words or said(str(error)).rstrip(".")
        if isinstance(error, OSError) and error.strerror:
            number = error.errno or 0  # asyncio puts words of its own beside the system's number
            return (os.strerror(number) if number > 0 else error.strerror).lower()
        error = error.__cause__ or error.__context__
    return words.lower()


def _explain_status(error: Any, url: str, secret: str) -> BackendError:
    words = server_message(error.body)
    shown = f": {said(words, secret)}" if words else "."
    match error.status_code:
        case 401 | 403:
            wrong = "refuses the API key" if secret else "wants an API key"
            return BackendError(f"The server at {url} {wrong} ({error.status_code}).", "Set SAVIA_VLLM_API_KEY.")
        case 404:
            return BackendError(f"The server at {url} does not know this address or model (404){shown}")
        case 429:
            return BackendError(f"The server at {url} is too busy (429){shown}", "Ask again in a moment.")
        case 400 | 413 | 422:
            return BackendError(f"The server at {url} refuses the request ({error.status_code}){shown}")
        case status:
            return BackendError(f"The server at {url} failed ({status}){shown}", "Look at the server's log.")
