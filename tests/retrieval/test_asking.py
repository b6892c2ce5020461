"""What a question asks for is read off its wording; who it asks about does not matter."""

import math

import pytest

from retrieval.asking import FLOOR, Asking, Sample, features
from retrieval.domain import ROLES

SAFETY = ("¿es peligrosa?", "¿hace daño a los niños?", "¿es malo en el embarazo?", "¿me puede intoxicar?")
HISTORY = ("¿desde cuándo se conoce?", "¿la usaban los aztecas?", "¿quién la trajo?", "¿qué códices la nombran?")


@pytest.fixture(scope="module")
def asking() -> Asking:
    samples = [Sample(text, frozenset({"safety"})) for text in SAFETY]
    return Asking.fit([*samples, *(Sample(text, frozenset({"history"})) for text in HISTORY)])


def best(asking: Asking, text: str) -> str:
    return ROLES[int(asking.log_probabilities(text).argmax())]


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
    assert len(values) == len(ROLES)
    assert sum(math.exp(value) - FLOOR for value in values) == pytest.approx(1, abs=1e-4)
    assert values.min() >= math.log(FLOOR) - 1e-6


def test_the_stored_model_says_the_same(asking: Asking) -> None:
    again = Asking.from_text(asking.as_text())
    assert again is not None
    assert again.log_probabilities("¿es malo?").tolist() == asking.log_probabilities("¿es malo?").tolist()


def test_a_stored_model_of_another_shape_is_no_model() -> None:
    assert Asking.from_text("AAAA") is None


def test_accents_and_case_make_no_difference() -> None:
    assert features("¿QUIÉN la trajo?") == features("quien la trajo")
    assert features("") == {}
