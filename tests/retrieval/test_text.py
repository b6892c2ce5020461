"""Folding, slugs and invisible characters."""

from hypothesis import given
from hypothesis import strategies as st

from retrieval.text import fold_accents, slugify, strip_invisible


def test_accents_go_and_the_letters_to_keep_stay() -> None:
    assert fold_accents("Raíz, pingüino, ÑANDÚ") == "Raiz, pinguino, NANDU"
    assert fold_accents("riñón año", keep="ñ") == "riñon año"


def test_composed_and_decomposed_letters_fold_alike() -> None:
    assert fold_accents("n\u0303ame rai\u0301z", keep="ñ") == fold_accents("ñame raíz", keep="ñ") == "ñame raiz"


def test_other_scripts_are_kept_in_slugs() -> None:
    assert slugify("Botánica y ecología") == "botanica-y-ecologia"
    assert slugify("用途 / uso_común") == "用途-uso-comun"
    assert slugify("***") == ""


def test_what_a_reader_cannot_see_is_removed() -> None:
    assert strip_invisible("ru\u200bda\u202e \u00adté\x1b[31m\U000e0041") == "ruda té[31m"
    assert strip_invisible("línea\ny\ttabulador") == "línea\ny\ttabulador"


@given(st.text())
def test_folding_and_slugs_settle_at_once(text: str) -> None:
    assert fold_accents(fold_accents(text)) == fold_accents(text)
    assert slugify(slugify(text)) == slugify(text)
