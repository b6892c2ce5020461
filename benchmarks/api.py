"""32 clients at once stream answers from the API for a minute, on this machine, with the extractive backend.

    python -m benchmarks api

The server is a process of its own, as `savia serve` starts it; the clients share one process and the same cores.
"""

import asyncio
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import httpx2
import numpy as np
import psutil

from benchmarks.report import Row
from benchmarks.workspace import BenchmarkFailed, Started, Workspace
from retrieval.domain import load_domain

CLIENTS = 32
SECONDS, QUICK_SECONDS = 60.0, 10.0
QUESTIONS = 40  # different ones; each is asked once before the minute begins, so that caches and arenas have their size
SETTLED = 0.25  # of the run: from then on memory should grow no more
GROWTH = 0.10  # of the memory at that moment: what "flat" allows
START_SECONDS = 120.0


@dataclass
class Tally:
    """What the clients saw, and the server's memory at moments since the start."""

    first: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)


def run(workspace: Workspace) -> Iterator[Row]:
    workspace.copy_herbolaria()
    domain = load_domain("herbolaria", workspace.settings().domains_dir)
    asked = [gold.question for gold in domain.questions()]
    questions = asked[:: max(1, len(asked) // QUESTIONS)][:QUESTIONS]
    seconds = QUICK_SECONDS if workspace.quick else SECONDS
    server, port = _start(workspace)
    try:
        tally = asyncio.run(_load(f"http://127.0.0.1:{port}", questions, seconds, psutil.Process(server.process.pid)))
    finally:
        server.process.terminate()
        server.wait()
    yield from _rows(tally, seconds)


def _start(workspace: Workspace) -> tuple[Started, int]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    environment = {**workspace.environment(), "SAVIA_API_RATE": "0"}
    command = [sys.executable, "-m", "savia", "serve", "--port", str(port), "--domain", "herbolaria"]
    server = Started(command, environment, workspace.home)
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and server.running():
        try:
            if httpx2.get(f"http://127.0.0.1:{port}/ready", trust_env=False, timeout=30).status_code == 200:
                return server, port
        except httpx2.TransportError:
            time.sleep(0.1)
    server.process.terminate()
    server.wait()
    raise BenchmarkFailed("the API was not ready in time")


async def _load(url: str, questions: Sequence[str], seconds: float, server: psutil.Process) -> Tally:
    async with httpx2.AsyncClient(base_url=url, timeout=600, trust_env=False) as http:
        await asyncio.gather(*(_ask(http, question, Tally()) for question in questions))
    tally, started = Tally(), time.perf_counter()

    async def client(number: int) -> None:
        async with httpx2.AsyncClient(base_url=url, timeout=60, trust_env=False) as http:
            turn = number
            while time.perf_counter() - started < seconds:
                await _ask(http, questions[turn % len(questions)], tally)
                turn += CLIENTS

    async def watch() -> None:
        while time.perf_counter() - started < seconds:
            tally.memory.append((time.perf_counter() - started, server.memory_info().rss / 2**20))
            await asyncio.sleep(1)

    await asyncio.gather(watch(), *(client(number) for number in range(CLIENTS)))
    return tally


async def _ask(http: httpx2.AsyncClient, question: str, tally: Tally) -> None:
    """One streamed answer; anything but a whole one is a fault."""
    asked, first, text = time.perf_counter(), 0.0, b""
    try:
        async with http.stream("POST", "/api/v1/chat", json={"message": question, "stream": True}) as response:
            async for chunk in response.aiter_raw():
                first = first or time.perf_counter() - asked
                text += chunk
    except httpx2.HTTPError as error:
        tally.faults.append(type(error).__name__)
        return
    if response.status_code != 200 or b"event: done" not in text:
        tally.faults.append(f"status {response.status_code}")
        return
    tally.first.append(first)
    tally.whole.append(time.perf_counter() - asked)


def _rows(tally: Tally, seconds: float) -> Iterator[Row]:
    what = f"{CLIENTS} streaming clients for {seconds:.0f} s, extractive"
    answers, faults = len(tally.whole), len(tally.faults)
    yield Row(
        f"{what}: errors", f"{faults} of {answers + faults:,} answers", "0", faults == 0, {"faults": tally.faults[:10]}
    )
    p50, p95 = (float(np.percentile(tally.first or [np.nan], share)) * 1000 for share in (50, 95))
    whole = float(np.percentile(tally.whole or [np.nan], 95)) * 1000
    yield Row(
        f"{what}: first byte",
        f"p50 {p50:.0f} ms, p95 {p95:.0f} ms; whole answer p95 {whole:.0f} ms; {answers / seconds:.1f} answers/s",
        figures={"p50_ms": p50, "p95_ms": p95, "whole_p95_ms": whole, "answers_per_second": answers / seconds},
    )
    settled = [size for moment, size in tally.memory if moment >= seconds * SETTLED]
    begin, end = settled[0], float(np.median(settled[-5:]))
    flat = end <= begin * (1 + GROWTH)
    yield Row(
        f"{what}: server memory",
        f"{begin:.0f} MB after {seconds * SETTLED:.0f} s, {end:.0f} MB at the end",
        f"<= {GROWTH:.0%} growth",
        flat,
        {"settled_mb": begin, "end_mb": end},
    )
