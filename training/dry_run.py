"""Everything before the first step, shown: recipe, rows with what is learned of them, gates, memory; nothing is trained.

savia train --dry-run
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, get_args

from retrieval.console import escape, output, print_table
from retrieval.errors import TrainingError
from training.architectures import Architecture, find_architecture
from training.chat_layout import choose_template, read_template
from training.config import TrainingConfig
from training.device import Device, DeviceSettings, choose_settings, read_device
from training.gates import Gate
from training.memory_estimate import estimate_memory, format_bytes, suggest_changes
from training.recipes import dump_recipe
from training.rendering import RenderedRow, show_row
from training.rows import TrainingData
from training.tiny_base import Kind, train_tokenizer
from training.trainer import QLoRATrainer

ROWS_SHOWN: Final = 2
MOST_SHOWN: Final = 6000  # characters of one row
_CARD: Final = Device("cuda", "an NVIDIA GPU with 24 GiB", 24 * 2**30, True, 1, 8, False)
_BEGIN: Final = "<｜begin▁of▁sentence｜>"


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a dry run found; `stand_in` where the model's own tokenizer was not to be had."""

    recipe: str
    data: dict[str, Any]
    lengths: dict[str, int]
    rows: list[str]
    gates: list[Gate]
    memory: list[dict[str, Any]]
    notes: list[str]
    stand_in: bool

    @property
    def passed(self) -> bool:
        return all(gate.passed for gate in self.gates)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "gates": [asdict(gate) for gate in self.gates], "passed": self.passed}


def dry_run(trainer: QLoRATrainer) -> DryRun:
    """Load data and tokenizer, render every row, check the gates, estimate memory. Raises as a run would before its start."""
    config = trainer.config
    notes = list(trainer.notes)
    data = trainer.data
    stand_in = _use_tokenizer(trainer, notes)
    rendered = trainer.rendered
    return DryRun(
        recipe=dump_recipe(config),
        data={
            "source": data.source,
            "sha256": data.sha256,
            "train": len(data.train),
            "validation": len(data.validation),
            "held_out": data.held_out,
            "too_long": rendered.too_long,
            "too_long_share": round(rendered.truncated_share, 4),
            "used": len(rendered.rows),
        },
        lengths=_lengths(rendered.rows),
        rows=[show_row(trainer.tokenizer, row)[:MOST_SHOWN] for row in rendered.rows[:ROWS_SHOWN]],
        gates=trainer.gates(),
        memory=_memory(config, trainer.device),
        notes=notes,
        stand_in=stand_in,
    )


def stand_in_tokenizer(config: TrainingConfig, data: TrainingData) -> Any:
    """A small tokenizer learned from the rows, in the layout of the recipe's model: for counting where there is no network."""
    architecture = find_architecture(config.model.name)
    kind: Kind = architecture.kind if architecture and architecture.kind in get_args(Kind) else "qwen3"  # type: ignore[assignment]
    tokenizer = train_tokenizer([turn["content"] for row in data.train for turn in row.messages], kind)
    template = config.model.chat_template
    if template == "auto":
        template = choose_template("auto", kind, tokenizer.get_vocab())
    if template not in ("own", ""):
        tokenizer.chat_template = read_template(template)
    if template == "deepseek":
        tokenizer.add_special_tokens({"bos_token": _BEGIN})
    return tokenizer


def print_dry_run(result: DryRun) -> None:
    """For people: what would be trained, and whether it may."""
    show = output()
    show.print(escape(result.recipe.rstrip()), soft_wrap=True)
    for number, text in enumerate(result.rows, 1):
        show.rule(f"row {number}: what is learned stands between ⟦ and ⟧")
        show.print(escape(text), soft_wrap=True)
    show.rule("data")
    print_table(["", ""], [[name, value] for name, value in result.data.items()])
    print_table(["tokens", ""], [[name, value] for name, value in result.lengths.items()])
    show.rule("gates")
    print_table(["", "gate", ""], [["ok" if gate.passed else "NO", gate.name, gate.detail] for gate in result.gates])
    show.rule("memory")
    for estimate in result.memory:
        _print_memory(estimate)
    for note in result.notes:
        show.print(escape(f"Note: {note}"), soft_wrap=True)


def _print_memory(estimate: dict[str, Any]) -> None:
    show = output()
    show.print(escape(f"On {estimate['device']}: {format_bytes(estimate['total'])}, an estimate"), soft_wrap=True)
    print_table(["part", "memory"], [[name, format_bytes(count)] for name, count in estimate["parts"].items()])
    if estimate["changes"]:
        changes = "\n  - ".join(estimate["changes"])
        show.print(
            escape(f"It does not fit into {format_bytes(estimate['memory'])}. Change:\n  - {changes}"), soft_wrap=True
        )


def _use_tokenizer(trainer: QLoRATrainer, notes: list[str]) -> bool:
    """Load the model's tokenizer; offline put a stand-in in its place and say so. True for the stand-in."""
    try:
        _ = trainer.tokenizer
    except TrainingError as error:
        if Path(trainer.config.model.name).exists() or find_architecture(trainer.config.model.name) is None:
            raise
        notes.append(
            f"{error.message} A stand-in tokenizer, learned from the rows, is used: layouts and gates are real, token counts "
            "are not the model's."
        )
        trainer.use_tokenizer(stand_in_tokenizer(trainer.config, trainer.data))
        return True
    return False


def _lengths(rows: Sequence[RenderedRow]) -> dict[str, int]:
    lengths = sorted(row.full_length for row in rows)
    if not lengths:
        return {}
    return {
        "shortest": lengths[0],
        "median": lengths[len(lengths) // 2],
        "95 %": lengths[min(len(lengths) - 1, len(lengths) * 95 // 100)],
        "longest": lengths[-1],
        "all": sum(lengths),
        "learned": sum(row.learned for row in rows),
    }


def _memory(config: TrainingConfig, settings: DeviceSettings) -> list[dict[str, Any]]:
    """For this machine, and where it has no GPU for a usual one too."""
    architecture = find_architecture(config.model.name)
    if architecture is None:
        return []
    device = read_device()
    found = [_estimate(architecture, config, settings, device)]
    if device.kind != "cuda":
        found.append(_estimate(architecture, config, choose_settings(config, _CARD), _CARD))
    return found


def _estimate(
    architecture: Architecture, config: TrainingConfig, settings: DeviceSettings, device: Device
) -> dict[str, Any]:
    estimate = estimate_memory(architecture, config, settings, device)
    return {
        "device": device.name,
        "memory": device.memory,
        "total": estimate.total,
        "parts": estimate.parts,
        "trained_parameters": estimate.trained_parameters,
        "changes": suggest_changes(estimate, config, device.memory),
    }
