"""What kind of answer a question wants."""

import pytest

from assistant.intent import Intent, read_intent


@pytest.mark.parametrize(
    ("question", "role"),
    [
        ("¿Qué es el susto?", "definition"),
        ("¿Para qué se usa la sábila?", "uses"),
        ("para q sirve la savila", "uses"),
        ("pa k sirbe la damiana", "uses"),
        ("k es el susto y xq da", "definition"),
        ("¿El copal quita el dolor?", "evidence"),
        ("a mi papá se le enchuecó la boca, ¿qué hago?", "safety"),
        ("¿Quién cura entre los mayas?", "culture"),
        ("¿Qué se hace para el empacho?", "uses"),
        ("¿Es peligroso el toloache?", "safety"),
        ("¿Puedo tomar ruda en el embarazo?", "safety"),
        ("¿Cómo se prepara el té de bugambilia?", "preparation"),
        ("¿Con qué otros nombres se conoce el cempasúchil?", "names"),
        ("¿Qué sustancias contiene el cacao?", "chemistry"),
        ("¿Dónde viven los totonacos?", "place"),
    ],
)
def test_the_first_role_is_what_the_question_asks_about(question: str, role: str) -> None:
    assert read_intent(question, "es").roles[0] == role


@pytest.mark.parametrize(
    "question",
    [
        "¿Qué diferencia hay entre el susto y el espanto?",
        "¿En qué se distingue el mal de ojo del daño?",
        "ruda vs romero",
    ],
)
def test_a_comparison_is_seen(question: str) -> None:
    assert read_intent(question, "es").kind == "comparison"


@pytest.mark.parametrize(
    ("question", "language"),
    [("mejor {} la ruda o nada", "es"), ("entre {} la ruda y nada", "es"), ("better {} rue or none", "en")],
)
def test_a_comparison_stands_close_together(question: str, language: str) -> None:
    assert read_intent(question.format("con"), language).kind == "comparison"
    assert read_intent(question.format("con " * 40), language).kind == "facts"


@pytest.mark.parametrize(
    "question",
    ["¿qué examen le hago aunque esté contento?", "¿se usa para curar al curandero?", "¿cómo protejo a los niños?"],
)
def test_words_inside_other_words_ask_nothing(question: str) -> None:
    assert not {"definition", "safety"} & set(read_intent(question, "es").roles)


@pytest.mark.parametrize(
    "question",
    ["¿Qué plantas medicinales hay en Sonora?", "dime hierbas para la tos", "¿Cuáles son las tres entidades?"],
)
def test_a_list_is_seen(question: str) -> None:
    assert read_intent(question, "es").kind == "list"


def test_english_has_its_own_words() -> None:
    assert read_intent("Is it safe during pregnancy?", "en").roles[0] == "safety"
    assert read_intent("What is the difference between A and B?", "en").kind == "comparison"


def test_a_language_without_patterns_wants_facts_of_any_role() -> None:
    assert read_intent("Was ist das?", "de") == Intent("facts")
