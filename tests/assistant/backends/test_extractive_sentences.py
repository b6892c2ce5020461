"""Sentences as they can be quoted: labels out, warnings and dependants known."""

import pytest

from assistant.backends.extractive_sentences import Sentence, read_sentences
from assistant.messages import Source
from retrieval.lexical import Analyzer

TOP = """**Ricinus communis** y otras especies — Euphorbiaceae

> **Advertencia:** las semillas son mortales. Contienen ricina, un veneno muy potente.

El ricino es un arbusto de hojas grandes. También se siembra como adorno en los patios."""

TABLE = """| Planta | Uso |
|---|---|
| Wereke | azúcar en la sangre |
| Torote | tos |"""


def read(text: str) -> list[Sentence]:
    source = Source(1, "0" * 16, "plantas/ricino", "plantas/ricino#top", "Ricino", (), text)
    return list(read_sentences(source, Analyzer("es")))


def test_a_line_of_names_is_a_label_and_no_sentence() -> None:
    assert all("Euphorbiaceae" not in sentence.text for sentence in read(TOP))
    assert read("**Agave salmiana** — Asparagaceae\n\nEs una planta de pencas carnosas.")[0].text.startswith("Es una")


@pytest.mark.parametrize(
    ("line", "is_label"),
    [
        ("**Nombres y sinónimos populares**", True),
        ("**Usos**" + " " * 20_000 + "—" * 150, True),
        ("**Usos**" + " " * 20_000 + "—" * 150 + " de la hoja. Y", False),
        ("**La hoja** — fresca o seca — se hierve.", False),
        ("**La hoja** se hierve en agua con sal", False),
    ],
)
def test_bold_words_are_a_label_alone_or_beside_a_dash(line: str, is_label: bool) -> None:
    assert bool(read(line)) is not is_label


def test_all_sentences_of_a_warning_are_known_as_one() -> None:
    assert [sentence.warning for sentence in read(TOP)] == [True, True, False, False]


def test_a_warning_goes_on_from_its_first_sentence() -> None:
    assert [sentence.leans for sentence in read(TOP)] == [False, True, False, True]


def test_the_first_sentence_after_the_warning_opens_the_passage() -> None:
    assert [sentence.text for sentence in read(TOP) if sentence.opens] == ["El ricino es un arbusto de hojas grandes."]


def test_rows_are_items_and_the_header_is_left_out() -> None:
    assert [(sentence.text, sentence.row) for sentence in read(TABLE)] == [
        ("Wereke — azúcar en la sangre", True),
        ("Torote — tos", True),
    ]
