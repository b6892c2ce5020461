"""Every export format, read back by `datasets` and rendered by a Qwen3 chat template: one reasoning span, in the native tag."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.training.data_preparation.exporting import PLANTS
from training.chat_layout import prepare_tokenizer
from training.data_preparation.chat_rows import FORMATS, as_row, messages_of, tagged
from training.data_preparation.dataset_folder import write_csv, write_dataset_folder
from training.data_preparation.formats import convert, recognise
from training.data_preparation.render import RenderedRow
from training.dataset_config import ExportFormat, ReasoningTag
from training.tiny_base import train_tokenizer

METADATA = {"source_sections": ["plantas/ruda#usos"], "origin": "template", "task": "uses", "type": "plantas"}
TURNS = (
    ("system", "Eres Savia."),
    ("user", "¿Qué es la ruda?"),
    ("assistant", "Una hierba. [1]"),
    ("user", "¿Y su uso?"),
)
ROW = RenderedRow("0123456789abcdef", TURNS, "Lo dice el pasaje [2].", "Contra el aire. [2]", METADATA)
SPAN = re.compile(r"<think>\n(.*?)\n</think>", re.DOTALL)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """A Qwen3-type tokenizer with the template that training and serving use."""
    made = train_tokenizer([" ".join(said) for said in PLANTS.values()], "qwen3", 600)
    prepare_tokenizer(made, "qwen3", "qwen3")
    return made


@pytest.mark.parametrize("tag", ["think", "field"])
@pytest.mark.parametrize("form", FORMATS)
def test_a_row_read_back_has_exactly_one_reasoning_span(
    form: ExportFormat, tag: ReasoningTag, tokenizer: Any, tmp_path: Path
) -> None:
    from datasets import load_from_disk

    write_dataset_folder(tmp_path, {"train": [as_row(ROW, form, tag)]})
    (row,) = load_from_disk(str(tmp_path / "dataset"))["train"]
    text = tokenizer.apply_chat_template(messages_of(row), tokenize=False)
    assert SPAN.findall(text) == ["Lo dice el pasaje [2]."]
    answer = text.rpartition("</think>")[2]
    assert answer.strip() == "Contra el aire. [2]<|im_end|>" and "pensamiento" not in text


def test_the_formats_hold_the_same_conversation() -> None:
    whole = messages_of(as_row(ROW, "messages", "think"))
    assert whole[:-1] == [{"role": role, "content": content} for role, content in TURNS]
    assert all(messages_of(as_row(ROW, form, "think")) == whole for form in ("sharegpt", "alpaca", "prompt-completion"))


def test_autotrain_rows_are_plain_columns() -> None:
    row = as_row(ROW, "autotrain", "none")
    assert row["instruction"].startswith("Eres Savia.\n\n") and row["instruction"].endswith("¿Y su uso?")
    assert row["response"] == "Contra el aire. [2]" and all(isinstance(value, str) for value in row.values())


def test_a_csv_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    import csv

    rows = [{"instruction": 'Dijo: "sí", y\nluego', "response": "ñandú; 2,5"}]
    write_csv(tmp_path / "train.csv", rows)
    with (tmp_path / "train.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.DictReader(file)) == rows


@pytest.mark.parametrize("form", ["messages", "sharegpt", "alpaca", "prompt-completion", "autotrain"])
def test_what_is_exported_with_pensamiento_can_be_imported_again(form: ExportFormat) -> None:
    row = as_row(ROW, form, "pensamiento")
    shape = recognise(row)
    assert shape
    example = convert(row, shape, "import:mine")
    assert (example.reasoning, example.answer) == ("Lo dice el pasaje [2].", "Contra el aire. [2]")


def test_a_row_without_reasoning_has_no_tag() -> None:
    assert tagged("", "Sí.", "think") == "Sí." and tagged("Veo.", "Sí.", "none") == "Sí."
