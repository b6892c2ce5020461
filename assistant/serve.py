"""Starts the page: Streamlit on a loopback address, with the safe settings and a clear word when the port is taken."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from retrieval.errors import UsageError

PAGE = Path(__file__).resolve().parent.parent / "streamlit_app.py"
MAX_UPLOAD_MB = 20


def serve_streamlit(host: str, port: int, domain: str) -> None:
    """Run the page until it is stopped. Raises `UsageError` when the address cannot be used."""
    check_port(host, port)
    command = [sys.executable, "-m", "streamlit", "run", str(PAGE), *streamlit_options(host, port)]
    environment = {**os.environ, "SAVIA_DOMAIN": domain, "ANONYMIZED_TELEMETRY": "False"}
    process = subprocess.Popen(command, env=environment)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())  # who stops us means the page
    try:
        code = process.wait()
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        return
    if code > 0:
        sys.exit(code)


def streamlit_options(host: str, port: int) -> list[str]:
    """No telemetry, no file watcher (it walks into torch), XSRF and CORS protection on, small uploads."""
    return [
        f"--server.address={host}",
        f"--server.port={port}",
        "--server.headless=true",
        "--server.fileWatcherType=none",
        "--server.enableXsrfProtection=true",
        "--server.enableCORS=true",
        f"--server.maxUploadSize={MAX_UPLOAD_MB}",
        "--browser.gatherUsageStats=false",
        "--client.toolbarMode=minimal",
        "--theme.base=light",
        "--theme.primaryColor=#2f6b3a",
    ]


def check_port(host: str, port: int, what: str = "The page", option: str = "make app") -> None:
    """Raise `UsageError` when `what` cannot listen on `host:port`; `option` is where another port is given."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UsageError(
                f"{what} cannot listen on {host}:{port} ({reason}).",
                f"Choose another port: {option}{_given(option, port)}",
            ) from error


def _given(option: str, port: int) -> str:
    return f" PORT={port + 1}" if option.startswith("make") else f" {port + 1}"
