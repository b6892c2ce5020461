"""Whether a question is answered at all: the fit, the cut and the signs."""

from dataclasses import replace

import numpy as np
import pytest

from retrieval.confidence import SIGN_NAMES, Confidence, signs
from retrieval.domain import load_domain
from retrieval.followups import Rewriter
from retrieval.index import Index
from retrieval.retrievers import Bm25Retriever
from retrieval.settings import RetrievalSettings
from retrieval.wording import Wording
from tests.conftest import WritePack
from tests.fakes import PACK

COUNT = len(SIGN_NAMES)
ANSWERED = np.array([0.9, 0.0, 1.0, *[0.8] * (COUNT - 3)])  # said, unknown, named, the rest
REFUSED = np.array([0.2, 0.8, 0.0, *[0.3] * (COUNT - 3)])


def test_rows_that_can_be_told_apart_are() -> None:
    random = np.random.default_rng(1)
    rows = [row + random.normal(0, 0.05, COUNT) for row in (ANSWERED, REFUSED) for _ in range(30)]
    confidence = Confidence.fit(rows, [True] * 30 + [False] * 30)
    assert [confidence.accepts(row) for row in rows] == [True] * 30 + [False] * 30
    assert confidence.probability(ANSWERED) > 0.9 > 0.1 > confidence.probability(REFUSED)


@pytest.mark.parametrize(("answerable", "answered"), [(2, False), (4, True)])
def test_a_wrong_answer_costs_three_wrong_refusals(answerable: int, answered: bool) -> None:
    between = (ANSWERED + REFUSED) / 2  # one unanswerable question looks like this, and two or four answerable ones
    rows = [ANSWERED] * (85 - answerable) + [between] * (answerable + 1) + [REFUSED] * 14
    assert Confidence.fit(rows, [True] * 85 + [False] * 15).accepts(between) is answered


def test_how_many_unanswerable_questions_the_gold_holds_does_not_matter() -> None:
    between = (ANSWERED + REFUSED) / 2
    rows = [ANSWERED] * 81 + [between] * (4 + 10) + [REFUSED] * 140
    assert Confidence.fit(rows, [True] * 85 + [False] * 150).accepts(between)


def test_few_answerable_questions_count_as_much_as_many_others() -> None:
    rows = [ANSWERED] * 3 + [REFUSED] * 60
    confidence = Confidence.fit(rows, [True] * 3 + [False] * 60)
    assert confidence.accepts(ANSWERED) and not confidence.accepts(REFUSED)


def test_what_was_stored_is_read_back_and_an_older_form_is_not() -> None:
    weights = tuple(float(number) for number in range(len(SIGN_NAMES) + 1))
    assert Confidence.of({"weights": list(weights), "threshold": 0.7}) == Confidence(weights, 0.7)
    assert Confidence.of({"weights": [1.0], "threshold": 0.7}) == Confidence.of(None) == Confidence()
    assert len(Confidence().weights) == len(SIGN_NAMES) + 1


def test_the_model_of_wordings_is_stored_with_the_weights() -> None:
    wording = Wording.fit(["¿a cómo está xx?", "¿para qué sirve xx?"], [False, True])
    again = Confidence.of(replace(Confidence(), wording=wording).as_json())
    assert again.wording is not None and again.wording.score("¿a cómo?") == wording.score("¿a cómo?")
    assert Confidence.of(Confidence().as_json()) == Confidence()


@pytest.fixture
def index(write_pack: WritePack, settings: RetrievalSettings) -> Index:
    documents = {
        "ruda.md": "# Ruda\n\n## Usos\n\nSe usa en limpias contra el espanto.",
        "epazote.md": "# Epazote\n\nQuita los gases y las lombrices.",
    }
    write_pack(documents, config=f"{PACK}sections: {{Usos: {{aliases: [sirve]}}}}\n")
    index = Index(load_domain("tiny", settings.domains_dir), settings)
    index.sync(None)
    return index


def signs_of(index: Index, question: str) -> dict[str, float]:
    view = index.view()
    rewriter = Rewriter(view, (), index.domain.config.sections)
    found = signs(view, question, Bm25Retriever(view).search(question, 5), rewriter)
    return dict(zip(SIGN_NAMES, found.tolist(), strict=True))


def test_a_question_that_a_passage_says_whole_has_every_good_sign(index: Index) -> None:
    found = signs_of(index, "¿La ruda en limpias contra el espanto?")
    assert (found["said"], found["unknown"], found["named"]) == (1.0, 0.0, 1.0)
    assert found["strength"] > 0


def test_a_question_about_something_else_is_unknown(index: Index) -> None:
    found = signs_of(index, "¿Quién ganó el mundial de futbol?")
    assert (found["said"], found["unknown"], found["named"], found["strength"]) == (0.0, 1.0, 0.0, 0.0)


def test_half_known_is_half_said(index: Index) -> None:
    found = signs_of(index, "¿Las limpias ferroviarias?")
    assert 0 < found["said"] < found["unknown"] < 1
    assert found["said"] + found["unknown"] == pytest.approx(1)


def test_a_name_alone_is_fully_said(index: Index) -> None:
    assert signs_of(index, "la ruda")["said"] == 1.0


def test_a_question_for_a_number_that_no_sentence_gives_is_uncounted(write_pack: WritePack, index: Index) -> None:
    write_pack({"menta.md": "# Menta\n\nLa hoja de menta mide 5 centímetros."}, config=PACK)
    index.sync(None)
    assert signs_of(index, "¿cuántas lombrices quita el epazote?")["uncounted"] == 1.0
    assert signs_of(index, "¿cuántos centímetros mide la hoja?")["uncounted"] == 0.0
    assert signs_of(index, "¿quita lombrices?")["uncounted"] == 0.0


def test_how_long_is_answered_by_a_time_and_not_by_something_long(write_pack: WritePack, index: Index) -> None:
    write_pack(
        {"bread.md": "# Bread\n\nBake the loaf for forty minutes."}, config=PACK.replace("language: es", "language: en")
    )
    index = Index(load_domain("tiny", index.settings.domains_dir), index.settings)
    index.sync(None)
    assert signs_of(index, "How long do I bake the bread?")["uncounted"] == 0.0
    assert signs_of(index, "How many eggs does the bread need?")["uncounted"] == 1.0


def test_the_wording_counts_with_the_names_masked(index: Index) -> None:
    wording = Wording.fit(["¿a cómo está xx?", "¿para qué sirve xx?"], [False, True])
    view = index.view()
    rewriter = Rewriter(view, (), index.domain.config.sections)
    ruda = signs(view, "¿a cómo está la ruda?", [], rewriter, wording)
    epazote = signs(view, "¿a cómo está la epazote?", [], rewriter, wording)
    assert ruda[SIGN_NAMES.index("wording")] == epazote[SIGN_NAMES.index("wording")] < 0
    assert signs(view, "¿a cómo está la ruda?", [], rewriter)[SIGN_NAMES.index("wording")] == 0


def test_words_that_ask_for_a_section_are_counted(index: Index) -> None:
    assert signs_of(index, "¿sirve contra las lombrices?")["asks"] > 0
    assert Confidence().accepts(np.array(list(signs_of(index, "¿La ruda en limpias contra el espanto?").values())))
    assert not Confidence().accepts(np.array(list(signs_of(index, "¿Quién ganó el mundial de futbol?").values())))
