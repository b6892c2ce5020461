"""Recipes: the shipped five, presets, the keys of other systems, and what is refused with its place."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from retrieval.errors import RecipeInvalid, UsageError
from tests.conftest import ROOT
from training.config import PROJECTIONS, LoRAConfig, TrainingConfig
from training.config_aliases import ALIASES, IDLE, translate_keys
from training.recipes import PRESETS, dump_recipe, load_recipe, parse_settings

PACKS = ROOT / "data" / "domains"
SHIPPED = sorted(PACKS.glob("*/recipes/*.yaml"))


def flat(config: TrainingConfig) -> dict[str, Any]:
    """The settings that the table of recipes names."""
    return {
        "model": config.model.name,
        "lora": (config.lora.r, config.lora.alpha, config.lora.dropout, config.lora.target_modules),
        "batch": (config.per_device_train_batch_size, config.gradient_accumulation_steps),
        "length": config.max_length,
        "save": config.save_steps,
    }


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        (
            "herbolaria",
            ("Alibaba-Apsara/DASD-4B-Thinking", (64, 128, 0.05, PROJECTIONS), (2, 8), 2048, 100),
        ),
        ("experimentation", ("meta-llama/Llama-3.2-3B-Instruct", (16, 32, 0.05, PROJECTIONS), (2, 4), 2048, 500)),
        ("medimind", ("microsoft/phi-2", (8, 16, 0.1, ("q_proj", "k_proj", "v_proj", "dense")), (4, 4), 512, 100)),
        ("medical-ner", ("meta-llama/Llama-3.2-3B-Instruct", (16, 32, 0.05, PROJECTIONS), (4, 4), 2048, 100)),
        ("math-qa", ("deepseek-ai/deepseek-math-7b-instruct", (16, 32, 0.05, PROJECTIONS), (4, 1), 1024, 100)),
    ],
)
def test_the_shipped_recipes_say_what_they_promise(domain: str, expected: tuple[Any, ...]) -> None:
    config = load_recipe(None, str(PACKS / domain / "recipes" / "qlora.yaml")).config
    assert tuple(flat(config).values()) == expected
    assert (config.num_train_epochs, config.learning_rate, config.save_total_limit) == (3, 2e-4, 3)
    assert config.quantization.bits == 4 and config.quantization.double_quant


def test_herbolaria_and_medical_ner_keep_the_best_by_validation_loss() -> None:
    for domain in ("herbolaria", "medical-ner"):
        config = load_recipe(None, str(PACKS / domain / "recipes" / "qlora.yaml")).config
        assert config.load_best_model_at_end and config.metric_for_best_model == "eval_loss"
        assert (config.eval_steps, config.weight_decay, config.warmup_ratio) == (100, 0.01, 0.03)


def test_the_config_of_the_training_folder_is_herbolarias() -> None:
    ours = ROOT / "training" / "configs" / "qlora_config.yaml"
    assert ours.read_text("utf-8") == (PACKS / "herbolaria" / "recipes" / "qlora.yaml").read_text("utf-8")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.parts[-3])
def test_every_knob_says_what_raising_it_costs(path: Path) -> None:
    knobs = [line for line in path.read_text("utf-8").splitlines() if ":" in line and not line.startswith("#")]
    groups = {"model:", "quantization:", "lora:", "dataset:", "hub:"}
    bare = [line for line in knobs if "#" not in line and line not in groups and not line.startswith("    ")]
    assert bare == []


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("default", (3, 2, 8, 2048)),
        ("fast_test", (1, 2, 8, 512)),
        ("full_training", (5, 8, 8, 2048)),
        ("low_memory", (3, 1, 16, 512)),
    ],
)
def test_a_preset_changes_a_recipe_by_name_or_in_its_place(preset: str, expected: tuple[float, ...]) -> None:
    path = str(ROOT / "training" / "configs" / "qlora_config.yaml")
    config = load_recipe(None, path, preset).config
    found = (config.num_train_epochs, *flat(config)["batch"], config.max_length)
    assert found == expected
    assert load_recipe(None, preset).config.max_length == PRESETS[preset].get("max_length", 2048)


SEEDS: dict[str, dict[str, Any]] = {
    "flat": {
        "model_name": "m",
        "num_train_epochs": 5,
        "lora_alpha": 64,
        "max_seq_length": 512,
        "bnb_4bit_quant_type": "fp4",
    },
    "nested": {
        "model": {"name": "m", "torch_dtype": "bfloat16", "trust_remote_code": True},
        "quantization": {"load_in_4bit": True, "bnb_4bit_quant_type": "fp4", "bnb_4bit_use_double_quant": True},
        "lora": {"lora_alpha": 64, "bias": "none", "task_type": "CAUSAL_LM"},
        "dataset": {"train_split": "train", "chat_template": "qwen", "max_seq_length": 512, "packing": False},
        "training": {"num_train_epochs": 5, "eval_strategy": "steps", "tf32": True, "remove_unused_columns": False},
        "wandb": {"project": "p", "tags": ["x"]},
        "sft": {"max_seq_length": 512, "packing": False, "dataset_text_field": None},
        "memory": {"use_flash_attention_2": True, "optimizer_offload": False},
    },
}


@pytest.mark.parametrize("layout", SEEDS)
@pytest.mark.parametrize("suffix", [".json", ".yaml"])
def test_the_files_of_other_systems_run_unchanged(layout: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"config{suffix}"
    path.write_text(json.dumps(SEEDS[layout]))
    config = load_recipe(None, str(path)).config
    assert (config.model.name, config.num_train_epochs, config.lora.alpha, config.max_length) == ("m", 5, 64, 512)
    assert config.quantization.quant_type == "fp4"


def test_code_from_a_repository_is_trusted_only_with_its_revision(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("model: {name: m, trust_remote_code: true}")
    recipe = load_recipe(None, str(path))
    assert not recipe.config.model.trust_remote_code and "left off" in recipe.notes[0]
    path.write_text("model: {name: m, trust_remote_code: true, revision: abc}")
    assert load_recipe(None, str(path)).config.model.trust_remote_code


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lora:\n  rr: 8", "lora.rr (line 2): there is no such key. Did you mean r?"),
        (
            "sft:\n  max_seq_lenght: 8",
            "sft.max_seq_lenght (line 2): there is no such key. Did you mean max_seq_length?",
        ),
        ("\nlearning_rate: fast", "learning_rate (line 2): 'fast' does not fit"),
        ("lora: {r: 0}", "lora.r (line 1): 0 does not fit"),
        ("bf16: true\nfp16: true", "bf16 and fp16 exclude each other"),
        ("load_in_4bit: true\nload_in_8bit: true", "load_in_4bit and load_in_8bit exclude each other"),
        ("model_name: a\nmodel: {name: b}", "'b' contradicts model_name: 'a'"),
        ("load_best_model_at_end: true\nsave_steps: 150", "save_steps 150 is no multiple of eval_steps 100"),
        ("early_stopping_patience: 2", "early_stopping_patience needs load_best_model_at_end"),
        ("lora: {enabled: false}", "without LoRA nothing can be trained in 4 bit"),
        ("- a\n- b", "is no recipe"),
        ("a: [", "cannot be read as YAML or JSON"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(RecipeInvalid) as caught:
        load_recipe(None, str(path))
    assert said in str(caught.value)


def test_every_fault_of_a_recipe_is_said_at_once(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("lerning_rate: 1\nlora: {r: 0}\n")
    with pytest.raises(RecipeInvalid) as caught:
        load_recipe(None, str(path))
    assert len(caught.value.faults) == 2


def test_a_name_that_is_nearly_a_preset_is_helped() -> None:
    with pytest.raises(UsageError, match="Did you mean fast_test"):
        load_recipe(None, "fast_tst")


def test_settings_are_typed_as_in_a_file_and_win_over_it() -> None:
    settings = parse_settings(["lora.r=8", "max_seq_length=128", "packing=false", "target_modules=q_proj,v_proj"])
    config = load_recipe(None, "default", overrides=settings).config
    assert (config.lora.r, config.max_length, config.packing) == (8, 128, False)
    assert config.lora.target_modules == ("q_proj", "v_proj")


def test_a_resolved_recipe_reads_back_as_itself(tmp_path: Path) -> None:
    config = load_recipe(None, str(SHIPPED[0]), "low_memory", {"train_data": Path("a.jsonl")}).config
    (tmp_path / "recipe.yaml").write_text(dump_recipe(config), "utf-8")
    assert load_recipe(None, str(tmp_path / "recipe.yaml")).config == config


def test_the_library_takes_the_names_that_users_know() -> None:
    config = TrainingConfig(num_train_epochs=5, lora={"r": 32, "lora_alpha": 64}, model_name="m")  # type: ignore[arg-type, call-arg]
    assert (config.lora.r, config.lora.alpha, config.model.name) == (32, 64, "m")
    assert LoRAConfig(lora_dropout=0.1).dropout == 0.1  # type: ignore[call-arg]


@pytest.mark.parametrize("key", sorted(key for key in ALIASES if "." not in key))
def test_every_alias_leads_to_a_setting_that_exists(key: str) -> None:
    group, _, name = ALIASES[key].rpartition(".")
    owner = TrainingConfig.model_fields[group].annotation if group else TrainingConfig
    assert name in owner.model_fields  # type: ignore[union-attr]
    assert not set(IDLE) & set(ALIASES)


@given(st.dictionaries(st.text(max_size=12), st.recursive(st.integers() | st.text(max_size=5), st.lists, max_leaves=3)))
def test_whatever_stands_in_a_file_is_translated_or_refused_in_words(raw: dict[str, Any]) -> None:
    translate_keys(raw)


@pytest.mark.parametrize(("name", "kind"), [("ddp", "MULTI_GPU"), ("fsdp", "FSDP"), ("deepspeed_zero3", "DEEPSPEED")])
def test_the_launch_files_are_read_by_accelerate(name: str, kind: str) -> None:
    from accelerate.commands.config import load_config_from_file

    config = load_config_from_file(str(ROOT / "training" / "configs" / "accelerate" / f"{name}.yaml"))
    assert (config.distributed_type.value, config.num_processes, config.mixed_precision) == (kind, 2, "bf16")


@pytest.mark.parametrize("name", ["ddp", "fsdp", "deepspeed_zero3"])
def test_every_key_of_a_launch_file_is_one_that_accelerate_knows(name: str) -> None:
    from dataclasses import fields

    from accelerate.commands.config.config_args import ClusterConfig
    from accelerate.commands.launch import launch_command_parser

    found = yaml.safe_load((ROOT / "training" / "configs" / "accelerate" / f"{name}.yaml").read_text("utf-8"))
    options = {action.dest for action in launch_command_parser()._actions}
    assert set(found) <= {field.name for field in fields(ClusterConfig)}
    for group in ("fsdp_config", "deepspeed_config"):
        assert set(found.get(group, {})) <= options


def test_the_demonstrations_recipe_is_a_recipe() -> None:
    assert load_recipe(None, str(ROOT / "training" / "configs" / "demo.yaml")).config.max_steps == 60
