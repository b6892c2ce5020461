"""A trained model on disk: adapter or all weights, tokenizer with its template, model card; there at once, or not at all.

save_trained(trainer, tokenizer, lambda: model_card(...), run.final)
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from assistant.backends.model_files import read_header
from retrieval.errors import TrainingError
from retrieval.files import move_folder, write_atomically
from training.disk import model_writing

_WEIGHTS: Final = "*.safetensors"


def save_trained(trainer: Any, tokenizer: Any, card: Callable[[], str], folder: Path) -> None:
    """Write a folder; every process calls this, the first one writes. Raises `StorageError`, `TrainingError`."""
    draft = folder.parent / f".{folder.name}.draft"
    first = trainer.is_world_process_zero()
    with model_writing(f"save the model to {folder}", folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            if first:
                shutil.rmtree(draft, ignore_errors=True)  # left by a kill: its files must not end up in this model
            _gather_whole(trainer)
            trainer.save_model(str(draft))
            if first:
                _check_weights(draft)
                tokenizer.save_pretrained(draft)
                (draft / "training_args.bin").unlink(missing_ok=True)  # a pickle, and recipe.yaml says the same
                write_atomically(draft / "README.md", card().encode())
                move_folder(draft, folder)
        except BaseException:
            if first:
                shutil.rmtree(draft, ignore_errors=True)
            raise


def _gather_whole(trainer: Any) -> None:
    """Under FSDP weights lie in parts on all cards, and transformers writes none of them unless they are asked for whole."""
    plugin = getattr(trainer.accelerator.state, "fsdp_plugin", None)
    if plugin is not None:
        plugin.set_state_dict_type("FULL_STATE_DICT")


def _check_weights(draft: Path) -> None:
    """Libraries that do not fit together have written a file of weights with nothing in it, without a word."""
    if not any(set(read_header(path, "")) - {"__metadata__"} for path in draft.glob(_WEIGHTS)):
        raise TrainingError(
            "The trainer wrote no weights.",
            "Set fsdp_version: 2 in the launch file, and go on with the same launcher.",
        )
