"""Typed words matched to known ones: missing ñ, Mexican spelling by sound, slips of one or two letters."""

import pytest

from retrieval.lexical import Analyzer
from retrieval.spelling import MOST_RESPELLINGS, Speller, filler_sounds, respellings, spanish_sound

WORDS = (
    "sábila riñón hígado empacho niño gordolobo toloache hierbabuena corazón zacate huesos guayaba lluvia manzanilla"
)
ANALYZER = Analyzer("es")
SPELLER = Speller(ANALYZER.terms(WORDS), "es")


def meant(word: str) -> str:
    """The known word that a typed one is taken for, as an index term."""
    [term] = ANALYZER.terms(word)
    return " ".join(SPELLER.suggest(term))


@pytest.mark.parametrize(
    ("typed", "known"),
    [
        ("rinon", "riñón"),
        ("nino", "niño"),
        ("savila", "sábila"),
        ("corason", "corazón"),
        ("sacate", "zacate"),
        ("uesos", "huesos"),
        ("yerbabuena", "hierbabuena"),
        ("toloatche", "toloache"),
        ("gordolovo", "gordolobo"),
        ("manzaniya", "manzanilla"),
        ("manaznilla", "manzanilla"),
        ("empahco", "empacho"),
    ],
)
def test_a_word_typed_wrong_finds_the_known_one(typed: str, known: str) -> None:
    assert meant(typed) == " ".join(ANALYZER.terms(known))


@pytest.mark.parametrize("typed", ["francia", "xyz", "sol", "1985"])
def test_a_word_that_nothing_resembles_finds_nothing(typed: str) -> None:
    assert SPELLER.suggest(typed) == ()


def test_another_vowel_is_another_word() -> None:
    assert Speller(["chamic"], "es").suggest("chamac") == ()  # chamico, chamaco: terms are stems


def test_in_a_long_word_another_vowel_is_a_slip() -> None:
    assert Speller(["toloach"], "es").suggest("toluach") == ("toloach",)


def test_sounds_are_spanish_only_in_spanish() -> None:
    assert spanish_sound("sirbe") == spanish_sound("sirve")
    assert Speller(["zinc"], "en").suggest("sink") == ()


def test_at_most_three_words_are_suggested() -> None:
    assert len(Speller(["canto", "cantos", "manto", "cardo", "cinta", "conto"], "en").suggest("cantox")) <= 3


def test_a_stop_word_typed_as_it_sounds_is_a_filler() -> None:
    fillers = filler_sounds("es")
    assert all(spanish_sound(word) in fillers for word in ("komo", "kien", "ke", "ase"))
    assert not any(spanish_sound(word) in fillers for word in ("sabila", "empacho", "tos"))
    assert filler_sounds("en") == frozenset()


def test_countryside_spellings_of_bue_are_one_sound() -> None:
    assert len({spanish_sound(word) for word in ("buena", "wena", "guena", "huena")}) == 1


@pytest.mark.parametrize(
    ("typed", "meant"), [("ongos", "hongos"), ("crese", "crece"), ("kema", "quema"), ("almoada", "almohada")]
)
def test_other_spellings_of_a_sound(typed: str, meant: str) -> None:
    assert meant in respellings(typed)


def test_other_spellings_sound_the_same_and_are_few_and_each_once() -> None:
    found = list(respellings("ciceroneazuzabyllevesinn"))
    assert len(set(found)) == len(found) <= MOST_RESPELLINGS
    assert list(respellings("b" * 100_000)) == []  # no word, and too many places
    assert {spanish_sound(word) for word in respellings("senisa")} == {spanish_sound("ceniza")}


def test_a_short_word_is_respelled_in_one_place_only() -> None:
    assert "hayer" in respellings("ayer") and "haller" not in respellings("ayer")
