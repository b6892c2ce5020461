"""The backend that replays: what tests and work on the page stand on."""

import pytest

from assistant.backends.scripted import ScriptedBackend
from assistant.messages import Message, Options
from retrieval.errors import BackendError

ASK = [Message("user", "¿Qué es?")]


def replies(backend: ScriptedBackend) -> list[tuple[str, str]]:
    return [(piece.kind, piece.text) for piece in backend.stream(ASK, Options())]


def test_the_nth_question_gets_the_nth_reply_word_by_word() -> None:
    backend = ScriptedBackend(["Es ruda.", "Es sábila."])
    assert replies(backend) == [("answer", "Es "), ("answer", "ruda.")]
    assert replies(backend) == [("answer", "Es "), ("answer", "sábila.")]
    assert backend.asked == [ASK, ASK]


def test_reasoning_is_split_from_the_answer() -> None:
    assert replies(ScriptedBackend(["<think>Veo.</think>\n\nEs ruda."])) == [
        ("reasoning", "Veo."),
        ("answer", "Es "),
        ("answer", "ruda."),
    ]


def test_an_error_in_the_script_is_raised() -> None:
    with pytest.raises(BackendError, match="sin conexión"):
        replies(ScriptedBackend([BackendError("sin conexión")]))


def test_a_question_too_many_is_an_error_that_counts() -> None:
    backend = ScriptedBackend(["Es ruda."])
    replies(backend)
    with pytest.raises(BackendError, match="holds 1 replies and was asked 2 times"):
        replies(backend)
