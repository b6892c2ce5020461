"""Answers measured by rule: refusals, citations, support, topics, and risk against coverage, by eye."""

from collections.abc import Callable

import pytest

from assistant.answer import Assistant
from assistant.answer_scores import AnswerRow, risk_coverage, score_answer, summarise_answers, topic_share
from assistant.backends.scripted import ScriptedBackend
from assistant.settings import AssistantSettings
from assistant.wiring import build_assistant
from retrieval.domain import GoldQuestion, load_domain
from retrieval.index import Index
from retrieval.lexical import Analyzer
from retrieval.settings import RetrievalSettings
from tests.conftest import WritePack

Ask = Callable[[str, str], AnswerRow]


@pytest.fixture
def ask(write_pack: WritePack, settings: RetrievalSettings) -> Ask:
    """`ask(question, reply)` on a pack of three plants; the reply is what the backend writes."""
    text = "# {0}\n\n## Usos\n\nLa {0} se usa {1}."
    uses = {"Ruda": "en limpias y para el dolor de oído de los niños mayores", "Menta": "en té", "Malva": "en lavados"}
    write_pack({f"{name.lower()}.md": text.format(name, use) for name, use in uses.items()})
    index = Index(load_domain("tiny", settings.domains_dir), settings)
    index.sync(None)

    def asked(question: str, reply: str) -> AnswerRow:
        assistant: Assistant = build_assistant(
            "tiny", settings, AssistantSettings(), None, backend=ScriptedBackend([reply])
        )
        gold = GoldQuestion("q1", question, "direct", ("ruda#usos",), "test")
        return score_answer(gold, assistant.ask(question), assistant.view.analyzer, "es")

    return asked


def test_a_borne_out_answer_has_full_marks(ask: Ask) -> None:
    row = ask(
        "¿Para qué se usa la ruda en limpias?", "La ruda se usa en limpias y para el dolor de oído de los niños [1]."
    )
    assert (row.right, row.citations, row.citation_precision, row.support) == (True, 1, 1, 1)
    assert (row.cites_gold, row.language_match) == (True, True)


def test_an_invented_second_sentence_halves_the_support(ask: Ask) -> None:
    row = ask(
        "¿Para qué se usa la ruda?", "La ruda se usa en limpias [1]. También cura fracturas graves de cadera [1]."
    )
    assert (row.citation_precision, row.support) == (1 / 2, 1 / 2)


def test_an_answer_in_another_language_is_noticed(ask: Ask) -> None:
    row = ask(
        "¿Para qué se usa la ruda?", "Rue is used in cleansing rituals and against the earache of older children [1]."
    )
    assert row.language_match is False


def test_a_wrong_refusal_is_wrong_and_has_no_shares(ask: Ask) -> None:
    row = ask("¿Para qué se usa la ruda?", "No lo encuentro en los documentos.")
    assert (row.abstained, row.right, row.citation_precision, row.support) == (True, False, None, None)


def row(chance: float, answerable: bool, abstained: bool = False) -> AnswerRow:
    values = (1, 1.0, 1.0, True, True, (), "texto de dos", 0.1, 0.2, 3)
    return AnswerRow("q", "¿?", "direct", answerable, abstained, chance, *values)


def test_risk_grows_where_unanswerable_questions_would_be_answered() -> None:
    rows = [row(0.9, True), row(0.8, True), row(0.7, False), row(0.7, True)]
    assert risk_coverage(rows) == [(0.9, 1 / 4, 0), (0.8, 2 / 4, 0), (0.7, 1, 1 / 4)]


def test_figures_are_means_over_the_questions_that_have_them() -> None:
    found = summarise_answers(
        [row(0.9, True), row(0.2, False, abstained=True), row(0.8, False), row(0.1, True, abstained=True)]
    )
    assert found["answered_or_refused_correctly"] == found["unanswerable_answered"] == 0.5
    assert (found["questions"], found["words"]) == (4, 3)
    assert summarise_answers([])["answered"] is None


def test_topics_are_found_by_their_stems() -> None:
    analyzer = Analyzer("es")
    assert topic_share("Alivia quemaduras leves de la piel.", ["quemadura", "diabetes", "pieles"], analyzer) == 2 / 3
    assert topic_share("Nada.", [], analyzer) == 0
