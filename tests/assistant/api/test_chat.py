"""Savia's own door: the documented answer, whole and streamed; every refusal a sentence with its status."""

import json
from collections.abc import Iterator, Sequence

import pytest

from assistant.backends.scripted import ScriptedBackend
from assistant.messages import Message, Options, Piece
from retrieval.errors import BackendError
from retrieval.index import Index
from tests.assistant.api.conftest import Serve

USES = "¿Para qué se usa la ruda?"
KEYS = [
    "answer", "reasoning", "citations", "sources", "confidence", "abstained", "red_flags", "backend", "model", "timings",
    "adapter", "domain", "disclaimer", "request_id",
]  # fmt: skip


class DyingBackend:
    """Says two words, then its server is gone."""

    name = "vllm"
    model = "tiny"

    def stream(self, messages: Sequence[Message], options: Options) -> Iterator[Piece]:
        yield Piece("reasoning", "Veo.")
        yield Piece("answer", "Contra ")
        yield Piece("answer", "")  # nothing came for a moment
        yield Piece("answer", "el")
        raise BackendError("The server broke off.", "Ask again.")


def read_events(text: str) -> list[tuple[str, dict[str, object]]]:
    blocks = [block.split("\n") for block in text.split("\n\n") if block and not block.startswith(":")]
    return [(head.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for head, data in blocks]


def test_an_answer_has_the_documented_shape(serve: Serve) -> None:
    answer = serve().ask(USES, history=[]).json()
    assert list(answer) == KEYS
    assert answer["answer"].startswith("Se usa en barridas") and answer["backend"] == answer["model"] == "extractive"
    assert answer["citations"][0]["section"] == answer["sources"][0]["section"] == "plantas/ruda#usos"
    assert answer["abstained"] is False and 0.5 < answer["confidence"] <= 1 and answer["domain"] == "tiny"


def test_the_conversation_is_used(serve: Serve) -> None:
    history = [{"role": "user", "content": USES}, {"role": "assistant", "content": "Contra el aire."}]
    answer = serve().ask("¿y en el embarazo?", history=history).json()
    assert answer["sources"][0]["section"] == "plantas/ruda#toxicidad"


def test_what_the_documents_do_not_answer_is_an_abstention_without_confidence(serve: Serve) -> None:
    answer = serve().ask("¿Quién ganó el mundial de futbol?").json()
    assert answer["abstained"] and answer["confidence"] == 0 and answer["citations"] == []


def test_a_stream_begins_with_sources_and_ends_with_the_whole_answer(serve: Serve) -> None:
    served = serve()
    response = served.ask(USES, stream=True)
    events = read_events(response.text)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert [events[0][0], events[-1][0], {name for name, _ in events[1:-1]}] == ["sources", "done", {"piece"}]
    assert list(events[0][1]) == ["sources", "red_flags", "abstained", "domain", "backend", "disclaimer"]
    text = "".join(str(data["text"]) for name, data in events if name == "piece")
    assert events[-1][1]["answer"] == text.strip() == served.ask(USES).json()["answer"]


def test_a_backend_that_dies_midway_keeps_its_text_and_says_why(serve: Serve) -> None:
    served = serve({"vllm": DyingBackend()})
    events = read_events(served.ask(USES, backend="vllm", stream=True).text)
    assert [name for name, _ in events] == ["sources", "piece", "piece", "piece", "error"]
    error, partial = events[-1][1]["error"], events[-1][1]["answer"]
    assert isinstance(error, dict) and error["message"] == "The server broke off. Ask again."
    assert isinstance(partial, dict) and (partial["answer"], partial["reasoning"]) == ("Contra el", "Veo.")
    whole = served.ask(USES, backend="vllm")
    assert whole.status_code == 502 and whole.json()["error"]["message"] == "The server broke off. Ask again."


def test_the_next_question_can_go_to_another_backend(serve: Serve) -> None:
    served = serve({"vllm": DyingBackend()})
    served.ask(USES, backend="vllm")
    assert served.ask(USES, backend="extractive").status_code == 200


def test_a_model_gets_reasoning_and_answer_apart(serve: Serve) -> None:
    served = serve({"local": ScriptedBackend(["<think>Veo.</think>Contra el aire [1]."])})
    answer = served.ask(USES, backend="local").json()
    assert (answer["reasoning"], answer["answer"]) == ("Veo.", "Contra el aire [1].")


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({}, 422, "message: Field required"),
        ({"message": " \n"}, 422, "it is empty"),
        ({"message": "x" * 4001}, 422, "at most 4000 characters"),
        ({"message": "a", "history": [{"role": "system", "content": "x"}]}, 422, "history.0.role"),
        ({"message": "a", "color": "red"}, 422, "color: Extra inputs"),
        ({"message": "a", "domain": "../etc"}, 422, "domain: String should match"),
        ({"message": "a", "domain": "unknown"}, 404, "There is no domain 'unknown'"),
        ({"message": "a", "backend": "local"}, 404, "local is not offered here; offered: extractive"),
    ],
)
def test_a_wrong_request_is_told_in_a_sentence(serve: Serve, body: object, status: int, message: str) -> None:
    response = serve().client.post("/api/v1/chat", json=body)
    assert response.status_code == status and message in response.json()["error"]["message"]


@pytest.mark.parametrize("body", [b"", b"{", b"[1", b'"text"', b"\xff\xfe", b'{"message": "\\ud800"}', b"[" * 50_000])
def test_a_body_that_is_no_question_is_refused(serve: Serve, body: bytes) -> None:
    response = serve().client.post("/api/v1/chat", content=body, headers={"content-type": "application/json"})
    assert response.status_code in (400, 422) and "error" in response.json()


def test_a_form_of_another_page_is_no_question(serve: Serve) -> None:
    """What a browser sends across sites without asking first."""
    response = serve().client.post("/api/v1/chat", content='{"message": "a"}', headers={"content-type": "text/plain"})
    assert response.status_code == 422


def test_a_domain_without_an_index_is_not_ready_and_names_the_command(serve: Serve, three_remedies: Index) -> None:
    (three_remedies.folder / "CURRENT").unlink()
    response = serve().ask(USES)
    assert response.status_code == 503 and "savia index sync --domain tiny" in response.json()["error"]["message"]


def test_a_sync_is_seen_without_a_restart(serve: Serve, three_remedies: Index) -> None:
    served = serve()
    assert served.ask("¿Para qué se usa el toronjil?").json()["abstained"]
    document = three_remedies.domain.corpus / "plantas" / "toronjil.md"
    document.write_text("# Toronjil\n\n## Usos\n\nEl toronjil se usa para los nervios y el susto.\n", encoding="utf-8")
    three_remedies.sync(None)
    assert "nervios" in served.ask("¿Para qué se usa el toronjil?").json()["answer"]
