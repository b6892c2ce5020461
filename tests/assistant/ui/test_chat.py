"""The chat over a scripted backend: marks, reasoning, broken answers, hostile replies, follow-ups."""

from collections.abc import Iterator, Sequence

import pytest
from streamlit.runtime.scriptrunner import StopException
from streamlit.testing.v1 import AppTest

from assistant.answer import Assistant
from assistant.backends.scripted import ScriptedBackend
from assistant.messages import Message, Options, Piece
from assistant.settings import AssistantSettings
from assistant.wiring import build_assistant
from retrieval.errors import BackendError
from retrieval.index import Index
from tests.assistant.ui.conftest import PATIENCE, said

QUESTION = "¿El gel de la sábila alivia quemaduras?"


def run_chat(assistant: "Assistant") -> None:
    from assistant.ui.chat import show_chat
    from assistant.ui.exchanges import ChatPage
    from assistant.ui.strings import words

    show_chat(ChatPage(assistant, words("es")))


def chat_with(index: Index, *replies: str | BackendError) -> AppTest:
    """A chat whose answers are these replies, after the first question."""
    backend = ScriptedBackend(replies)
    assistant = build_assistant("tiny", index.settings, AssistantSettings(), None, backend=backend)
    page = AppTest.from_function(run_chat, default_timeout=PATIENCE, args=(assistant,)).run()
    return ask(page, QUESTION)


def ask(page: AppTest, question: str) -> AppTest:
    return page.chat_input(key="question").set_value(question).run()


def test_a_citation_that_its_passage_does_not_support_is_marked(tiny_index: Index) -> None:
    page = chat_with(tiny_index, "Cura la diabetes y el cáncer en tres días [1].")
    assert ":orange[\\[1\\]" in said(page)
    assert "El pasaje no respalda esta afirmación: «Cura la diabetes" in said(page)


def test_a_mark_that_names_no_passage_is_said(tiny_index: Index) -> None:
    page = chat_with(tiny_index, "El gel alivia quemaduras leves [9].")
    assert any("[9]" in warning.value.replace("\\", "") for warning in page.warning)


def test_uncited_passages_are_folded_away(tiny_index: Index) -> None:
    page = chat_with(tiny_index, "El gel de la sábila alivia quemaduras leves [1].")
    assert any(fold.label.startswith("Otros pasajes") for fold in page.expander)


def test_reasoning_is_shown_apart_from_the_answer(tiny_index: Index) -> None:
    page = chat_with(tiny_index, "<think>Busco usos.</think>Alivia quemaduras [1].")
    assert [status.label for status in page.status][1] == "Razonamiento"
    assert "think" not in said(page)


def test_an_answer_that_breaks_off_keeps_its_place_and_says_why(tiny_index: Index) -> None:
    page = chat_with(tiny_index, BackendError("The server at localhost does not answer."))
    assert not page.exception
    assert "La respuesta se interrumpió. The server at localhost" in page.error[0].value


def test_a_hostile_reply_is_shown_as_plain_words(tiny_index: Index) -> None:
    page = chat_with(tiny_index, "<script>alert(1)</script> ![x](https://evil.test/p.png) :red[hola] $x$")
    answer = next(text.value for text in page.markdown if "alert" in text.value)
    assert answer == r"\<script\>alert\(1\)\</script\> x \:" + "\u2060" + r"red\[hola\] \$x\$"


class StoppedBackend:
    """Says half a sentence; then the reader presses stop, which ends the script there and then."""

    name = model = "stopped"

    def stream(self, messages: Sequence[Message], options: Options) -> Iterator[Piece]:
        yield Piece("answer", "El gel alivia")
        raise StopException


def test_a_stopped_answer_keeps_what_was_said(tiny_index: Index) -> None:
    assistant = build_assistant("tiny", tiny_index.settings, AssistantSettings(), None, backend=StoppedBackend())
    page = ask(AppTest.from_function(run_chat, default_timeout=PATIENCE, args=(assistant,)).run(), QUESTION).run()
    assert "El gel alivia" in said(page)
    assert "Respuesta detenida" in said(page)


def test_the_next_question_knows_the_conversation(tiny_index: Index) -> None:
    page = ask(chat_with(tiny_index, "Alivia quemaduras [1].", "Es un cacto."), "¿y qué es?")
    assert any("Se buscó: «¿y qué es? sábila»" in caption.value for caption in page.caption)
    assert len(page.chat_message) == 4


def test_older_answers_fold_their_passages(tiny_index: Index) -> None:
    reply = "El gel de la sábila alivia quemaduras leves [1]."
    page = ask(chat_with(tiny_index, reply, reply), QUESTION)
    assert sum(fold.label.startswith("Pasajes citados") for fold in page.expander) == 1


@pytest.mark.parametrize("question", ["   ", "\n"])
def test_an_empty_question_asks_nothing(tiny_index: Index, question: str) -> None:
    page = ask(chat_with(tiny_index, "Sí [1]."), question)
    assert len(page.chat_message) == 2
