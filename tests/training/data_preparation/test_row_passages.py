"""Which passages a row shows, and when an earlier choice is kept."""

from dataclasses import replace

import pytest

from retrieval.domain import Domain
from retrieval.index import Index
from retrieval.settings import RetrievalSettings
from tests.conftest import WritePack
from tests.training.data_preparation.exporting import PLANTS, make_pack, open_finder, uses_row
from training.data_preparation.row_passages import (
    PassageFinder,
    choice_key,
    choose_passages,
    kind_of,
    still_stands,
)
from training.dataset_config import DatasetConfig
from training.example import make_example

ALWAYS_PASSAGES = DatasetConfig(without_gold=0, closed_book=0)


@pytest.fixture
def domain(write_pack: WritePack, settings: RetrievalSettings) -> Domain:
    return make_pack(write_pack, settings)


@pytest.fixture
def finder(domain: Domain, settings: RetrievalSettings) -> PassageFinder:
    return open_finder(domain, settings)


def anywhere(section: str) -> bool:
    return True


def test_the_passage_that_holds_the_answer_stands_among_others(finder: PassageFinder) -> None:
    choice = choose_passages(uses_row("ruda"), finder, ALWAYS_PASSAGES, anywhere)
    assert len(choice.sources) == 5 and [source.n for source in choice.sources] == [1, 2, 3, 4, 5]
    (gold,) = (source for source in choice.sources if source.passage_id in choice.gold)
    assert gold.section_id == "plantas/ruda#usos"


def test_its_place_among_them_is_random_and_the_same_every_time(finder: PassageFinder) -> None:
    def place(name: str) -> int:
        choice = choose_passages(uses_row(name), finder, ALWAYS_PASSAGES, anywhere)
        return next(source.n for source in choice.sources if source.passage_id in choice.gold)

    places = [place(name) for name in PLANTS]
    assert len(set(places)) > 1 and places == [place(name) for name in PLANTS]


def test_a_share_of_rows_lacks_its_passages_and_a_share_has_none(finder: PassageFinder) -> None:
    config = DatasetConfig(without_gold=0.25, closed_book=0.25)
    rows = [uses_row("ruda", system="", reasoning=f"Vez {number}.") for number in range(400)]
    kinds = [kind_of(row, config, corpus=True) for row in rows]
    assert 70 <= kinds.count("without_gold") <= 130 and 70 <= kinds.count("closed_book") <= 130


def test_a_row_without_its_passages_shows_none_of_its_sections(finder: PassageFinder) -> None:
    choice = choose_passages(uses_row("ruda"), finder, DatasetConfig(without_gold=1, closed_book=0), anywhere)
    assert choice.kind == "without_gold" and choice.sources
    assert "plantas/ruda#usos" not in {source.section_id for source in choice.sources}


def test_a_refusal_shows_what_the_app_finds_though_it_does_not_answer(finder: PassageFinder) -> None:
    row = make_example("¿Cuánto cuesta la ruda en el mercado?", "No lo encuentro en los documentos.", answerable=False)
    choice = choose_passages(row, finder, DatasetConfig(), anywhere)
    assert choice.kind == "refusal" and "plantas/ruda" in {source.document_id for source in choice.sources}


def test_only_allowed_sections_are_shown_beside_the_answer(finder: PassageFinder) -> None:
    choice = choose_passages(
        uses_row("ruda"), finder, ALWAYS_PASSAGES, lambda section: section.startswith("plantas/tila")
    )
    others = {source.document_id for source in choice.sources if source.passage_id not in choice.gold}
    assert others <= {"plantas/tila"}


def test_a_row_with_its_own_system_prompt_or_no_source_is_asked_as_it_came() -> None:
    assert kind_of(uses_row("ruda", system="Eres breve."), DatasetConfig(without_gold=1), corpus=True) == "closed_book"
    assert kind_of(make_example("¿2+2?", "4"), DatasetConfig(without_gold=1), corpus=True) == "closed_book"


def test_an_earlier_choice_stands_until_its_row_or_a_shown_section_goes(finder: PassageFinder) -> None:
    row = uses_row("ruda")
    choice = choose_passages(row, finder, ALWAYS_PASSAGES, anywhere)
    key = choice_key(row, "passages", finder, ALWAYS_PASSAGES)
    assert still_stands(choice, key, finder, anywhere)
    assert not still_stands(choice, choice_key(row, "passages", finder, DatasetConfig(passages=3)), finder, anywhere)
    gone = [replace(source, section_id="plantas/ida#usos") for source in choice.sources]
    assert not still_stands(replace(choice, sources=tuple(gone)), key, finder, anywhere)
    assert not still_stands(choice, key, finder, lambda section: False)


def test_an_edit_of_its_section_makes_a_choice_anew_and_an_edit_elsewhere_does_not(
    domain: Domain, finder: PassageFinder, settings: RetrievalSettings
) -> None:
    rows = [uses_row("ruda"), uses_row("nopal")]
    keys = [choice_key(row, "passages", finder, ALWAYS_PASSAGES) for row in rows]
    file = domain.corpus / "plantas" / "ruda.md"
    file.write_text(file.read_text("utf-8").replace("paños tibios", "paños calientes"), "utf-8")
    Index(domain, settings).sync(None)
    later = [choice_key(row, "passages", open_finder(domain, settings), ALWAYS_PASSAGES) for row in rows]
    assert later[0] != keys[0] and later[1] == keys[1]
