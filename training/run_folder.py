"""What a training run leaves on disk, and where: `models/<domain>/<time>/`.

run = RunFolder(settings.models_dir / "herbolaria" / "20261121_101500")
run.final, run.metrics, run.read_state()

recipe.yaml       the recipe as resolved        run.json          state, data hash, environment, figures
metrics.jsonl     one line per logged step      training_log.txt  the same for people
checkpoint-N/     the last ones, to resume      final/            adapter, tokenizer, template, model card
README.md         the run card
"""

import json
import os
import platform
import re
import shutil
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from retrieval.errors import UsageError
from retrieval.files import read_json, write_atomically, write_json
from training.config import TrainingConfig
from training.recipes import dump_recipe

TIME_FORMAT: Final = "%Y%m%d_%H%M%S"
MERGED: Final = "merged"  # in a run: its adapter merged into the base, where that was asked for
_CHECKPOINT: Final = re.compile(r"checkpoint-([0-9]+)")  # as transformers names them; others are somebody's own copies
_PACKAGES: Final = ("torch", "transformers", "trl", "peft", "bitsandbytes", "datasets", "accelerate", "savia")


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths of one run, and its small files."""

    root: Path

    @property
    def recipe(self) -> Path:
        return self.root / "recipe.yaml"

    @property
    def state(self) -> Path:
        return self.root / "run.json"

    @property
    def metrics(self) -> Path:
        return self.root / "metrics.jsonl"

    @property
    def log(self) -> Path:
        return self.root / "training_log.txt"

    @property
    def final(self) -> Path:
        return self.root / "final"

    def read_state(self) -> dict[str, Any]:
        """`run.json`; empty where the run wrote none yet."""
        if not self.state.is_file():
            return {}
        found = read_json(self.state)
        return found if isinstance(found, dict) else {}

    def write_state(self, **values: Any) -> None:
        """Put values over what `run.json` holds."""
        write_json(self.state, {**self.read_state(), **values})

    def write_recipe(self, config: TrainingConfig) -> None:
        write_atomically(self.recipe, dump_recipe(config).encode())

    def checkpoints(self) -> list[Path]:
        """Whole checkpoints, the oldest first: the trainer's state is written last, so where it reads, all is there."""
        return sorted(filter(_is_whole, self.checkpoint_folders()), key=checkpoint_step)

    def checkpoint_folders(self) -> list[Path]:
        """Whatever is named as transformers names a checkpoint, whole or not."""
        return [path for path in self.root.glob("checkpoint-*") if _CHECKPOINT.fullmatch(path.name) and path.is_dir()]

    def drop_torn_checkpoint(self, step: int) -> None:
        """Remove the checkpoint that a run was writing at `step` when it broke off: nothing can go on from it."""
        path = self.root / f"checkpoint-{step}"
        if path.is_dir() and not _is_whole(path):
            shutil.rmtree(path, ignore_errors=True)

    def drop_checkpoints_beside(self, step: int) -> None:
        """Remove what is torn, and what lies beyond the checkpoint a run goes on from: that branch is given up."""
        for path in self.checkpoint_folders():
            if checkpoint_step(path) > step or not _is_whole(path):
                shutil.rmtree(path, ignore_errors=True)

    def keep_metrics_until(self, step: int) -> None:
        """Drop what was logged after `step`: a resumed run logs it again."""
        if not self.metrics.is_file():
            return
        lines = self.metrics.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if _step_of(line) <= step]
        write_atomically(self.metrics, "".join(f"{line}\n" for line in kept).encode())


def new_run(models: Path, domain: str, now: datetime | None = None) -> RunFolder:
    """A folder named by the time; a number follows where two runs start in one second."""
    name = (now or datetime.now()).strftime(TIME_FORMAT)
    parent = models / (domain or "no-domain")
    number = 1
    while (folder := parent / (name if number == 1 else f"{name}_{number}")).exists():
        number += 1
    return RunFolder(folder)


def list_runs(models: Path, domain: str) -> list[RunFolder]:
    """The domain's runs, the newest last."""
    return [RunFolder(path.parent) for path in sorted((models / domain).glob("*/run.json"))]


def find_run(path: Path) -> RunFolder:
    """The run that a folder, or a folder within it, belongs to. Raises `UsageError`."""
    for folder in (path, path.parent):
        if (folder / "run.json").is_file():
            return RunFolder(folder)
    raise UsageError(f"{path} is no training run.", "Give a folder that savia train has made: it holds a run.json.")


def describe_environment() -> dict[str, Any]:
    """Versions and machine, for the run card."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "packages": versions,
    }


def checkpoint_step(checkpoint: Path) -> int:
    """The step after which a checkpoint was written."""
    return int(checkpoint.name.rpartition("-")[2])


def _is_whole(checkpoint: Path) -> bool:
    state = checkpoint / "trainer_state.json"
    if not state.is_file():
        return False
    try:
        json.loads(state.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return True


def _step_of(line: str) -> int:
    try:
        return int(json.loads(line).get("step", 0))
    except (ValueError, AttributeError, TypeError):
        return 2**62  # a last line cut by a kill
