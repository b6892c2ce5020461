"""Teach a model a domain: QLoRA of the recipe's base model on the domain's rows.

    savia train --dry-run                          # rows, gates and memory first
    savia train --preset fast_test
    savia train --resume-from latest               # goes on where a run was stopped, to the bit

The same as a module: `python -m training.train --config training/configs/qlora_config.yaml`.
"""

import gc
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from retrieval.console import DomainOption, JsonOption, escape, output, print_json, run_command, say
from retrieval.domain import Domain, load_domain
from retrieval.errors import DomainNotFound, GateRefused, TrainingError, UsageError
from retrieval.settings import RetrievalSettings, read_settings
from training import dry_run as rehearsal
from training.recipes import PRESETS, Recipe, load_recipe, parse_settings, read_recipe
from training.resume import check_free, check_same_data, find_checkpoint, how_to_go_on
from training.run_cards import describe_figures
from training.run_folder import MERGED, RunFolder, new_run
from training.trainer import QLoRATrainer


def command(
    config: Annotated[
        str, typer.Option(help="A recipe: a YAML or JSON file, one of the pack's by name, or a preset.")
    ] = "",
    preset: Annotated[str, typer.Option(help=f"On top of the recipe: {', '.join(PRESETS)}.")] = "",
    model_name: Annotated[
        str | None, typer.Option(help="Base model: a Hub name or a folder.", show_default=False)
    ] = None,
    dataset_path: Annotated[
        Path | None, typer.Option(help="A folder with train and validation files, or one file.", show_default=False)
    ] = None,
    train_data: Annotated[Path | None, typer.Option(help="Rows to learn from.", show_default=False)] = None,
    val_data: Annotated[Path | None, typer.Option(help="Rows to evaluate on.", show_default=False)] = None,
    output_dir: Annotated[
        Path | None, typer.Option(help="The run's folder; default models/<domain>/<time>.", show_default=False)
    ] = None,
    epochs: Annotated[
        float | None, typer.Option("--num-train-epochs", "--num-epochs", "--epochs", show_default=False)
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows at once on one device.", show_default=False)] = None,
    learning_rate: Annotated[float | None, typer.Option("--learning-rate", "--lr", show_default=False)] = None,
    max_length: Annotated[int | None, typer.Option(help="Longest row in tokens.", show_default=False)] = None,
    max_samples: Annotated[
        int | None, typer.Option(help="Learn from at most so many rows.", show_default=False)
    ] = None,
    save_steps: Annotated[int | None, typer.Option(help="Steps between checkpoints.", show_default=False)] = None,
    save_total_limit: Annotated[int | None, typer.Option(help="Checkpoints kept.", show_default=False)] = None,
    lora_r: Annotated[int | None, typer.Option(help="Rank of the adapter.", show_default=False)] = None,
    target_modules: Annotated[
        str | None, typer.Option(help="Names of the adapted layers, with commas, or all-linear.", show_default=False)
    ] = None,
    no_4bit: Annotated[bool, typer.Option("--no-4bit", help="Do not quantise the base model.")] = False,
    load_in_8bit: Annotated[
        bool, typer.Option("--load-in-8bit", help="8 instead of 4 bit; needs an NVIDIA GPU.")
    ] = False,
    no_lora: Annotated[bool, typer.Option("--no-lora", help="Train all weights; implies --no-4bit.")] = False,
    merge: Annotated[bool, typer.Option("--merge", help="Merge the adapter into the base model at the end.")] = False,
    resume_from: Annotated[
        str | None, typer.Option(help="latest, a run's folder, or a checkpoint's.", show_default=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show rows, gates and memory; train nothing.")] = False,
    report_to: Annotated[str | None, typer.Option(help="none, tensorboard or wandb.", show_default=False)] = None,
    no_wandb: Annotated[
        bool, typer.Option("--no-wandb", help="Not to Weights & Biases, whatever the recipe says.")
    ] = False,
    push_to_hub: Annotated[bool, typer.Option("--push-to-hub", help="Upload the adapter; needs HF_TOKEN.")] = False,
    repository: Annotated[
        str | None, typer.Option("--repository", "--hub-model-id", help="user/name on the Hub.", show_default=False)
    ] = None,
    hub_strategy: Annotated[str | None, typer.Option(help="end or checkpoint.", show_default=False)] = None,
    private: Annotated[
        bool | None, typer.Option("--private/--public", help="Of the repository.", show_default=False)
    ] = None,
    seed: Annotated[int | None, typer.Option(show_default=False)] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="key=value, repeatable: any setting of a recipe.", show_default=False),
    ] = None,
    domain: DomainOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train an adapter by a recipe; begin with --dry-run."""
    given = {
        "model.name": model_name,
        "dataset_path": dataset_path,
        "train_data": train_data,
        "validation_data": val_data,
        "output_dir": output_dir,
        "num_train_epochs": epochs,
        "per_device_train_batch_size": batch_size,
        "learning_rate": learning_rate,
        "max_length": max_length,
        "max_samples": max_samples,
        "save_steps": save_steps,
        "save_total_limit": save_total_limit,
        "lora.r": lora_r,
        "lora.target_modules": target_modules,
        "report_to": report_to,
        "hub.push": True if push_to_hub else None,
        "hub.repository": repository,
        "hub.strategy": hub_strategy,
        "hub.private": private,
        "seed": seed,
        **dict(_switches(no_4bit, load_in_8bit, no_lora, no_wandb)),
        **parse_settings(settings or ()),
    }
    overrides = {name: value for name, value in given.items() if value is not None}
    home = read_settings(domain=domain)
    _start(home, config, preset, overrides, resume_from, dry_run, merge, as_json)


def _switches(no_4bit: bool, load_in_8bit: bool, no_lora: bool, no_wandb: bool) -> Iterator[tuple[str, Any]]:
    if load_in_8bit:
        yield "quantization.load_in_8bit", True
    if no_4bit or load_in_8bit or no_lora:
        yield "quantization.load_in_4bit", False
    if no_lora:
        yield "lora.enabled", False
    if no_wandb:
        yield "report_to", "tensorboard"


def _start(
    home: RetrievalSettings,
    config: str,
    preset: str,
    overrides: dict[str, Any],
    resume_from: str | None,
    dry_run: bool,
    merge: bool,
    as_json: bool,
) -> None:
    checkpoint = None
    run = None
    if resume_from:
        checkpoint = find_checkpoint(resume_from, home.models_dir, home.domain, overrides.get("output_dir"))
        run = RunFolder(checkpoint.parent)
    recipe = _load_recipe(home, run, config, preset, overrides)
    for note in recipe.notes:
        say(note)
    if merge and not recipe.config.lora.enabled:
        raise UsageError("All weights are trained: there is no adapter to merge.", "Leave --merge out.")
    if dry_run:
        show_dry_run(recipe, home, as_json)
        return
    if run is None:
        run = _choose_folder(recipe.config.output_dir, home.models_dir, recipe.config.domain)
    try:
        figures = train(recipe, run, home, checkpoint)
    except KeyboardInterrupt:
        _tell_how_to_go_on(run)
        raise
    _leave_the_group()
    if not _is_first():
        return
    if not as_json:
        output().print(escape(f"{describe_figures(figures)}\n{run.final}"), soft_wrap=True)
    merged = _merge(run, as_json) if merge else {}  # shows its checks and its folder itself
    if as_json:
        result = {"run": str(run.root), "final": str(run.final), **({"merged": merged} if merged else {})}
        print_json({**result, "figures": figures})


def _load_recipe(
    home: RetrievalSettings, run: RunFolder | None, config: str, preset: str, overrides: dict[str, Any]
) -> Recipe:
    """The recipe that is asked for; a run that goes on brings its own, and with it its domain and rows."""
    begun: dict[str, Any] = {}
    if run is not None and not config and run.recipe.is_file():
        config, begun = str(run.recipe), read_recipe(run.recipe)[0]
    return load_recipe(_find_pack(home, {**begun, **overrides}), config, preset, overrides)


def _tell_how_to_go_on(run: RunFolder) -> None:
    kept = run.checkpoints()
    if kept and _is_first():
        say(f"Stopped; {kept[-1].name} is kept. Go on: {how_to_go_on(run)}")


def _choose_folder(given: Path | None, models: Path, domain: str) -> RunFolder:
    """The run's folder. Several processes must agree on it, and only the first finds it empty."""
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    if several and given is None:
        raise UsageError("Several processes train together and need one folder.", "Name it with --output-dir.")
    run = RunFolder(given) if given else new_run(models, domain)
    if _is_first():
        check_free(run)
    return run


def _is_first() -> bool:
    """Whether this is the process that speaks and writes, where several train together."""
    return os.environ.get("RANK", "0") == "0"


def _leave_the_group() -> None:
    """End the talk between processes that train together, after a run that went well.

    A process that ends with its group's threads alive may be aborted (pytorch issue 190489). After a failure nobody
    waits: the others may stand in an operation that this process will never join; the launcher ends them.
    """
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        gc.collect()  # the wrapped model holds the group; its threads end with the last that does
        distributed.barrier()
        distributed.destroy_process_group()


def train(recipe: Recipe, run: RunFolder, home: RetrievalSettings, checkpoint: Path | None = None) -> dict[str, float]:
    """One run in its folder, from the start or from a checkpoint; returns the figures. Raises as `QLoRATrainer.train`."""
    trainer = QLoRATrainer(recipe.config, run, home)
    if checkpoint is not None:
        check_same_data(run, trainer.data.sha256)
    if _is_first():
        for note in trainer.notes:
            say(note)
    return trainer.train(checkpoint)


def show_dry_run(recipe: Recipe, home: RetrievalSettings, as_json: bool) -> None:
    """Print what a run would do. Raises `GateRefused` where it would be refused."""
    result = rehearsal.dry_run(QLoRATrainer(recipe.config, settings=home))
    if as_json:
        print_json(result.as_json())
    else:
        rehearsal.print_dry_run(result)
    failed = [gate.name for gate in result.gates if not gate.passed]
    if failed:
        raise GateRefused(f"This run would be refused: not {'; not '.join(failed)}.", "The figures stand above.")


def _find_pack(home: RetrievalSettings, given: dict[str, Any]) -> Domain | None:
    """The pack of the domain that a resumed run names, else of the chosen one; a run on files of its own does without."""
    if given.get("domain") == "":
        return None  # a resumed run that had none
    try:
        return load_domain(str(given.get("domain") or home.domain), home.domains_dir)
    except DomainNotFound:
        if given.get("dataset_path") or given.get("train_data"):
            return None
        raise


def _merge(run: RunFolder, as_json: bool) -> dict[str, Any]:
    """Merge in a process of its own; the record of the merge where it is to be JSON."""
    gc.collect()  # the trained model's memory is free by then
    command = [sys.executable, "-m", "training.merge_adapter", "--adapter-path", str(run.final)]
    done = subprocess.run(
        [*command, "--output-path", str(run.root / MERGED), *(["--json"] if as_json else [])],
        stdout=subprocess.PIPE if as_json else None,
        check=False,
    )
    if done.returncode:
        raise TrainingError(
            "The adapter is trained, and merging it failed.",
            f"Repeat it: {shlex.join(['savia', 'merge', '--adapter-path', str(run.final)])} "
            f"{shlex.join(['--output-path', str(run.root / MERGED)])}",
        )
    return dict(json.loads(done.stdout)) if as_json else {}


if __name__ == "__main__":
    run_command(command)
