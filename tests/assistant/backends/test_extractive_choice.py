"""Which sentences are said and in which order."""

from dataclasses import replace

from assistant.backends.extractive_choice import choose, spread
from assistant.backends.extractive_sentences import Sentence
from assistant.messages import Source
from retrieval.domain import Role


def sentence(
    section: str, place: int, text: str, own: float, *, leans: bool = False, role: Role | None = None
) -> Sentence:
    n = {"usos": 1, "toxicidad": 2, "top": 3}[section]
    source = Source(n, f"{n:016x}", "plantas/ruda", f"plantas/ruda#{section}", "Ruda", (section,), "", 1.0)
    terms = frozenset(text.lower().rstrip(".").split())
    return Sentence(source, place, text, terms, leans=leans, role=role, own=own, score=own + 1.0)


def texts(chosen: list[Sentence]) -> list[str]:
    return [one.text for one in chosen]


def best_first(*sentences: Sentence) -> list[Sentence]:
    return sorted(sentences, key=lambda one: -one.score)


FIRST = sentence("usos", 0, "Se frota en la sien.", 0.2)
SECOND = sentence("usos", 1, "También calma los cólicos.", 1.0, leans=True)
THIRD = sentence("usos", 2, "Con ella barren la casa.", 0.3)


def test_a_sentence_that_points_back_brings_the_one_before_it() -> None:
    assert texts(choose(best_first(FIRST, SECOND, THIRD), 4, 3)) == [FIRST.text, SECOND.text]


def test_what_says_much_less_than_the_best_is_left_out() -> None:
    alone = replace(SECOND, leans=False)
    assert texts(choose(best_first(FIRST, alone, THIRD), 4, 3)) == [alone.text]


def test_a_sentence_before_the_best_one_must_say_almost_as_much() -> None:
    lead = sentence("usos", 2, "Calma los cólicos.", 1.0)
    near, far = sentence("usos", 0, "Alivia el vientre.", 0.9), sentence("usos", 1, "Huele fuerte.", 0.7)
    assert texts(choose(best_first(near, far, lead), 4, 3)) == [near.text, lead.text]


def test_a_question_about_safety_gets_the_warnings_and_nothing_else() -> None:
    use = sentence("usos", 0, "Se toma en té.", 1.0, role="uses")
    warning = sentence("toxicidad", 0, "No se toma en el embarazo.", 0.95, role="safety")
    elsewhere = sentence("top", 0, "Es una hierba de olor.", 0.94, role="definition")
    assert texts(choose(best_first(use, warning, elsewhere), 4, 3, "safety")) == [warning.text, use.text]
    assert texts(choose(best_first(replace(warning, score=3.0), use, elsewhere), 4, 3, "safety")) == [warning.text]


def test_a_definition_that_was_asked_for_comes_first() -> None:
    use = sentence("usos", 0, "Se toma en té.", 1.0, role="uses")
    definition = sentence("top", 0, "Es una hierba de olor.", 0.9, role="definition")
    assert texts(choose(best_first(use, definition), 4, 3, "definition")) == [definition.text, use.text]


def test_the_best_of_the_role_that_was_asked_for_is_said_even_if_others_say_more() -> None:
    use = replace(sentence("usos", 0, "Baja el azúcar.", 1.0, role="uses"), match=1.0)
    study = sentence("top", 0, "Hay estudios de la glucosa en ratas.", 0.4, role="evidence")
    said = choose(best_first(use, replace(study, match=0.6)), 4, 3, "evidence")
    assert texts(said) == [use.text, study.text]
    assert texts(choose(best_first(use, study), 4, 3, "evidence")) == [use.text]


def test_the_same_is_said_once() -> None:
    again = sentence("toxicidad", 0, "Se frota en la sien.", 0.2)
    assert (
        texts(choose(best_first(FIRST, again), 4, 3)) == texts(spread(best_first(FIRST, again), 4, 3)) == [FIRST.text]
    )


def test_a_question_about_nothing_in_particular_gets_the_section_from_its_beginning() -> None:
    assert texts(spread(best_first(FIRST, SECOND, THIRD), 2, 3)) == [FIRST.text, SECOND.text]
