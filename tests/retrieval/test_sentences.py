"""Sentence boundaries in Spanish and English prose, and in lists."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.sentences import leans_on_the_last, sentence_spans, without_list_mark


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


def test_inverted_marks_and_ellipses_begin_and_end_sentences() -> None:
    assert sentences("Es amarga. ¿Y tóxica? ¡Sí! Mucho… Cuidado.") == [
        "Es amarga.",
        "¿Y tóxica?",
        "¡Sí!",
        "Mucho…",
        "Cuidado.",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "El Dr. Martínez la describió.",
        "La sábila (Aloe vera L. Burm.) se cultiva.",
        "Mide aprox. 30 cm, cf. Figura 2.",
        "It costs 3.5 dollars, e.g. in Puebla.",
        "Entre 1.500 y 2.000 metros.",
    ],
)
def test_abbreviations_and_numbers_end_no_sentence(text: str) -> None:
    assert sentences(text) == [text]


def test_closing_marks_stay_with_their_sentence() -> None:
    assert sentences("«Es fría.» (Lo dicen todos.) **Nadie duda.** Fin.") == [
        "«Es fría.»",
        "(Lo dicen todos.)",
        "**Nadie duda.**",
        "Fin.",
    ]


def test_list_items_and_blank_lines_end_sentences() -> None:
    assert sentences("Se usa:\n- la hoja\n- la raíz\n\nsin hervir") == [
        "Se usa:",
        "- la hoja",
        "- la raíz",
        "sin hervir",
    ]
    assert without_list_mark("- la hoja") == without_list_mark("12. la hoja") == "la hoja"


def test_a_line_break_inside_a_paragraph_ends_no_sentence() -> None:
    assert sentences("La hoja se\nhierve en agua.") == ["La hoja se\nhierve en agua."]


@pytest.mark.parametrize(
    "sentence",
    [
        "También se unta.",
        "Tampoco se da a niños.",
        "Ese gel no se toma.",
        "La extraen los copaleros.",
        "Es el cuadro de siempre.",
        "Estos tés no se dan a menores.",
        "Otra, de hoja ancha, se mastica.",
        "Ellos la llaman hierba fría.",
        "La gente la bebe en ayunas.",
        "Los usan al amanecer.",
        "Pero no se hierve.",
    ],
)
def test_some_sentences_lean_on_the_last_one(sentence: str) -> None:
    assert leans_on_the_last(sentence, "es")
    assert not leans_on_the_last(sentence, "de")


@pytest.mark.parametrize(
    "sentence",
    [
        "La infusión se toma.",
        "El té es amargo.",
        "Crece en matorrales.",
        "Los mayas la usan.",
        "Estoraque es una resina de olor dulce.",
        "Perote es un municipio de Veracruz.",
        "Peroné es un hueso de la pierna.",
        "Esoterismo y brujería no son lo mismo.",
        "Otrora se vendía en boticas.",
        "La Virgen se honra en mayo.",
        "La imagen muestra la raíz.",
        "La orden de San Juan tenía botica.",
        "La gran mayoría se cultiva.",
        "La sien se frota con alcohol.",
    ],
)
def test_others_stand_alone(sentence: str) -> None:
    assert not leans_on_the_last(sentence, "es")


def test_a_long_run_of_full_stops_is_one_end() -> None:
    assert sentences("Nadie sabe" + "." * 20_000 + " Fin.") == ["Nadie sabe" + "." * 20_000, "Fin."]
    assert sentences("." * 20_000 + "a") == ["." * 20_000 + "a"]


def test_english_leans_too() -> None:
    assert leans_on_the_last("However, it fades.", "en") and not leans_on_the_last("Rest helps.", "en")


@given(st.text(st.sampled_from('ab.!?… \n\r-*1)"»AÁ¿\u00a0'), max_size=80))
def test_spans_are_in_order_and_lose_nothing_but_white_space(text: str) -> None:
    spans = sentence_spans(text)
    assert "".join("".join(text[a:b] for a, b in spans).split()) == "".join(text.split())
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
