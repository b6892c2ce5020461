"""The keys that other systems use for our settings, flat or in groups, translated to ours.

translate_keys({"model_name": "x", "sft": {"max_seq_length": 512}}).values
# {"model": {"name": "x"}, "max_length": 512}
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

# Groups that only gather keys: what is inside is read as if it stood outside.
TRANSPARENT: Final = frozenset(
    {"training", "train", "training_args", "training_arguments", "trainer", "sft", "memory", "optimization"}
    | {"logging", "evaluation", "checkpointing", "checkpoints", "output", "hardware"}
)
GROUPS: Final = ("model", "quantization", "lora", "dataset", "hub", "wandb")

# Another system's key -> ours. A key inside a group is looked up as group.key first, then as key.
ALIASES: Final[dict[str, str]] = {
    "model_name": "model.name",
    "model_name_or_path": "model.name",
    "model_id": "model.name",
    "base_model": "model.name",
    "model.path": "model.name",
    "torch_dtype": "model.dtype",
    "dtype": "model.dtype",
    "chat_template": "model.chat_template",
    "attn_implementation": "model.attention",
    "use_flash_attention_2": "model.attention",
    "use_flash_attention": "model.attention",
    "trust_remote_code": "model.trust_remote_code",
    "load_in_4bit": "quantization.load_in_4bit",
    "use_4bit": "quantization.load_in_4bit",
    "load_in_8bit": "quantization.load_in_8bit",
    "bnb_4bit_quant_type": "quantization.quant_type",
    "bnb_4bit_compute_dtype": "quantization.compute_dtype",
    "bnb_4bit_use_double_quant": "quantization.double_quant",
    "use_lora": "lora.enabled",
    "r": "lora.r",
    "lora_r": "lora.r",
    "lora_rank": "lora.r",
    "lora.rank": "lora.r",
    "lora_alpha": "lora.alpha",
    "lora_dropout": "lora.dropout",
    "target_modules": "lora.target_modules",
    "lora_target_modules": "lora.target_modules",
    "max_seq_length": "max_length",
    "max_seq_len": "max_length",
    "num_epochs": "num_train_epochs",
    "epochs": "num_train_epochs",
    "batch_size": "per_device_train_batch_size",
    "train_batch_size": "per_device_train_batch_size",
    "eval_batch_size": "per_device_eval_batch_size",
    "gradient_accumulation": "gradient_accumulation_steps",
    "lr": "learning_rate",
    "optimizer": "optim",
    "activation_checkpointing": "gradient_checkpointing",
    "evaluation_strategy": "eval_strategy",
    "dataset.path": "dataset_path",
    "dataset.train_file": "train_data",
    "dataset.validation_file": "validation_data",
    "train_file": "train_data",
    "val_data": "validation_data",
    "val_file": "validation_data",
    "eval_data": "validation_data",
    "validation_file": "validation_data",
    "push_to_hub": "hub.push",
    "hub_model_id": "hub.repository",
    "hub_strategy": "hub.strategy",
    "hub_private_repo": "hub.private",
    "private": "hub.private",
    "wandb.project": "wandb_project",
    "wandb.name": "run_name",
}

# Keys that need nothing from us, with what stands in their place; read, reported, and left.
IDLE: Final[dict[str, str]] = {
    "bias": "adapters have no bias here",
    "task_type": "always causal language modelling",
    "remove_unused_columns": "rows are tokenised before training",
    "dataloader_num_workers": "rows are tokenised before training",
    "dataset_text_field": "rows are messages",
    "assistant_only_loss": "always on: the assistant's tokens alone are trained",
    "train_split": "the files' names tell",
    "val_split": "the files' names tell",
    "logging_dir": "logs lie in the run's folder",
    "logging_first_step": "always on",
    "greater_is_better": "a smaller loss is better",
    "tf32": "chosen by device",
    "device_map": "chosen by device",
    "padding_side": "always right in training",
    "add_eos_token": "the chat template ends a turn",
    "tags": "runs are told apart by folder",
    "gradient_checkpointing_kwargs": "chosen by device",
    "wandb.entity": "taken from your login",
    "wandb.tags": "runs are told apart by folder",
    "wandb.enabled": "set report_to",
}

_VALUES: Final[dict[str, dict[Any, Any]]] = {
    "model.chat_template": {"qwen": "qwen3", "chatml": "qwen3", "llama": "llama3", "llama-3": "llama3"},
    "model.attention": {True: "auto", False: "sdpa"},
    "model.dtype": {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"},
    "quantization.compute_dtype": {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"},
    "eval_strategy": {False: "no"},
    "save_strategy": {False: "no"},
    "hub.strategy": {"every_save": "checkpoint", "all_checkpoints": "checkpoint"},
    "optim": {"adamw": "adamw_torch", "adamw_hf": "adamw_torch", "adamw_bnb_8bit": "adamw_8bit"},
}


@dataclass
class Translation:
    """Our keys, nested; `places` says where each came from, `notes` what was read and left."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    faults: list[tuple[str, str]] = field(default_factory=list)


