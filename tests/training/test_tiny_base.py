"""Tiny base models: small, loadable by others, the same for the same texts."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from retrieval.errors import DataError, UsageError
from retrieval.files import file_sha256, read_json
from savia import app
from tests.conftest import ROOT
from tests.training.tiny import KINDS
from training.tiny_base import build_tiny_model, train_tokenizer

TALK = [
    {"role": "system", "content": "Eres Savia."},
    {"role": "user", "content": "¿Qué es?"},
    {"role": "assistant", "content": "<think>\nVeo.\n</think>\n\nUna planta."},
]
TEXTS = ["La sábila se usa para la piel."] * 5


@pytest.mark.parametrize("kind", KINDS)
def test_a_tiny_model_has_one_to_four_million_parameters(kind: str, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    texts = [path.read_text("utf-8") for path in (ROOT / "data/domains/herbolaria/corpus").rglob("*.md")]
    folder = build_tiny_model(kind, tmp_path / "base", texts)  # type: ignore[arg-type]
    assert 1e6 <= AutoModelForCausalLM.from_pretrained(folder).num_parameters() <= 4e6
    assert [path.suffix for path in folder.glob("model.*")] == [".safetensors"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            "qwen3",
            "<|im_start|>system\nEres Savia.<|im_end|>\n<|im_start|>user\n¿Qué es?<|im_end|>\n<|im_start|>assistant\n",
        ),
        (
            "llama",
            "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nEres Savia.<|eot_id|><|start_header_id|>user"
            "<|end_header_id|>\n\n¿Qué es?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
        ),
        ("phi", "Eres Savia.\n\nHuman: ¿Qué es?\nAssistant:"),
    ],
)
def test_the_prompt_is_written_as_the_kind_writes_it(kind: str, expected: str) -> None:
    tokenizer = train_tokenizer(TEXTS, kind, 512)  # type: ignore[arg-type]
    assert tokenizer.apply_chat_template(TALK[:2], add_generation_prompt=True, tokenize=False) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_reasoning_tags_are_single_tokens_that_stay_visible(kind: str) -> None:
    tokenizer = train_tokenizer(TEXTS, kind, 512)  # type: ignore[arg-type]
    ids = tokenizer("<think>Veo.</think>")["input_ids"]
    assert [ids[0], ids[-1]] == tokenizer.convert_tokens_to_ids(["<think>", "</think>"])
    assert tokenizer.decode(ids, skip_special_tokens=True) == "<think>Veo.</think>"


@pytest.mark.parametrize("kind", KINDS)
def test_a_turn_ends_with_a_token_that_is_not_the_pad_token(kind: str) -> None:
    tokenizer = train_tokenizer(TEXTS, kind, 512)  # type: ignore[arg-type]
    rendered = tokenizer.apply_chat_template(TALK, return_dict=True, return_assistant_tokens_mask=True)
    learned = [token for token, mark in zip(rendered["input_ids"], rendered["assistant_masks"], strict=True) if mark]
    assert learned[-1] == tokenizer.eos_token_id != tokenizer.pad_token_id


def test_earlier_turns_keep_their_answers_and_lose_their_thoughts() -> None:
    tokenizer = train_tokenizer(TEXTS, "qwen3", 512)
    talk = [*TALK, {"role": "user", "content": "¿Y?"}]
    assert "Una planta." in tokenizer.apply_chat_template(talk, tokenize=False)
    assert "Veo." not in tokenizer.apply_chat_template(talk, tokenize=False)


def test_the_same_texts_and_seed_give_the_same_bytes(tmp_path: Path) -> None:
    folders = [build_tiny_model("qwen3", tmp_path / name, TEXTS, 7, 32, 1, 400) for name in ("a", "b")]
    for name in ("model.safetensors", "tokenizer.json", "chat_template.jinja"):
        assert file_sha256(folders[0] / name) == file_sha256(folders[1] / name)


def test_an_unknown_kind_and_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'gpt' is no kind of model"):
        build_tiny_model("gpt", tmp_path / "a", TEXTS)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="no text"):
        build_tiny_model("phi", tmp_path / "a", [" "])
    assert not (tmp_path / "a").exists()


def test_the_command_pretrains_for_the_given_time_and_labels_what_it_made(tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    done = CliRunner().invoke(app, ["tiny-base", "--kind", "phi", "--seconds", "2", "--output_dir", str(folder)])
    assert done.exit_code == 0, done.output
    assert read_json(folder / "config.json")["model_type"] == "phi"
    assert "not of answers" in (folder / "README.md").read_text("utf-8")


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    done = CliRunner().invoke(app, ["tiny-base", "--output", str(tmp_path)])
    assert isinstance(done.exception, UsageError)
    assert (tmp_path / "letter.txt").read_text() == "dear"
