"""Marks become citations, and each is checked against the passage that it names."""

import pytest

from assistant.citations import check, cite, plain, stray_marks
from assistant.messages import Source
from retrieval.lexical import Analyzer

ANALYZER = Analyzer("es")
RUDA = (
    "La ruda es una hierba de olor fuerte. En el embarazo puede provocar sangrado y aborto.\n\n- Se toma 1 vez al día."
)


def source(n: int, text: str) -> Source:
    return Source(n, f"{n:016x}", "ruda", f"ruda#{n}", "Ruda", ("Usos",), text)


SOURCES = (source(1, RUDA), source(2, "El epazote quita los gases."))


def test_a_mark_is_tied_to_its_passage_and_sentence() -> None:
    (citation,) = cite("En el embarazo puede provocar sangrado y aborto [1].", SOURCES, ANALYZER)
    assert (citation.n, citation.document, citation.section, citation.passage_id) == (
        1,
        "ruda",
        "ruda#1",
        "0" * 15 + "1",
    )
    assert citation.quote == "En el embarazo puede provocar sangrado y aborto." and citation.supported


@pytest.mark.parametrize(
    "answer", ["Quita los gases [2].", "Quita los gases. [2]", "Quita los gases.[2]", "Quita los gases [2]"]
)
def test_a_mark_before_or_after_the_full_stop_belongs_to_the_sentence_before_it(answer: str) -> None:
    (citation,) = cite(f"Hola. {answer}", SOURCES, ANALYZER)
    assert citation.sentence.rstrip(".") == "Quita los gases" and citation.supported


def test_a_sentence_may_cite_two_passages_and_a_passage_be_cited_twice() -> None:
    found = cite(
        "La ruda es una hierba y el epazote quita los gases [1][2]. El epazote quita los gases [2] [2].",
        SOURCES,
        ANALYZER,
    )
    assert [citation.n for citation in found] == [1, 2, 2]


def test_numbers_that_no_source_has_are_left_out_and_listed() -> None:
    assert cite("Quita los gases [7].", SOURCES, ANALYZER) == []
    assert stray_marks("Uno [7]. Dos [2]. Tres [7][9].", SOURCES) == [7, 9]


def test_an_invented_claim_is_not_supported() -> None:
    (citation,) = cite("La ruda cura el cáncer de pulmón en tres semanas [1].", SOURCES, ANALYZER)
    assert not citation.supported


@pytest.mark.parametrize(
    ("claim", "supported"),
    [
        ("En el embarazo puede provocar sangrado y aborto.", True),  # word for word
        ("Durante el embarazo provoca sangrado o aborto", True),  # its content words
        ("Se toma 1 vez al día.", True),
        ("Se toma 3 veces al día.", False),  # another number
        ("Es bueno.", False),  # says nothing that could be checked
        ("", False),
    ],
)
def test_support_is_words_for_words_or_content_words_with_all_numbers(claim: str, supported: bool) -> None:
    assert check(claim, RUDA, ANALYZER)[1] is supported


def test_the_quote_is_the_nearest_sentence_as_it_stands() -> None:
    assert check("provoca aborto", RUDA, ANALYZER)[0] == "En el embarazo puede provocar sangrado y aborto."
    assert check("se toma una vez", RUDA, ANALYZER)[0] == "Se toma 1 vez al día."
    assert check("bicicleta", RUDA, ANALYZER)[0] == ""


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("Con **[ruda](../ruda.md)** y _albahaca_", "Con ruda y albahaca"),
        ("![foto](x.png) `código`", "foto código"),
        ("> citado\n> dos", "citado dos"),
        ("- punto\n  seguido", "punto seguido"),
        ("snake_case, 2*3 y 2 * 3", "snake_case, 2*3 y 2 * 3"),
        ("**5** g, *5 g* y ***todo***", "5 g, 5 g y todo"),
    ],
)
def test_plain_is_what_a_reader_sees(text: str, reads: str) -> None:
    assert plain(text) == reads
