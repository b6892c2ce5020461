"""What of a conversation the next answer is given."""

from assistant.history import MAX_TURNS, recent_turns
from assistant.messages import Message


def test_turns_are_the_persons_words_and_the_answers_without_the_system() -> None:
    messages = [
        Message("system", "Reglas"),
        Message("user", "<passage>...</passage> Pregunta: ¿Qué es la ruda?", question="¿Qué es la ruda?"),
        Message("assistant", "Una hierba [1]."),
    ]
    assert recent_turns(messages) == [("user", "¿Qué es la ruda?"), ("assistant", "Una hierba [1].")]


def test_only_the_latest_turns_are_kept_oldest_first() -> None:
    messages = [Message("user", str(number)) for number in range(MAX_TURNS + 3)]
    assert recent_turns(messages) == [("user", str(number)) for number in range(3, MAX_TURNS + 3)]


def test_no_messages_are_no_turns() -> None:
    assert recent_turns([]) == []
