"""Confidence: the chance that the corpus answers, times the share of the answer that its passages bear out."""

import pytest

from assistant.backends.scripted import ScriptedBackend
from assistant.certainty import answer_confidence, support_share
from assistant.citations import Citation, uncited_sentences
from retrieval.lexical import Analyzer
from tests.assistant.conftest import MakeAssistant

USES = "¿Para qué se usa la ruda?"
BORNE_OUT = "Se usa en barridas contra el aire y el espanto [1]."


@pytest.fixture(scope="module")
def analyzer() -> Analyzer:
    return Analyzer("es")


def citation(sentence: str, supported: bool) -> Citation:
    return Citation(1, "p", "d", "s", "", supported, sentence)


def test_the_two_parts_are_multiplied_and_a_refusal_claims_nothing() -> None:
    assert answer_confidence(0.8, 0.5) == 0.4
    assert answer_confidence(0.8, 0.5, abstained=True) == 0


def test_a_statement_counts_once_and_needs_one_passage_that_bears_it_out(analyzer: Analyzer) -> None:
    one, other = "La ruda quita el aire.", "La ruda cura la gripe."
    citations = [citation(one, False), citation(one, True), citation(other, False)]
    assert support_share(f"{one} [1][2] {other} [1]", citations, analyzer) == 1 / 2


def test_a_statement_without_a_mark_is_not_borne_out_and_a_greeting_states_nothing(analyzer: Analyzer) -> None:
    text = "Claro. La ruda quita el aire. [1] La ruda cura la gripe."
    assert uncited_sentences(text, analyzer) == ["La ruda cura la gripe."]
    assert support_share(text, [citation("La ruda quita el aire.", True)], analyzer) == 1 / 2


def test_nothing_said_is_not_supported(analyzer: Analyzer) -> None:
    assert support_share("", [], analyzer) == 0


def test_an_invented_sentence_lowers_an_answers_confidence(make_assistant: MakeAssistant) -> None:
    sure = make_assistant(ScriptedBackend([BORNE_OUT])).ask(USES).run()
    less = make_assistant(ScriptedBackend([f"{BORNE_OUT} También cura la diabetes en ocho días."])).ask(USES).run()
    none = make_assistant(ScriptedBackend(["También cura la diabetes en ocho días."])).ask(USES).run()
    assert 0.5 < sure.confidence <= 1 and less.confidence == round(sure.confidence / 2, 4) and none.confidence == 0