def translate_keys(raw: dict[str, Any]) -> Translation:
    """Our settings for any mixture of our keys and the aliases; unknown keys stay as they are, for the schema to refuse.

    The same setting given twice with different values is a fault.
    """
    result = Translation()
    for place, key, value in _leaves(raw):
        if key in IDLE or key.rpartition(".")[2] in IDLE:
            result.notes.append(f"{place}: {IDLE.get(key) or IDLE[key.rpartition('.')[2]]}")
            continue
        name = _canonical(key)
        if name == "model.trust_remote_code" and value is True and not _revision(raw):
            result.notes.append(f"{place}: left off, for no model.revision names the code to trust")
            continue
        _put(result, name, _translate_value(name, value), place)
    return result


def translate_group(group: str, values: dict[str, Any]) -> dict[str, Any]:
    """The same for the keys of one group alone: `LoRAConfig(lora_alpha=32)`."""
    renamed = {}
    for key, value in values.items():
        name = _canonical(f"{group}.{key}")
        inner = name.removeprefix(f"{group}.") if name.startswith(f"{group}.") else key
        if key not in IDLE:
            renamed[inner] = _translate_value(name, value)
    return renamed


def known_keys() -> frozenset[str]:
    """Every key of another system that is understood, without its group."""
    return frozenset(key.rpartition(".")[2] for key in (*ALIASES, *IDLE))


def _leaves(raw: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """(place in the file, key, value); the key carries its group where that is one of ours."""
    for key, value in raw.items():
        if not isinstance(key, str):
            yield str(key), str(key), value
        elif key in TRANSPARENT and isinstance(value, dict):
            yield from ((f"{key}.{place}", name, inner) for place, name, inner in _leaves(value))
        elif key in GROUPS and isinstance(value, dict):
            yield from ((f"{key}.{name}", f"{key}.{name}", inner) for name, inner in value.items())
        elif key == "model" and isinstance(value, str):
            yield key, "model.name", value
        elif key == "dataset" and isinstance(value, str):
            yield key, "dataset_path", value
        elif key == "report_to" and isinstance(value, list):
            yield key, key, value[0] if value else "none"
        else:
            yield key, key, value


def _canonical(key: str) -> str:
    group, _, name = key.rpartition(".")
    if key in ALIASES:
        return ALIASES[key]
    if not group or group == "wandb":
        return ALIASES.get(name, key)
    if name not in ALIASES:
        # Some files keep sequence length and packing with the data set.
        return name if group == "dataset" and name in ("max_length", "packing", "max_samples") else key
    target = ALIASES[name]
    return target if target.startswith(f"{group}.") or group == "dataset" else key


def _translate_value(name: str, value: Any) -> Any:
    known = _VALUES.get(name, {})
    for old, new in known.items():
        if type(old) is type(value) and old == value:
            return new
    if name == "lora.target_modules" and isinstance(value, str):
        return [part.strip() for part in value.split(",")]
    return value


def _put(result: Translation, name: str, value: Any, place: str) -> None:
    *groups, last = name.split(".")
    target = result.values
    for group in groups:
        inner = target.setdefault(group, {})
        if not isinstance(inner, dict):
            inner = inner.model_dump() if hasattr(inner, "model_dump") else {}
            target[group] = inner
        target = inner
    if last in target and target[last] != value and place != result.places.get(name):
        result.faults.append((place, f"{value!r} contradicts {result.places.get(name, name)}: {target[last]!r}"))
    target[last] = value
    result.places[name] = place


def _revision(raw: dict[str, Any]) -> bool:
    model = raw.get("model")
    return bool(isinstance(model, dict) and model.get("revision"))
