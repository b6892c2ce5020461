"""Questions that ask how much, sentences that say how much."""

import pytest

from retrieval.quantity import asks_quantity, gives_quantity


@pytest.mark.parametrize(
    "question",
    [
        "¿Cuántas cápsulas me tomo?",
        "cuanto cuesta",
        "a como esta el kilo",
        "¿qué temperatura alcanza?",
        "how many people?",
        "What is the dosage?",
        "¿Cuál es la dosis para niños?",
        "¿Qué precios tiene?",
        "¿a cómo el kilo?",
    ],
)
def test_a_question_for_a_number_is_known(question: str) -> None:
    assert asks_quantity(question)


@pytest.mark.parametrize(
    "question",
    [
        "¿para qué sirve?",
        "¿cómo está mi hermana?",
        "¿qué es el susto?",
        "what is it?",
        "¿Qué hago en cuanto a la tos?",
        "¿La tomo cuanto antes?",
        "unas cuantas hojas ¿sirven?",
    ],
)
def test_other_questions_are_not(question: str) -> None:
    assert not asks_quantity(question)


@pytest.mark.parametrize(
    "sentence",
    [
        "Mide 30 cm.",
        "Se dan tres tomas.",
        "Lo hablan setecientas mil.",
        "Unos dieciocho pueblos.",
        "It takes twenty minutes.",
    ],
)
def test_a_sentence_with_a_count_gives_one(sentence: str) -> None:
    assert gives_quantity(sentence)


@pytest.mark.parametrize("sentence", ["Es una planta.", "Sirve para la tos.", "One says so."])
def test_an_article_is_no_count(sentence: str) -> None:
    assert not gives_quantity(sentence)
