"""What a question asks for is read off its wording; who it asks about does not matter."""

import json
import math

import pytest

from retrieval.asking import FLOOR, MOST_SAMPLES, Asking, Sample, features

SAFETY = ("¿es peligrosa?", "¿hace daño a los niños?", "¿es malo en el embarazo?", "¿me puede intoxicar?")
HISTORY = ("¿desde cuándo se conoce?", "¿la usaban los aztecas?", "¿quién la trajo?", "¿qué códices la nombran?")


@pytest.fixture(scope="module")
def asking() -> Asking:
    samples = [Sample(text, frozenset({"safety"})) for text in SAFETY]
    return Asking.fit([*samples, *(Sample(text, frozenset({"history"})) for text in HISTORY)])


def best(asking: Asking, text: str) -> str:
    return asking.kinds[int(asking.log_probabilities(text).argmax())]


@pytest.mark.parametrize("text", SAFETY)
def test_what_was_learnt_is_known(asking: Asking, text: str) -> None:
    assert best(asking, text) == "safety"


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("el xx daña a un niño?", "safety"),
        ("¿Ya lo usaban los mexicas y aztecas?", "history"),
        ("PELIGROSO ES?", "safety"),
        ("¿es peligrso?", "safety"),  # typed wrong
    ],
)
def test_other_wordings_of_the_same_are_recognised(asking: Asking, text: str, role: str) -> None:
    assert best(asking, text) == role


def test_values_are_logarithms_of_probabilities_with_a_floor(asking: Asking) -> None:
    values = asking.log_probabilities("¿es peligrosa?")
    assert asking.kinds == ("history", "safety") and len(values) == 2
    assert sum(math.exp(value) - FLOOR for value in values) == pytest.approx(1, abs=1e-4)
    assert values.min() >= math.log(FLOOR) - 1e-6


def test_the_stored_model_says_the_same(asking: Asking) -> None:
    again = Asking.from_json(json.loads(json.dumps(asking.as_json())))
    assert again is not None and again.kinds == asking.kinds
    assert again.log_probabilities("¿es malo?").tolist() == asking.log_probabilities("¿es malo?").tolist()


def test_a_stored_model_of_another_shape_is_no_model() -> None:
    assert Asking.from_json({"kinds": ["uses"], "weights": "AAAA"}) is None


def test_a_question_of_two_kinds_counts_for_both() -> None:
    both = Sample("¿para qué sirve y es peligrosa?", frozenset({"uses", "safety"}))
    asking = Asking.fit(
        [both, Sample("¿es peligrosa?", frozenset({"safety"})), Sample("¿para qué sirve?", frozenset({"uses"}))]
    )
    safety, uses = (math.exp(value) for value in asking.log_probabilities("¿para qué sirve y es peligrosa?"))
    assert safety == pytest.approx(0.5, abs=0.05) and uses == pytest.approx(0.5, abs=0.05)


def test_equal_questions_and_many_of_them_can_be_learnt_from() -> None:
    asking = Asking.fit([Sample("¿es peligrosa?", frozenset({"safety"}))] * (MOST_SAMPLES + 1))
    assert asking.kinds == ("safety",)


def test_accents_and_case_make_no_difference() -> None:
    assert features("¿QUIÉN la trajo?") == features("quien la trajo")
    assert features("") == {}
