"""Rows of other people's shapes: turned into examples, or refused with the reason, never guessed."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.data_preparation.formats import MOST_TEXT, Shape, convert, recognise
from training.example import Example

PAIRS: list[dict[str, Any]] = [
    {"instruction": "What is gout?", "response": "A disease.", "source": "NIH", "safety_level": "safe"},
    {"instruction": "What is gout?", "output": "A disease."},
    {"prompt": "What is gout?", "completion": "A disease.", "task": "diseases", "split": "train"},
    {"question": "What is gout?", "answer": "A disease.", "source": "chapter 2"},
    {"messages": [{"role": "user", "content": "What is gout?"}, {"role": "assistant", "content": "A disease."}]},
    {"conversations": [{"from": "human", "value": "What is gout?"}, {"from": "gpt", "value": "A disease."}]},
]


def read(row: dict[str, Any], task: str = "") -> Example:
    shape = recognise(row)
    assert shape is not None
    return convert(row, shape, "import:notes", task)


@pytest.mark.parametrize("row", PAIRS, ids=lambda row: "+".join(row))
def test_each_shape_gives_question_and_answer(row: dict[str, Any]) -> None:
    example = read(row)
    assert (example.question, example.answer, example.origin) == ("What is gout?", "A disease.", "import:notes")


def test_what_a_row_says_about_itself_is_kept() -> None:
    row = {"instruction": "q", "response": "a", "source": "NIH", "safety_level": "urgent", "question_type": "causes"}
    example = read({**row, "focus": "Gout"}, task="advice")
    assert (example.source, example.safety_level, example.type, example.task) == ("NIH", "urgent", "causes", "advice")
    assert example.parents == ("focus:Gout",)
    assert read({"prompt": "q", "completion": "a", "task": "diseases"}, task="other").task == "diseases"


def test_the_last_assistant_turn_is_the_answer_and_the_rest_is_history() -> None:
    turns = [
        ("system", "Be brief."),
        ("user", "¿Qué es la ruda?"),
        ("assistant", "<think>Veo.</think>Una planta."),
        ("user", "¿Y es tóxica?"),
        ("assistant", "<pensamiento>Dice que sí.</pensamiento>\n\nSí."),
        ("user", "Gracias"),
    ]
    example = read({"messages": [{"role": role, "content": content} for role, content in turns]})
    assert (example.system, example.question) == ("Be brief.", "¿Y es tóxica?")
    assert (example.reasoning, example.answer) == ("Dice que sí.", "Sí.")
    assert example.history == (("user", "¿Qué es la ruda?"), ("assistant", "Una planta."))


def test_an_exported_row_keeps_its_sections() -> None:
    row = {**PAIRS[4], "id": "x", "metadata": {"source_sections": ["a#b"], "task": "uses", "type": "plantas"}}
    example = read(row)
    assert (example.sections, example.task, example.type) == (("a#b",), "uses", "plantas")


def turns(*roles: str) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": "text"} for role in roles]}


@pytest.mark.parametrize(
    ("row", "shape", "reason"),
    [
        ({"instruction": "q", "response": ""}, "instruction", "response is empty"),
        ({"instruction": "q"}, "instruction", "response is missing"),
        ({"question": "q", "answer": 12}, "question", "answer is a int, no text"),
        ({"question": "q", "answer": "x" * (MOST_TEXT + 1)}, "question", "answer is longer than 100000 characters"),
        ({"question": "q", "answer": "\x00\u200b"}, "question", "answer is empty"),
        ({"question": "q", "answer": "\ud800"}, "question", "answer holds half a character"),
        ({"question": "q", "answer": "<think>hm</think>"}, "question", "answer holds reasoning but no answer"),
        ({"messages": "hi"}, "messages", "messages is no list of turns"),
        (turns("user"), "messages", "no assistant turn"),
        (turns("user", "user", "assistant"), "messages", "user and assistant do not take turns"),
        (turns("user", "tool", "assistant"), "messages", "turn 2 has the role 'tool'"),
        (turns("user", "assistant", "system"), "messages", "a system turn stands elsewhere"),
    ],
)
def test_a_row_that_cannot_be_taught_says_why(row: dict[str, Any], shape: Shape, reason: str) -> None:
    with pytest.raises(ValueError, match=reason.replace("(", r"\(")):
        convert(row, shape, "import:x")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)
KEYS = st.sampled_from(
    ["messages", "conversations", "question", "answer", "role", "content", "metadata", "focus", "history"]
)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(KEYS, JSON | st.lists(st.dictionaries(KEYS, JSON))), st.sampled_from(["messages", "question"]))
def test_any_row_is_an_example_or_a_reason(row: dict[str, Any], shape: Shape) -> None:
    try:
        example = convert(row, shape, "import:x")
    except ValueError as error:
        assert str(error)
    else:
        assert example.question and example.answer
