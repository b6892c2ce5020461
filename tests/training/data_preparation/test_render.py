"""A row's prompt is byte for byte what serving sends; its answer is marked, refused or told from memory."""

from dataclasses import replace

import pytest

from assistant.answer import Assistant
from assistant.backends.scripted import ScriptedBackend
from retrieval.confidence import Confidence
from retrieval.domain import Domain
from retrieval.index import Index
from retrieval.lexical import Analyzer
from retrieval.retrievers import Bm25Retriever, Hit
from retrieval.settings import RetrievalSettings
from retrieval.wiring import domain_rewriter
from tests.conftest import WritePack
from tests.training.data_preparation.exporting import make_pack, open_finder, uses_row
from training.data_preparation.missing_reasoning import absent_words, reason_missing
from training.data_preparation.render import RenderedRow, render
from training.data_preparation.row_passages import Choice, choose_passages
from training.dataset_config import DatasetConfig
from training.example import Example, make_example

FOLLOW_UP = (("user", "¿Qué es la ruda?"), ("assistant", "Ruda es una hierba de olor fuerte."))


@pytest.fixture
def domain(write_pack: WritePack, settings: RetrievalSettings) -> Domain:
    return make_pack(write_pack, settings)


class GivenHits:
    """Finds what it was given, in that order."""

    name = "given"

    def __init__(self, hits: list[Hit]) -> None:
        self.hits = hits

    def search(self, query: str, limit: int, where: dict[str, str] | None = None) -> list[Hit]:
        return self.hits


def made(example: Example, domain: Domain, settings: RetrievalSettings, **shares: float) -> tuple[RenderedRow, Choice]:
    config = DatasetConfig(**{"without_gold": 0, "closed_book": 0, **shares})  # type: ignore[arg-type]
    choice = choose_passages(example, open_finder(domain, settings), config, lambda section: True)
    return render(example, choice, domain.config, Analyzer("es")), choice


@pytest.mark.parametrize("history", [(), FOLLOW_UP])
def test_the_prompt_is_the_one_that_serving_sends(
    domain: Domain, settings: RetrievalSettings, history: tuple[tuple[str, str], ...]
) -> None:
    row, choice = made(uses_row("ruda", history=history), domain, settings)
    view = Index(domain, settings).view()
    found = {hit.passage.id: hit for hit in Bm25Retriever(view).search("té ruda plantas siglo es", 100)}
    found |= {hit.passage.id: hit for hit in Bm25Retriever(view).search("toma pone mercados aroma", 100)}
    hits = [found[source.passage_id] for source in choice.sources]
    backend = ScriptedBackend(["No lo encuentro en los documentos."])
    sure = Confidence(threshold=0.0)
    assistant = Assistant(domain, view, GivenHits(hits), backend, domain_rewriter(domain, view), sure)
    assistant.ask("¿Para qué se toma el té de ruda?", history).run()
    assert list(row.messages) == [(message.role, message.content) for message in backend.asked[0]]


def test_answer_and_reasoning_name_the_passages_by_number(domain: Domain, settings: RetrievalSettings) -> None:
    row, choice = made(uses_row("ruda"), domain, settings)
    number = next(source.n for source in choice.sources if source.passage_id in choice.gold)
    assert row.answer.count(f"[{number}]") == 2 and row.answer.count("[") == 2
    assert row.reasoning == f"Lo dice Ruda › Usos [{number}]."


def test_without_its_passages_the_answer_is_the_refusal_and_the_reasoning_says_what_is_there(
    domain: Domain, settings: RetrievalSettings
) -> None:
    row, choice = made(uses_row("ruda"), domain, settings, without_gold=1)
    assert row.answer == "No lo encuentro en los documentos."
    assert f"{choice.sources[0].label} [1]" in row.reasoning
    assert row.metadata["answerable"] is False and row.metadata["source_sections"] == ["plantas/ruda#usos"]


def test_a_closed_book_row_has_no_passages_no_marks_and_rules_of_its_own(
    domain: Domain, settings: RetrievalSettings
) -> None:
    row, _ = made(uses_row("ruda"), domain, settings, closed_book=1)
    assert "<passage" not in row.messages[-1][1] and "[" not in row.answer
    assert "no hay pasajes" in row.messages[0][1]


def test_a_row_with_its_own_system_prompt_keeps_it(domain: Domain, settings: RetrievalSettings) -> None:
    row, _ = made(uses_row("ruda", system="Eres breve."), domain, settings)
    assert row.messages[0] == ("system", "Eres breve.")


def test_marks_of_a_model_are_replaced_by_our_numbers(domain: Domain, settings: RetrievalSettings) -> None:
    plain, _ = made(uses_row("ruda"), domain, settings)
    marked = replace(uses_row("ruda"), answer=uses_row("ruda").answer.replace(".", " [9]."), origin="llm")
    assert made(marked, domain, settings)[0].answer == plain.answer


def test_words_are_called_absent_only_where_no_passage_has_them(domain: Domain, settings: RetrievalSettings) -> None:
    _, choice = made(uses_row("ruda"), domain, settings)
    assert absent_words("¿Cuánto cuesta el té de ruda en Marte?", choice.sources, "es") == ["cuesta", "Marte"]
    said = reason_missing("¿Cuánto cuesta el té de ruda en Marte?", choice.sources, "es", "x")
    assert "«cuesta» y «Marte»" in said


def test_a_language_without_words_of_ours_gets_no_reasoning(domain: Domain, settings: RetrievalSettings) -> None:
    assert reason_missing("Zer da?", [], "eu", "x") == ""
    assert make_example("a", "b").reasoning == ""
