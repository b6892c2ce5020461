"""How a question is put says whether such questions are ever answered."""

import pytest

from retrieval.wording import Wording

ANSWERED = ("¿para qué sirve xx?", "¿cómo se prepara el té de xx?", "¿es peligrosa xx?", "¿qué contiene xx?")
NEVER = ("¿a cómo está el kilo de xx?", "¿cuánto cuesta xx?", "¿quién ganó el partido?", "¿dónde compro xx?")


@pytest.fixture(scope="module")
def wording() -> Wording:
    return Wording.fit([*ANSWERED, *NEVER], [True] * len(ANSWERED) + [False] * len(NEVER))


def test_a_wording_like_the_answered_ones_scores_above_one_like_the_others(wording: Wording) -> None:
    assert wording.score("¿para qué se usa xx?") > 0 > wording.score("¿cuánto cuesta el kilo de xx?")


def test_a_class_of_few_questions_has_the_same_say() -> None:
    wording = Wording.fit([*ANSWERED * 5, NEVER[0]], [True] * 5 * len(ANSWERED) + [False])
    assert wording.score(NEVER[0]) < 0 < wording.score(ANSWERED[0])


def test_what_was_stored_scores_the_same(wording: Wording) -> None:
    again = Wording.from_text(wording.as_text())
    assert again is not None
    assert again.score(NEVER[1]) == wording.score(NEVER[1])


def test_weights_of_another_shape_are_none() -> None:
    assert Wording.from_text("AAAA") is None


def test_questions_of_one_class_alone_are_learnt_without_an_error() -> None:
    assert Wording.fit(ANSWERED, [True] * len(ANSWERED)).score(ANSWERED[0]) > 0
