"""Red flags of questions and warnings of documents, before any answer."""

import pytest

from assistant.safety import MAX_QUESTION, document_warnings, red_flags
from retrieval.domain import DomainConfig
from retrieval.index import Index

CONFIG = DomainConfig.model_validate(
    {
        "title": "Plantas", "language": "es", "persona": "p", "refusal": "r", "disclaimer": "d",
        "red_flags": [
            {"name": "emergency", "patterns": [r"\bno puede respirar\b", "se desmay"], "message": "Llame al 911."},
            {"name": "children", "patterns": [r"\bmi (bebe|niño)\b"], "message": "Consulte antes."},
        ],
    }
)  # fmt: skip


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("¡NO PUEDE RESPIRAR!", ["emergency"]),
        ("mi bebé se desmayó", ["emergency", "children"]),  # in the pack's order, each once, accents or not
        ("mi nino", []),  # ñ is a letter of its own
        ("mi niño", ["children"]),
        ("¿qué es el susto?", []),
        ("", []),
    ],
)
def test_a_question_raises_the_flags_whose_patterns_it_holds(question: str, names: list[str]) -> None:
    assert [notice.name for notice in red_flags(question, CONFIG)] == names


def test_only_the_beginning_of_a_very_long_question_is_looked_at() -> None:
    assert red_flags("x" * MAX_QUESTION + " no puede respirar", CONFIG) == []


def test_the_warning_of_a_document_is_given_once(three_remedies: Index) -> None:
    view = three_remedies.view()
    documents = {view.document(number).title: view.document(number) for number in range(3)}
    (notice,) = document_warnings([documents["Ruda"], documents["Manzanilla"], documents["Manzanilla"]])
    assert notice.name == "Manzanilla" and "alérgico" in notice.message


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("Mi bebé no puede respirar", "emergency"),
        ("se tomó unas semillas de toloache", "poisoning"),
        ("estoy embarazada, ¿puedo tomar ruda?", "pregnancy"),
        ("me quiero morir", "self_harm"),
        ("quiero echarle toloache sin que se dé cuenta", "secret_dosing"),
        ("¿puedo dejar la insulina y tomar nopal?", "serious_illness"),
    ],
)
def test_the_shipped_pack_knows_its_emergencies(shipped: Index, question: str, name: str) -> None:
    assert name in [notice.name for notice in red_flags(question, shipped.domain.config)]


def test_most_of_the_shipped_gold_questions_raise_no_flag(shipped: Index) -> None:
    questions = shipped.domain.questions()
    raised = [gold for gold in questions if red_flags(gold.question, shipped.domain.config)]
    assert len(raised) < 0.2 * len(questions)
