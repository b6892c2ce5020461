"""What a model sends is read as the object asked for, or refused with a reason; nothing else can come of it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data_preparation.model_output import (
    LONGEST_OUTPUT,
    Draft,
    Phrasing,
    Unusable,
    Verdict,
    parse_output,
    schema_of,
)

GOOD = '{"suitable": true, "question": "¿Para qué sirve la ruda?"}'


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"```json\n{GOOD}\n```",
        f"<think>Uso {{llaves}} aquí.</think>{GOOD}",
        f"Claro: {GOOD} ¿Algo más? {{}}",
        f"Primero {{esto no}} y luego {GOOD}",
        f'<think>Quizá {{"suitable": false, "question": ""}}, o mejor no.</think>{GOOD}',
    ],
)
def test_the_object_is_found_where_models_put_it(text: str) -> None:
    assert parse_output(text, Phrasing).question == "¿Para qué sirve la ruda?"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("No puedo.", "no JSON object"),
        ('{"suitable": true, "question": "¿Qué', "broken JSON"),
        ('{"suitable": true}', "question: Field required"),
        ('{"suitable": "true", "question": "x"}', "suitable"),
        ('{"suitable": true, "question": "x", "run": "rm"}', "run: Extra inputs"),
        ('{"suitable": true, "question": {"a": 1}}', "question"),
        ('{"a": ' * 2000, "nested deeper"),
        ("[" * 5000 + "{", "broken JSON"),
        ("x" * (LONGEST_OUTPUT + 1), "longer than"),
        ('{"suitable": true, "question": ' + "9" * 5000 + "}", "broken JSON"),
    ],
)
def test_anything_else_is_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(Unusable, match=reason):
        parse_output(text, Phrasing)


def test_brackets_inside_a_text_are_text() -> None:
    text = json.dumps({"suitable": True, "question": 'f(x) = "{[{[{[{[{[{[{["'})
    assert parse_output(text, Phrasing).question.startswith("f(x)")


def test_invisible_and_half_characters_go() -> None:
    assert parse_output('{"suitable": true, "question": "ru\\u200bda\\ud800\\u202e?"}', Phrasing).question == "ruda?"


@given(st.text(alphabet=st.sampled_from('{}[]":,\\ abtruefalse0\n'), max_size=300))
def test_no_text_breaks_the_reader(text: str) -> None:
    for shape in (Draft, Phrasing, Verdict):
        try:
            parse_output(text, shape)
        except Unusable as error:
            assert str(error)


def test_a_schema_asks_for_every_field_and_for_no_other() -> None:
    schema = schema_of(Draft)
    assert schema["required"] == ["suitable", "question", "reasoning", "answer"]
    assert schema["additionalProperties"] is False
