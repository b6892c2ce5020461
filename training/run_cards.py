"""README.md of a run and of the model it made, and its figures in words.

describe_figures({"train_loss": 1.5, "seconds": 90.0})        # training loss 1.5000, 1:30 of training
"""

from pathlib import Path
from typing import Any, Final

from training.config import TrainingConfig
from training.progress import clock

_FIGURES: Final = {
    "train_loss": lambda value: f"training loss {value:.4f}",
    "eval_loss": lambda value: f"validation loss {value:.4f}",
    "eval_perplexity": lambda value: f"validation perplexity {value:.2f}",
    "seconds": lambda value: f"{clock(value)} of training",
    "steps_per_second": lambda value: f"{value:.3g} steps/s",
    "tokens_per_second": lambda value: f"{value:,.0f} tokens/s",
}


def describe_figures(figures: dict[str, Any]) -> str:
    """A run's figures on one line, for people."""
    numbers = {name: value for name, value in figures.items() if isinstance(value, int | float)}
    return ", ".join(
        _FIGURES[name](value) if name in _FIGURES else f"{name} {value:.4g}" for name, value in numbers.items()
    )


def model_card(config: TrainingConfig, state: dict[str, Any], language: str = "") -> str:
    """README.md of an adapter, with the Hub's metadata in front."""
    metadata = [
        f"base_model: {config.model.name}",
        "library_name: peft" if config.lora.enabled else "library_name: transformers",
        "pipeline_tag: text-generation",
        *([f"language: {language}"] if language else []),
        "tags:",
        *[f"- {tag}" for tag in ("savia", "sft", "trl", *_method(config))],
    ]
    rows = state.get("rows", {})
    lines = [
        "---",
        *metadata,
        "---",
        "",
        f"# {config.domain or 'A model'}: {Path(config.model.name).name}"
        + (" with a LoRA adapter" if config.lora.enabled else ", trained"),
        "",
        *_tiny(config, state),
        f"Trained by Savia on the domain `{config.domain or 'none'}`: {rows.get('train', '?')} rows, "
        f"{state.get('steps', '?')} steps, {config.num_train_epochs:g} epochs at most.",
        *_figures(state),
        "",
        "The chat template in this folder is the one that was trained: use it when serving, else the prompt is another.",
        "",
        *_use(config),
        "",
        "## Data and licence",
        "",
        f"Data SHA-256: `{state.get('data', {}).get('sha256', '?')}`. The base model's licence holds for what is derived "
        "from it. Answers may be wrong; the model gives no professional advice.",
        "",
    ]
    return "\n".join(lines)


def run_card(config: TrainingConfig, state: dict[str, Any]) -> str:
    """README.md of a run: what was trained, on what, with which result."""
    environment, rows = state.get("environment", {}), state.get("rows", {})
    packages = ", ".join(f"{name} {number}" for name, number in environment.get("packages", {}).items())
    lines = [
        f"# Run {state.get('name', '')}",
        "",
        *_tiny(config, state),
        f"- state: {state.get('state', '?')}, {state.get('started', '?')} to {state.get('ended', '?')}",
        f"- base model: {config.model.name}; chat template {state.get('chat_template', '?')}",
        f"- device: {state.get('device', '?')}; {state.get('processes', 1)} process(es)",
        f"- data: {state.get('data', {}).get('source', '?')}, SHA-256 {state.get('data', {}).get('sha256', '?')}",
        f"- rows: {rows.get('train', '?')} learned, {rows.get('validation', '?')} for validation, "
        f"{rows.get('too_long', '?')} longer than max_length",
        *_parts(state),
        *[f"- {line}" for line in _figures(state) if line],
        f"- environment: Python {environment.get('python', '?')}, {packages}",
        "",
        "The recipe as resolved stands in `recipe.yaml`, the loss by step in `metrics.jsonl`.",
        "",
    ]
    return "\n".join(lines)


def _method(config: TrainingConfig) -> tuple[str, ...]:
    if not config.lora.enabled:
        return ()
    return ("lora",) if config.quantization.bits == 16 else ("lora", "qlora")


def _tiny(config: TrainingConfig, state: dict[str, Any]) -> list[str]:
    said = f"**{config.model.name} is a tiny model: a check of the pipeline, not of answers.**"
    return [said, ""] if state.get("tiny") else []


def _parts(state: dict[str, Any]) -> list[str]:
    """What a reader of the figures must know of a run that was resumed."""
    resumed = state.get("resumed") or []
    if not resumed:
        return []
    steps = ", ".join(map(str, resumed))
    return [
        f"- trained in {len(resumed) + 1} parts, resumed at step {steps}: the figures are about all of them together"
    ]


def _figures(state: dict[str, Any]) -> list[str]:
    shown = describe_figures(state.get("figures", {}))
    return ["", f"Figures: {shown}."] if shown else []


def _use(config: TrainingConfig) -> list[str]:
    if not config.lora.enabled:
        return ["```python", 'model = AutoModelForCausalLM.from_pretrained("this folder")', "```"]
    return [
        "```python",
        "from peft import PeftModel",
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        f'base = AutoModelForCausalLM.from_pretrained("{config.model.name}")',
        'model = PeftModel.from_pretrained(base, "this folder")',
        'tokenizer = AutoTokenizer.from_pretrained("this folder")',
        "```",
    ]
