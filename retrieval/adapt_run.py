"""One training run of `savia adapt`, of the embedder or of the reranker: trained once, and gone on with where it was killed.

    model = train_once(folder, key, build=lambda runs: trainer, save=lambda model, target: model.save_pretrained(str(target)))

`folder` has `model/` and, once that is whole, `trained.json` with the key of what it was trained on; checkpoints lie in `run-KEY/`.
"""

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from retrieval.files import read_json, write_json

WARM_UP = 0.1
WEIGHTS = ("model.safetensors", "pytorch_model.bin")

Progress = Callable[[str, int, int], None]


def train_once(folder: Path, key: str, build: Callable[[Path], Any], save: Callable[[Any, Path], None]) -> Path:
    """The trained model's folder inside `folder`; found again if `key` was trained before.

    `build` makes a trainer that saves its checkpoints in the folder it is given; `save` writes the trained model.
    """
    done, state, runs = folder / "model", folder / "trained.json", folder / f"run-{key}"
    if state.is_file() and read_json(state) == {"key": key}:
        return done
    for old in folder.glob("run-*"):
        if old != runs:
            shutil.rmtree(old)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = build(runs)
        checkpoint = last_checkpoint(runs)
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    state.unlink(missing_ok=True)  # it must never vouch for a model that is half replaced
    shutil.rmtree(done, ignore_errors=True)
    save(trainer.model, done)
    write_json(state, {"key": key})
    shutil.rmtree(runs, ignore_errors=True)
    return done


def last_checkpoint(runs: Path) -> Path | None:
    """The newest whole checkpoint; those that were being written when the process was killed are removed."""
    whole = []
    for path in runs.glob("checkpoint-*"):
        if _is_whole(path):
            whole.append(path)
        else:
            shutil.rmtree(path)
    return max(whole, key=lambda path: int(path.name.split("-")[1]), default=None)


def _is_whole(checkpoint: Path) -> bool:
    """The trainer writes weights, then the optimizer's state, then its own state: that one, readable, ends a checkpoint."""
    try:
        json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    has_weights = any((checkpoint / name).is_file() for name in WEIGHTS)
    return has_weights and (checkpoint / "optimizer.pt").is_file()


def common_arguments(runs: Path, steps: int, save_every: int, learning_rate: float, seed: int) -> dict[str, Any]:
    """What both trainers are told: on the processor, in silence, with one checkpoint kept."""
    return {
        "output_dir": str(runs),
        "max_steps": steps,
        "learning_rate": learning_rate,
        "warmup_steps": max(1, int(steps * WARM_UP)),
        "save_strategy": "steps",
        "save_steps": save_every,
        "save_total_limit": 1,
        "logging_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
        "fp16": False,
        "seed": seed,
        "dataloader_pin_memory": False,
    }


def telling(stage: str, progress: Progress) -> Any:
    """A trainer's callback that reports every step to `progress`."""
    from transformers import TrainerCallback

    class Tell(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            progress(stage, state.global_step, state.max_steps)
            if state.global_step == state.max_steps:
                control.should_save = False  # the model itself is written next

    return Tell()


def silence(trainer: Any) -> Any:
    """The trainer without what it would print to stdout, where results go."""
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    return trainer
