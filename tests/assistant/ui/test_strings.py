"""The table of strings: the same keys and blanks in every language."""

import re

from assistant.ui.strings import FIELDS, STRINGS, number, words


def test_every_language_says_the_same_things() -> None:
    assert STRINGS["es"].keys() == STRINGS["en"].keys()
    assert FIELDS["es"].keys() == FIELDS["en"].keys()


def test_every_language_leaves_the_same_blanks() -> None:
    for key, text in STRINGS["es"].items():
        assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", STRINGS["en"][key])), key


def test_a_regional_code_finds_its_language() -> None:
    assert words("es-MX")["page_documents"] == "Documentos"


def test_an_unknown_language_reads_english() -> None:
    assert words("nah") is STRINGS["en"]
    assert words(None) is STRINGS["en"]


def test_seconds_have_the_languages_decimal_sign() -> None:
    assert [number(1.25, "es"), number(1.25, "en"), number(0.01, "es")] == ["1,2", "1.2", "< 0,1"]
