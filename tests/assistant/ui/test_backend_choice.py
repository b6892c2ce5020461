"""The switch of backends: what it offers, how each one is, and what becomes of the chat when a server dies."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from assistant.answer import Assistant
from assistant.backends.model_files import hash_adapter
from assistant.backends.scripted import ScriptedBackend
from assistant.backends.served import ServedModel
from assistant.messages import Message, Options, Piece
from assistant.settings import AssistantSettings
from assistant.ui.backend_choice import Choice, list_choices, read_chosen_model
from assistant.ui.reading import Reading
from assistant.wiring import build_assistant
from retrieval.errors import BackendError
from retrieval.index import Index
from tests.assistant.ui.conftest import PATIENCE, OpenPage, said
from tests.fault_proxy import FaultServer, cut_after, events
from tests.tiny_models import make_adapter, make_model

QUESTION = "¿El gel de la sábila alivia quemaduras?"
SERVER, QUOTES = "vllm\n\n", "extractive\n\n"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    """A server whose first answer breaks off."""
    with FaultServer([cut_after("El gel ", "alivia"), events("Alivia quemaduras [1].")]) as running:
        monkeypatch.setenv("SAVIA_VLLM_URL", running.url)
        yield running


def ask(page: AppTest, question: str = QUESTION) -> AppTest:
    return page.chat_input(key="question").set_value(question).run()


# --- what is offered ------------------------------------------------------------------------------------------------------


def test_the_settings_backend_comes_first_and_every_served_model_is_offered() -> None:
    settings = AssistantSettings(backend="vllm", vllm_url="http://127.0.0.1:1/v1")
    served = (ServedModel("base"), ServedModel("herbs", parent="base"))
    assert list_choices(settings, None, served) == [Choice("vllm"), Choice("vllm", "base"), Choice("extractive")]


def test_the_model_that_training_handed_over_is_offered_once() -> None:
    settings = AssistantSettings(model="models/a")
    chosen = Choice("local", "models/b", "models/b-adapter", "20261121")
    assert list_choices(settings, chosen, ())[-1] == chosen
    assert len(list_choices(settings, Choice("local", "models/a"), ())) == 2


@pytest.mark.parametrize("content", ["", "[]", '{"model": 3}', '{"model": ""}', "null"])
def test_a_handed_over_model_that_cannot_be_read_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "chosen_model.json").write_text(content)
    assert read_chosen_model(tmp_path) is None


def test_a_handed_over_model_that_is_gone_says_so_beside_the_switch(tiny_index: Index, open_page: OpenPage) -> None:
    stored = {"model": "/no/such/model", "adapter": None, "run": "20261121_101500"}
    build = tiny_index.settings.build_dir / "tiny"
    (build / "chosen_model.json").write_text(json.dumps(stored))
    page = open_page().selectbox(key="writer").set_value("local\n/no/such/model\n").run()
    assert not page.exception
    assert page.selectbox(key="writer").options[1] == "Modelo local: model + 20261121_101500"
    assert any("no model in" in caption.value for caption in page.sidebar.caption)


def test_without_a_model_the_documents_are_quoted(tiny_index: Index, open_page: OpenPage) -> None:
    page = open_page()
    assert page.selectbox(key="writer").options == ["Citas de los documentos"]
    assert not page.toggle


# --- a server that dies ---------------------------------------------------------------------------------------------------


def test_the_server_and_its_state_are_shown(server: FaultServer, tiny_index: Index, open_page: OpenPage) -> None:
    page = open_page().selectbox(key="writer").set_value(SERVER).run()
    assert page.selectbox(key="writer").options[1] == "Servidor: tiny"
    assert any("responde" in caption.value for caption in page.sidebar.caption)


def test_a_server_that_is_down_says_so_beside_the_switch(
    tiny_index: Index, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAVIA_VLLM_URL", "http://127.0.0.1:1/v1")
    page = open_page().selectbox(key="writer").set_value(SERVER).run()
    assert any("No server answers" in caption.value for caption in page.sidebar.caption)


def test_a_broken_answer_stays_and_the_next_question_goes_elsewhere(
    server: FaultServer, tiny_index: Index, open_page: OpenPage
) -> None:
    page = ask(open_page().selectbox(key="writer").set_value(SERVER).run())
    assert "El gel alivia" in said(page)
    assert ["broke off in the middle" in box.value for box in page.error] == [True]
    page = ask(page.selectbox(key="writer").set_value(QUOTES).run())
    assert "El gel alivia" in said(page)
    assert "Motor: extractive" in said(page)
    assert len(page.chat_message) == 4


def test_two_backends_are_asked_side_by_side(server: FaultServer, tiny_index: Index, open_page: OpenPage) -> None:
    server.replies = server.replies[1:]
    page = open_page().toggle(key="compare").set_value(True).run()
    page = ask(page)
    assert not page.exception
    assert "Motor: extractive" in said(page)
    assert "Motor: vllm · Modelo: tiny" in said(page)
    page = page.run()
    assert len(page.chat_message) == 3  # the question and two answers


# --- what stands below an answer --------------------------------------------------------------------------------------------


class FinetunedBackend(ScriptedBackend):
    name, model, adapter = "local", "base-1b", "3f2a9c11d0e4"


def run_chat(assistant: "Assistant") -> None:
    from assistant.ui.chat import show_chat
    from assistant.ui.exchanges import ChatPage
    from assistant.ui.strings import words

    show_chat(ChatPage(assistant, words("es")))


def test_an_answer_names_model_adapter_and_confidence(tiny_index: Index) -> None:
    backend = FinetunedBackend(["El gel de la sábila alivia quemaduras leves [1]."])
    assistant = build_assistant("tiny", tiny_index.settings, AssistantSettings(), None, backend=backend)
    page = ask(AppTest.from_function(run_chat, default_timeout=PATIENCE, args=(assistant,)).run())
    assert "Motor: local · Modelo: base-1b · Adaptador: 3f2a9c11d0e4 · Confianza: " in said(page)


class WaitingBackend:
    """Two questions come first; then it loads, and breaks."""

    name = model = "waiting"
    loading: tuple[str, int, int] | None = None

    def stream(self, messages: Sequence[Message], options: Options) -> Iterator[Piece]:
        self.loading = ("Loading the model", 3, 7)
        yield Piece("answer", "", ahead=2)
        yield Piece("answer", "Alivia", ahead=2)
        raise BackendError("The model failed.")


def test_a_reading_knows_its_place_in_line_and_what_broke_it(tiny_index: Index) -> None:
    backend = WaitingBackend()
    assistant = build_assistant("tiny", tiny_index.settings, AssistantSettings(), None, backend=backend)
    reading = Reading(assistant.ask(QUESTION), backend)
    assert reading.wait(PATIENCE)
    assert (reading.ahead, reading.loading, reading.text) == (2, (3, 7), "Alivia")
    assert (reading.problem, reading.answer.text) == ("The model failed.", "Alivia")


@pytest.mark.slow
def test_the_model_that_training_handed_over_answers_with_its_adapters_hash(
    tiny_index: Index, open_page: OpenPage, tmp_path: Path
) -> None:
    base = make_model("qwen3", tmp_path / "base")
    adapter = make_adapter(base, tmp_path / "adapter")
    stored = {"model": str(base), "adapter": str(adapter), "run": "20261121_101500"}
    (tiny_index.settings.build_dir / "tiny" / "chosen_model.json").write_text(json.dumps(stored))
    page = ask(open_page().selectbox(key="writer").set_value(f"local\n{base}\n{adapter}").run()).run()
    assert not page.exception
    assert f"Motor: local · Modelo: base · Adaptador: {hash_adapter(adapter)}" in said(page)
    assert any("está en memoria" in caption.value for caption in page.sidebar.caption)
    page = page.button(key="release").click().run()
    assert any("se carga con la primera pregunta" in caption.value for caption in page.sidebar.caption)
