"""Streams that end early or late: a reader who leaves stops the work, a server that stops lets its readers finish."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence

import httpx2
import pytest

from assistant.messages import Message, Options, Piece
from retrieval.index import Index
from tests.assistant.api.conftest import Serve
from tests.conftest import ROOT
from tests.fault_proxy import FaultServer, dribbling, silent

USES = "¿Para qué se usa la ruda?"


class EndlessBackend:
    """Writes until it is stopped, which it notes; in between it says that it waits."""

    name = "local"
    model = "endless"

    def __init__(self, text: str = "a ") -> None:
        self.text = text
        self.begun, self.stopped = threading.Event(), threading.Event()

    def stream(self, messages: Sequence[Message], options: Options) -> Iterator[Piece]:
        self.begun.set()
        try:
            while True:
                self.stopped.wait(0.02)
                yield Piece("answer", self.text)
        finally:
            self.stopped.set()


@pytest.mark.parametrize("text", ["a ", ""])
@pytest.mark.parametrize("path", ["/api/v1/chat", "/v1/chat/completions"])
def test_a_reader_who_leaves_a_stream_stops_the_work(serve: Serve, path: str, text: str) -> None:
    backend = EndlessBackend(text)
    served = serve({"local": backend})
    body = {"message": USES, "backend": "local"} if path.startswith("/api") else {
        "model": "local", "messages": [{"role": "user", "content": USES}]
    }  # fmt: skip
    with served.client.stream("POST", path, json={**body, "stream": True}) as response:
        next(response.iter_raw())
        assert backend.begun.wait(5)
    assert backend.stopped.wait(5)


def test_a_reader_who_leaves_a_whole_answer_stops_the_work(serve: Serve) -> None:
    backend = EndlessBackend()
    served = serve({"local": backend})
    with pytest.raises(httpx2.ReadTimeout):
        served.client.post("/api/v1/chat", json={"message": USES, "backend": "local"}, timeout=0.5)
    assert backend.stopped.wait(5)
    text = served.client.get("/metrics").text
    assert "savia_answers_running 0.0" in text or "savia_answers_running 1.0" in text


def test_the_model_servers_connection_closes_when_the_reader_leaves(serve: Serve) -> None:
    with FaultServer([silent("Contra ")]) as upstream:
        served = serve(assistant={"vllm_url": upstream.url, "vllm_model": "tiny"})
        body = {"message": USES, "backend": "vllm", "stream": True}
        with served.client.stream("POST", "/api/v1/chat", json=body) as response:
            next(response.iter_raw())
        assert upstream.closed.wait(2)


def test_more_streams_than_places_are_refused_and_a_place_is_free_again(serve: Serve) -> None:
    backend = EndlessBackend()
    served = serve({"local": backend}, concurrency=1)
    with served.client.stream(
        "POST", "/api/v1/chat", json={"message": USES, "backend": "local", "stream": True}
    ) as one:
        next(one.iter_raw())
        refused = served.ask(USES)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert backend.stopped.wait(5)
    while "savia_answers_running 0.0" not in served.client.get("/metrics").text:
        pass
    assert served.ask(USES).status_code == 200


def test_32_readers_at_once_all_get_their_own_answer(serve: Serve) -> None:
    served = serve()
    questions = [("¿Para qué se usa la ruda?", "barridas"), ("¿Qué es el susto?", "susto")] * 16
    texts: dict[int, str] = {}

    def read(place: int, question: str) -> None:
        with httpx2.Client(base_url=served.url, trust_env=False, timeout=60) as client:
            texts[place] = client.post("/api/v1/chat", json={"message": question, "stream": True}).text

    threads = [threading.Thread(target=read, args=(n, question)) for n, (question, _) in enumerate(questions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all("event: done" in texts[n] and word in texts[n] for n, (_, word) in enumerate(questions))


def test_a_server_that_is_told_to_stop_finishes_its_streams(three_remedies: Index) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with FaultServer([dribbling(0.3, "Contra ", "el ", "aire.")]) as upstream:
        settings = {
            "SAVIA_HOME": str(three_remedies.settings.home), "SAVIA_DOMAIN": "tiny", "SAVIA_EMBEDDER": "none",
            "SAVIA_VLLM_URL": upstream.url, "SAVIA_VLLM_MODEL": "tiny", "SAVIA_BACKEND": "vllm",
        }  # fmt: skip
        command = [sys.executable, "-m", "savia", "serve", "--port", str(port)]
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **settings}, stderr=subprocess.PIPE, text=True)
        try:
            with httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client:
                wait_until_ready(client, process)
                with client.stream("POST", "/api/v1/chat", json={"message": USES, "stream": True}) as response:
                    chunks = response.iter_text()
                    text = next(chunks)
                    process.send_signal(signal.SIGTERM)
                    text += "".join(chunks)
            _, log = process.communicate(timeout=20)
        finally:
            process.kill()
    assert "event: done" in text and "Contra el aire." in text
    assert process.returncode == 0 and "Traceback" not in log and '"status": 200' in log and "ruda" not in log


def wait_until_ready(client: httpx2.Client, process: "subprocess.Popen[str]") -> None:
    while True:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        try:
            if client.get("/ready").status_code == 200:
                return
        except httpx2.TransportError:
            threading.Event().wait(0.05)
