"""What must hold before the first step: each gate passes on good rows and says what is wrong with bad ones."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from retrieval.errors import GateRefused
from tests.training.conftest import MakeConfig
from tests.training.tiny import KINDS, PLANTS, make_row
from training.base_model import load_tokenizer
from training.config import TrainingConfig
from training.gates import (
    check_leaks,
    check_pad,
    check_processes,
    check_prompt_and_labels,
    check_stop,
    check_truncation,
    kind_to_be,
    refuse,
)
from training.rendering import IGNORED, render_row, render_rows, show_row
from training.rows import TrainingRow

ROWS = [TrainingRow(f"row-{n}", tuple(make_row(plant, n)["messages"])) for n, plant in enumerate(PLANTS[:6])]
TALK = TrainingRow(
    "talk",
    (
        {"role": "user", "content": "¿Qué es la ruda?"},
        {"role": "assistant", "content": "<think>\nVeo.\n</think>\n\nUna planta."},
        {"role": "user", "content": "¿Y la menta?"},
        {"role": "assistant", "content": "Otra planta."},
    ),
)


@pytest.fixture(params=KINDS)
def tokenizer(request: pytest.FixtureRequest, make_config: MakeConfig) -> Iterator[Any]:
    yield load_tokenizer(make_config(request.param))


def test_good_rows_pass_every_gate(tokenizer: Any) -> None:
    rendered = render_rows(tokenizer, ROWS, 256)
    assert check_pad(tokenizer).passed
    assert check_stop(tokenizer, rendered.rows, cut=False).passed
    assert check_prompt_and_labels(tokenizer, [*ROWS, TALK]).passed


def test_only_the_last_answer_is_learned_and_all_of_it(tokenizer: Any) -> None:
    shown = show_row(tokenizer, render_row(tokenizer, TALK))
    assert shown.count("⟦") == 1
    learned = shown[shown.index("⟦") + 1 : shown.index("⟧")]
    assert learned.strip() == f"Otra planta.{tokenizer.eos_token}"


def test_a_pad_token_that_ends_turns_is_refused(tokenizer: Any) -> None:
    tokenizer.pad_token = tokenizer.eos_token
    assert not check_pad(tokenizer).passed


def test_a_template_that_leaves_the_end_token_outside_is_refused(make_config: MakeConfig) -> None:
    tokenizer = load_tokenizer(make_config("qwen3"))
    tokenizer.chat_template = tokenizer.chat_template.replace(
        "{{- content + '<|im_end|>' -}}{%- endgeneration -%}",
        "{{- content -}}{%- endgeneration -%}{{- '<|im_end|>' -}}",
    )
    gate = check_stop(tokenizer, render_rows(tokenizer, ROWS, 256).rows, cut=False)
    assert not gate.passed and "ends 0 of 6 rows" in gate.detail


def test_a_template_that_marks_more_than_the_answer_is_refused(make_config: MakeConfig) -> None:
    tokenizer = load_tokenizer(make_config("phi"))
    tokenizer.chat_template = (
        "{% for m in messages %}{% generation %}{{ m.content }}{{ eos_token }}{% endgeneration %}{% endfor %}"
    )
    assert not check_prompt_and_labels(tokenizer, ROWS).passed


def test_a_template_that_answers_to_another_prompt_than_the_served_one_is_refused(make_config: MakeConfig) -> None:
    tokenizer = load_tokenizer(make_config("qwen3"))
    tokenizer.chat_template = tokenizer.chat_template.replace(
        "'<|im_start|>assistant\\n' -}}{%- endif", "'<|im_start|>assistant\\n<think>\\n\\n</think>\\n\\n' -}}{%- endif"
    )
    gate = check_prompt_and_labels(tokenizer, ROWS)
    assert "the prompt changes when the answer follows" in gate.detail


def test_a_question_with_the_templates_own_marks_is_refused(make_config: MakeConfig) -> None:
    tokenizer = load_tokenizer(make_config("qwen3"))
    hostile = TrainingRow("x", ({"role": "user", "content": "a<|im_end|>b"}, {"role": "assistant", "content": "c"}))
    assert not check_prompt_and_labels(tokenizer, [hostile]).passed


def test_a_question_of_the_validation_rows_or_of_the_gold_is_found_however_it_is_written() -> None:
    asked = replace(
        ROWS[0], messages=({"role": "user", "content": "pregunta PARA que sirve la ruda, roja"}, ROWS[0].messages[2])
    )
    assert check_leaks(ROWS, [], {}).passed
    assert not check_leaks([ROWS[0]], [ROWS[0]], {}).passed
    gate = check_leaks([asked], [], {"pregunta para que sirve la ruda roja": "questions.jsonl q1"})
    assert not gate.passed and "questions.jsonl q1" in gate.detail


def test_passages_around_a_question_do_not_hide_it() -> None:
    content = '<passage n="1" source="A">\nTexto.\n</passage>\n\nPregunta: ¿Qué es la ruda?'
    row = TrainingRow("r", ({"role": "user", "content": content}, {"role": "assistant", "content": "Una planta."}))
    assert not check_leaks([row], [], {"que es la ruda": "gold"}).passed


def test_rows_above_the_length_are_left_out_and_counted_against_the_limit(tokenizer: Any) -> None:
    lengths = sorted(render_row(tokenizer, row).full_length for row in ROWS)
    rendered = render_rows(tokenizer, ROWS, lengths[-2])
    assert (rendered.too_long, len(rendered.rows), rendered.truncated_share) == (1, 5, 1 / 6)
    assert not check_truncation(rendered, 0.1).passed and check_truncation(rendered, 0.2).passed


def test_rows_that_are_cut_keep_the_length_and_teach_what_is_left(tokenizer: Any) -> None:
    longest = max(ROWS, key=lambda row: render_row(tokenizer, row).full_length)
    whole = render_row(tokenizer, longest)
    (cut,) = render_rows(tokenizer, [longest], whole.full_length - 1, "cut").rows
    assert len(cut.input_ids) == whole.full_length - 1
    assert [label for label in cut.labels if label != IGNORED] == [label for label in whole.labels if label != IGNORED][
        : cut.learned
    ]


@pytest.mark.parametrize(
    ("given", "processes", "kind", "environment", "passed"),
    [
        ({}, 1, "NO", {}, True),
        ({"processes": 2}, 1, "NO", {}, False),
        ({"processes": 2, "distributed": "ddp"}, 2, "MULTI_CPU", {}, True),
        ({"distributed": "fsdp"}, 2, "MULTI_CPU", {}, False),
        ({}, 2, "MULTI_CPU", {"ACCELERATE_USE_FSDP": "true"}, False),
    ],
)
def test_another_number_or_kind_of_processes_than_asked_for_is_refused(
    given: dict[str, Any], processes: int, kind: str, environment: dict[str, str], passed: bool
) -> None:
    assert check_processes(TrainingConfig(**given), processes, kind, environment).passed is passed


@pytest.mark.parametrize(
    ("kind", "environment", "expected"),
    [
        ("MULTI_GPU", {"ACCELERATE_USE_FSDP": "true"}, "FSDP"),
        ("MULTI_GPU", {}, "MULTI_GPU"),
        ("MULTI_CPU", {"ACCELERATE_USE_FSDP": "true"}, "MULTI_CPU"),  # where accelerate shares nothing, without a word
        ("NO", {"ACCELERATE_USE_FSDP": "true"}, "NO"),
    ],
)
def test_how_processes_will_share_is_foreseen(kind: str, environment: dict[str, str], expected: str) -> None:
    assert kind_to_be(kind, environment) == expected


def test_a_refusal_names_every_gate_and_exits_with_three(tokenizer: Any) -> None:
    tokenizer.pad_token = tokenizer.eos_token
    with pytest.raises(GateRefused, match="pad is not the end token") as caught:
        refuse([check_pad(tokenizer), check_leaks(ROWS, [], {})])
    assert caught.value.exit_code == 3


def test_files_of_other_layouts_become_conversations(tmp_path: Path) -> None:
    from training.rows import read_rows_of

    for number, pair in enumerate((("instruction", "response"), ("prompt", "completion"), ("question", "answer"))):
        path = tmp_path / f"{number}.jsonl"
        path.write_text(f'{{"{pair[0]}": "¿Qué?", "{pair[1]}": "Eso."}}\n')
        (row,) = read_rows_of(path, None)
        assert [turn["content"] for turn in row.messages] == ["¿Qué?", "Eso."]
