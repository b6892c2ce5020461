"""The real page in a real browser: a fresh home with the shipped pack, the app as a child process, Debian's Chromium.

    with running_app(make_home(folder)) as address, chromium_page() as page:
        page.goto(address)

Screenshots are made with it and the browser tests drive it.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from assistant.serve import PAGE, streamlit_options

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 90.0  # seconds for the app to start and for a build of the index to show something
CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_chromium() -> str | None:
    """Debian's Chromium, if it is installed."""
    return shutil.which("chromium")


def make_home(folder: Path, domain: str = "herbolaria") -> Path:
    """A home with a copy of a shipped pack and this checkout's exported embedder (which is large and always the same)."""
    shutil.copytree(ROOT / "data" / "domains" / domain, folder / "data" / "domains" / domain)
    exported = ROOT / "models" / "embedder"
    exported.mkdir(parents=True, exist_ok=True)
    (folder / "models").mkdir(parents=True, exist_ok=True)
    (folder / "models" / "embedder").symlink_to(exported)
    return folder


def build_index(home: Path, domain: str = "herbolaria") -> None:
    """`savia index sync`, as a user would run it."""
    run_savia(home, "index", "sync", "--domain", domain)


def run_savia(home: Path, *arguments: str) -> None:
    """A command of a process of its own; raises `CalledProcessError` where it fails."""
    subprocess.run(
        [sys.executable, "-m", "savia", *arguments], env=environment(home), cwd=ROOT, check=True, capture_output=True
    )


def environment(home: Path, **more: str) -> dict[str, str]:
    """This process's environment without the developer's own SAVIA_ settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SAVIA_")}
    return {**kept, "SAVIA_HOME": str(home), **more}


@contextmanager
def running_app(home: Path, **more: str) -> Iterator[str]:
    """Start the page on a free port; gives its address. `more` are further environment variables."""
    port = _free_port()
    command = [sys.executable, "-m", "streamlit", "run", str(PAGE), *streamlit_options("127.0.0.1", port)]
    with (home / "app.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment(home, **more), cwd=home, stdout=log, stderr=log)
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_until_healthy(address, process, home / "app.log")
        yield address
    finally:
        process.terminate()
        process.wait(timeout=20)


@contextmanager
def chromium_page(width: int = 1440, height: int = 900) -> Iterator[Page]:
    """A page of a fresh Chromium profile. Raises `RuntimeError` where Chromium is missing."""
    executable = find_chromium()
    if executable is None:
        raise RuntimeError("chromium is not installed (Debian: apt-get install chromium)")
    with tempfile.TemporaryDirectory() as profile, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=executable,
            headless=True,
            args=CHROMIUM_FLAGS,
            viewport={"width": width, "height": height},
            locale="es-MX",
        )
        try:
            yield context.new_page()
        finally:
            context.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_healthy(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never ask a proxy for this machine
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with opener.open(f"{address}/_stcore/health", timeout=2) as response:
                if response.status == 200:
                    return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"The page did not start:\n{log.read_text(errors='replace')}")
