"""Runs the API under uvicorn; a stop lets the streams that are being read come to their end.

serve_api("127.0.0.1", 8000, read_settings(), read_assistant_settings(), read_api_settings(), say)
"""

import logging
import signal
from collections.abc import Callable

from assistant.api.app import LOCAL_HOSTS, create_app
from assistant.api.keys import read_keys
from assistant.api.settings import ApiSettings
from assistant.serve import check_port
from assistant.settings import AssistantSettings
from retrieval.errors import UsageError
from retrieval.settings import RetrievalSettings

KEEP_ALIVE_SECONDS = 15  # an idle connection of a client that may ask again


def serve_api(
    host: str,
    port: int,
    retrieval: RetrievalSettings,
    assistant: AssistantSettings,
    api: ApiSettings,
    say: Callable[[str], None],
) -> None:
    """Answer until stopped. Raises `UsageError` for a port in use, and for an open address without keys."""
    import uvicorn

    local = host in LOCAL_HOSTS
    if not local and not read_keys(api):
        raise UsageError(
            f"Without API keys the API listens on this machine only, not on {host}.",
            "Make a key: savia serve --new-key, and put its hash into SAVIA_API_KEYS.",
        )
    check_port(host, port, "The API", "savia serve --port")
    say(f"The API answers at http://{host}:{port}; its description is at /openapi.json.")
    log_to_stderr()
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, lambda *_: None)  # uvicorn ends in good order, then raises the signal again: enough is done
    app = create_app(retrieval, assistant, api, hosts=LOCAL_HOSTS if local else ())
    uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=api.shutdown_seconds,
        )
    ).run()


def log_to_stderr() -> None:
    """One JSON line for each request, and what goes wrong."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    for name, level in (("savia.api", logging.INFO), ("uvicorn.error", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False
