"""Each sentence of an answer cites the passage that holds it."""

import pytest

from assistant.citations import cite
from assistant.messages import Source
from retrieval.lexical import Analyzer
from training.data_preparation.marks import add_marks, remove_marks

SPANISH = Analyzer("es")
SOURCES = [
    Source(
        1,
        "a",
        "sabila",
        "sabila#toxicidad",
        "Sábila",
        ("Toxicidad",),
        "El acíbar es un *purgante* fuerte. No se da a niños.",
    ),
    Source(
        2,
        "b",
        "sabila",
        "sabila#usos",
        "Sábila",
        ("Usos",),
        "El gel se pone en quemaduras leves. Se toman 2 cucharadas.",
    ),
]


def test_a_sentence_cites_the_passage_that_holds_it_word_for_word() -> None:
    answer = "El gel se pone en quemaduras leves. El acíbar es un purgante fuerte."
    assert add_marks(answer, SOURCES, SPANISH) == (
        "El gel se pone en quemaduras leves. [2] El acíbar es un purgante fuerte. [1]"
    )


def test_an_opening_before_a_quoted_sentence_does_not_hide_it() -> None:
    assert add_marks("Sobre la sábila: No se da a niños.", SOURCES, SPANISH) == "Sobre la sábila: No se da a niños. [1]"


def test_a_paraphrase_cites_the_passage_with_most_of_its_words() -> None:
    assert add_marks("En quemaduras leves ponen el gel.", SOURCES, SPANISH) == "En quemaduras leves ponen el gel. [2]"


@pytest.mark.parametrize("claim", ["Crece en Marte y en Venus.", "Se toman 9 cucharadas.", "El gel sirve así:"])
def test_a_sentence_that_no_passage_bears_out_cites_nothing(claim: str) -> None:
    assert add_marks(claim, SOURCES, SPANISH) == claim


def test_items_of_a_list_keep_their_lines() -> None:
    answer = "- El gel se pone en quemaduras leves.\n- No se da a niños."
    assert add_marks(answer, SOURCES, SPANISH) == "- El gel se pone en quemaduras leves. [2]\n- No se da a niños. [1]"


def test_the_marks_are_read_as_supported_citations_by_the_app() -> None:
    marked = add_marks("El gel se pone en quemaduras leves. No se da a niños.", SOURCES, SPANISH)
    assert [(citation.n, citation.supported) for citation in cite(marked, SOURCES, SPANISH)] == [(2, True), (1, True)]


def test_marks_that_came_with_an_answer_are_removed() -> None:
    assert remove_marks("El gel alivia [3]. No se bebe. [1][2]") == "El gel alivia. No se bebe."
