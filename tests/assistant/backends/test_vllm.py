"""The vllm backend against a server that breaks in every way: one clear sentence each, and what had come stays."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from pydantic import SecretStr

from assistant.answer import Assistant
from assistant.backends.vllm import ATTEMPTS, TimeLimits, VllmBackend, VLLMClient, count_tokens
from assistant.messages import Message, Options, Piece
from retrieval.domain import DomainConfig
from retrieval.errors import BackendError
from tests.assistant.conftest import MakeAssistant
from tests.fault_proxy import (
    FaultServer,
    Reply,
    chunk,
    cut_after,
    dribbling,
    ended_after,
    events,
    hang_up,
    raw,
    silent,
    status,
)

ASKED = [Message("system", "Respondes."), Message("user", "¿Para qué se usa la ruda?")]
QUICK = TimeLimits(connect=1.0, token=0.5, total=5.0)


@pytest.fixture
def config() -> DomainConfig:
    return DomainConfig(title="Plantas", language="es", persona="Hablas.", refusal="No está.", disclaimer="Educativo.")


def ask(server: FaultServer, **given: object) -> list[Piece]:
    backend = VllmBackend(server.url, **{"limits": QUICK, **given})  # type: ignore[arg-type]
    return [piece for piece in backend.stream(ASKED, Options()) if piece.text]


def text(pieces: list[Piece], kind: str = "answer") -> str:
    return "".join(piece.text for piece in pieces if piece.kind == kind)


# --- a good server --------------------------------------------------------------------------------------------------------


def test_the_answer_streams_and_the_request_says_what_was_asked() -> None:
    with FaultServer([events("Contra ", "el aire [1].")]) as server:
        assert text(ask(server)) == "Contra el aire [1]."
    (body,) = server.requests
    assert body == {
        "model": "tiny", "stream": True, "max_tokens": 1024, "temperature": 0.0,
        "messages": [{"role": "system", "content": "Respondes."}, {"role": "user", "content": "¿Para qué se usa la ruda?"}],
    }  # fmt: skip


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_reasoning_is_read_under_both_of_its_names(field: str) -> None:
    with FaultServer([events("Sí.", reasoning=["Veo ", "la ruda."], field=field)]) as server:
        pieces = ask(server)
    assert (text(pieces, "reasoning"), text(pieces)) == ("Veo la ruda.", "Sí.")


def test_reasoning_sent_under_both_names_at_once_is_read_once() -> None:
    twice = chunk(reasoning="Veo.", reasoning_content="Veo.")

    def reply(connection: object) -> None:
        connection.head()  # type: ignore[attr-defined]
        for event in (twice, chunk(content="Sí."), chunk("stop"), "[DONE]"):
            connection.event(event)  # type: ignore[attr-defined]

    with FaultServer([reply]) as server:
        assert text(ask(server), "reasoning") == "Veo."


def test_tags_in_the_content_go_through_the_one_splitter() -> None:
    with FaultServer([events("<thi", "nk>Veo.</th", "ink>\n\nSí.")]) as server:
        pieces = ask(server)
    assert (text(pieces, "reasoning"), text(pieces)) == ("Veo.", "Sí.")


def test_a_closing_tag_alone_teaches_that_the_next_answer_begins_as_reasoning() -> None:
    with FaultServer([events("Veo.</th", "ink>Sí.")]) as server:
        backend = VllmBackend(server.url, "tiny")
        first, second = (list(backend.stream(ASKED, Options())) for _ in range(2))
    assert (text(first, "reasoning"), text(first)) == ("", "Veo.Sí.")
    assert (text(second, "reasoning"), text(second)) == ("Veo.", "Sí.")


def test_an_answer_that_only_seemed_to_begin_as_reasoning_is_an_answer_and_the_belief_ends() -> None:
    with FaultServer([events("Veo.</think>Sí."), events("Contra ", "el aire.")]) as server:
        backend = VllmBackend(server.url, "tiny")
        texts = [text(list(backend.stream(ASKED, Options()))) for _ in range(3)]
        last = text(list(backend.stream(ASKED, Options())), "reasoning")
    assert (texts, last) == (["Veo.Sí.", "Contra el aire.", "Contra el aire."], "")


def test_a_reasoning_parser_that_was_switched_on_is_believed_before_what_was_learnt() -> None:
    with FaultServer([events("Veo.</think>Sí."), events("Sí.", reasoning=["Veo."])]) as server:
        backend = VllmBackend(server.url, "tiny")
        pieces = [list(backend.stream(ASKED, Options())) for _ in range(2)][1]
    assert (text(pieces, "reasoning"), text(pieces)) == ("Veo.", "Sí.")


def test_a_server_without_a_chosen_model_is_asked_for_its_adapter() -> None:
    models = [{"id": "base", "max_model_len": 2048}, {"id": "herbolaria", "parent": "base"}]
    with FaultServer([events("Sí.")], models) as server:
        backend = VllmBackend(server.url)
        list(backend.stream(ASKED, Options(max_tokens=4000)))
    assert (backend.model, backend.adapter) == ("herbolaria", "herbolaria")
    assert server.requests[0]["model"] == "herbolaria" and server.requests[0]["max_tokens"] == 1024


def test_the_window_of_the_served_model_bounds_the_prompt() -> None:
    with FaultServer([], [{"id": "tiny", "max_model_len": 600}]) as server:
        budget = VllmBackend(server.url, "tiny").budget(1024)
    assert budget and (budget.window, budget.reserved, budget.room) == (600, 300, 300)
    assert count_tokens("manzanilla") == 4


def test_a_server_that_lists_nothing_has_no_known_window_and_still_answers() -> None:
    with FaultServer([events("Sí.")], None) as server:
        assert VllmBackend(server.url, "tiny").budget(1024) is None
        assert text(ask(server, model="tiny")) == "Sí."


def test_an_address_without_a_path_gets_v1() -> None:
    assert VllmBackend("http://127.0.0.1:8000/").url == VllmBackend("127.0.0.1:8000").url == "http://127.0.0.1:8000/v1"


def test_a_script_asks_with_or_without_context(config: DomainConfig) -> None:
    with FaultServer([events("<think>Veo.</think>Sirve ", "[1].")]) as server:
        client = VLLMClient(server.url, config=config)
        assert client.generate("¿Para qué sirve?", "La ruda quita el aire.") == "Sirve [1]."
        assert list(client.generate_stream("¿Para qué sirve?")) == ["Sirve ", "[1]."]
        assert [model.id for model in client.served()] == ["tiny"]
    first, second = server.requests
    assert '<passage n="1"' in first["messages"][-1]["content"]
    assert second["messages"][-1]["content"] == "¿Para qué sirve?"


# --- faults ---------------------------------------------------------------------------------------------------------------

BUSY = status("429 Too Many Requests", {"error": {"message": "slow down"}})
DOWN = status("503 Service Unavailable", {"message": "loading"})
FAULTS: dict[str, tuple[Reply, str]] = {
    "a missing key": (status("401 Unauthorized", {"error": "no"}), r"wants an API key \(401\)\. Set SAVIA_VLLM_API_KEY"),
    "an unknown address": (status("404 Not Found", {"detail": "Not Found"}), r"\(404\): Not Found\."),
    "too many questions": (BUSY, r"too busy \(429\): slow down\. Ask again"),
    "a failing server": (status("500 Oops", {"message": "CUDA\nerror"}), r"failed \(500\): CUDA error\. Look at"),
    "a refused prompt": (status("400 Bad Request", {"message": "too long"}), r"refuses the request \(400\): too long\."),
    "a hung-up connection": (hang_up, "closed the connection without an answer"),
    "a slow first token": (silent(), "sent no token within 0.5 seconds.*SAVIA_VLLM_FIRST_TOKEN_SECONDS"),
    "garbage": (raw("data: {no json\n\n"), "something that cannot be read"),
    "another JSON": (raw('data: 5\n\ndata: {"choices": [7]}\n\n'), "closed the stream without an answer"),
    "a page": (raw("<html>Hello</html>", "text/html; charset=utf-8"), "answered text/html instead of a stream"),
    "an error event": (raw('data: {"error": {"message": "out of memory"}}\n\n'), "gave up: out of memory"),
    "an empty stream": (raw("data: [DONE]\n\n"), "closed the stream without an answer"),
    "an empty answer": (events(), "tiny ended without an answer"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_before_the_first_token_is_one_sentence(name: str) -> None:
    reply, sentence = FAULTS[name]
    with FaultServer([reply]) as server, pytest.raises(BackendError, match=sentence) as caught:
        ask(server, model="tiny")
    assert "\n" not in str(caught.value) and "Traceback" not in str(caught.value)


def test_a_server_that_is_not_there_names_the_address_and_how_to_start_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    backend = VllmBackend(f"http://127.0.0.1:{port}", "tiny")
    with pytest.raises(
        BackendError,
        match=rf"No server answers at http://127.0.0.1:{port}/v1 \(connection refused\)\. .*savia serve --mode vllm",
    ):
        list(backend.stream(ASKED, Options()))


def test_a_wrong_model_lists_what_is_served() -> None:
    models = [{"id": "base"}, {"id": "herbolaria", "parent": "base"}]
    unknown = status("404 Not Found", {"message": "The model `other` does not exist."})
    with (
        FaultServer([unknown], models) as server,
        pytest.raises(BackendError, match=r"does not serve 'other'; it serves base, herbolaria \(adapter of base\)"),
    ):
        ask(server, model="other")


BREAKS: dict[str, tuple[Reply, str]] = {
    "a cut connection": (cut_after("Contra ", "el"), "broke off in the middle of the answer. What came is kept"),
    "an end without a reason": (ended_after("Contra ", "el"), "broke off in the middle of the answer"),
    "silence": (silent("Contra ", "el"), "fell silent for 0.5 seconds"),
    "garbage": (raw("data: {\"choices\": [{\"delta\": {\"content\": \"Contra el\"}}]}\n\ndata: {{\n\n"), "cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("name", BREAKS)
def test_a_fault_midway_keeps_the_text_and_is_not_tried_again(name: str, make_assistant: MakeAssistant) -> None:
    reply, sentence = BREAKS[name]
    with FaultServer([reply]) as server:
        assistant: Assistant = make_assistant(VllmBackend(server.url, "tiny", limits=QUICK))
        stream = assistant.ask("¿Para qué se usa la ruda?")
        with pytest.raises(BackendError, match=sentence):
            stream.run()
    assert (stream.answer.text, stream.answer.stopped, len(server.requests)) == ("Contra el", True, 1)


@pytest.mark.parametrize("fault", [BUSY, DOWN, hang_up, ended_after()])
def test_a_passing_fault_before_the_first_token_is_tried_again(fault: Reply) -> None:
    with FaultServer([fault, events("Sí.")]) as server:
        assert text(ask(server, model="tiny")) == "Sí."
    assert len(server.requests) == 2


def test_a_lasting_fault_is_tried_a_few_times_and_a_wrong_key_only_once() -> None:
    with FaultServer([DOWN]) as server, pytest.raises(BackendError, match="503"):
        ask(server, model="tiny")
    assert len(server.requests) == ATTEMPTS
    with FaultServer([status("401 Unauthorized", {})]) as server, pytest.raises(BackendError):
        ask(server, model="tiny")
    assert len(server.requests) == 1


def test_a_server_that_wants_a_long_wait_is_told_of_at_once() -> None:
    busy = status("429 Too Many Requests", {}, more="retry-after: 60\r\n")
    with FaultServer([busy]) as server, pytest.raises(BackendError, match="too busy"):
        ask(server, model="tiny")
    assert len(server.requests) == 1


def test_reasoning_without_an_answer_says_so_and_is_kept() -> None:
    with FaultServer([events(reasoning=["Veo la ruda."], finish="length")]) as server:
        backend, pieces = VllmBackend(server.url), []
        with pytest.raises(BackendError, match=r"used up its 1024 tokens .* Raise SAVIA_MAX_TOKENS"):
            for piece in backend.stream(ASKED, Options()):
                pieces.append(piece)
    assert text(pieces, "reasoning") == "Veo la ruda."


def test_an_answer_that_takes_too_long_in_all_is_ended() -> None:
    limits = TimeLimits(connect=1.0, token=1.0, total=0.6)
    with FaultServer([dribbling(0.2, *"abcdefgh")]) as server, pytest.raises(BackendError, match=r"after 0\.6 seconds"):
        ask(server, model="tiny", limits=limits)


# --- stopping and secrets -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reply", [silent(), silent("Contra ")])
def test_closing_the_stream_closes_the_connection(reply: Reply) -> None:
    with FaultServer([reply]) as server:
        pieces: Iterator[Piece] = VllmBackend(server.url, "tiny").stream(ASKED, Options())
        with closing(pieces):  # type: ignore[type-var]
            next(pieces)  # without a token yet, the empty piece that says so
        assert server.closed.wait(1.0)


def test_the_waiting_reader_is_given_a_chance_to_stop() -> None:
    with FaultServer([dribbling(0.6, "Sí.")]) as server:
        started, pieces = time.monotonic(), VllmBackend(server.url, "tiny").stream(ASKED, Options())
        assert next(pieces).text == "" and time.monotonic() - started < 10
        assert "".join(piece.text for piece in pieces) == "Sí."


def test_the_key_is_sent_and_never_shown() -> None:
    key = SecretStr("sk-very-secret")
    refuse = status("401 Unauthorized", {"error": {"message": "wrong key sk-very-secret"}})
    broken = status("500 Oops", {"error": {"message": "header was Bearer sk-very-secret"}})
    for reply in (refuse, broken):
        with FaultServer([reply]) as server, pytest.raises(BackendError) as caught:
            ask(server, model="tiny", api_key=key)
        assert server.headers[0]["authorization"] == "Bearer sk-very-secret"
        assert "sk-very-secret" not in str(caught.value) + repr(caught.value)


def test_keys_of_other_services_stay_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-theirs")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-theirs")
    with FaultServer([events("Sí.")]) as server:
        ask(server, model="tiny")
    assert "theirs" not in str(server.headers)
