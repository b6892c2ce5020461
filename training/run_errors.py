"""What ends a run from outside, as one sentence that says from where the run goes on.

with run_errors(config, run):
    trainer.train()
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from retrieval.errors import StorageError, TrainingError
from training.config import TrainingConfig
from training.disk import model_writing
from training.resume import how_to_go_on
from training.run_folder import RunFolder


@contextmanager
def run_errors(config: TrainingConfig, run: RunFolder) -> Iterator[None]:
    """Out of memory as one sentence; a full disk as another."""
    import torch

    try:
        with run_writing(run):
            yield
    except StorageError as error:
        checkpoints = run.checkpoints()
        if not checkpoints:
            raise
        kept = f"{checkpoints[-1].name} is kept: free space, then {how_to_go_on(run)}"
        raise StorageError(error.message, kept) from error
    except torch.cuda.OutOfMemoryError as error:
        checkpoints = run.checkpoints()
        kept = f" {checkpoints[-1].name} is kept; go on: {how_to_go_on(run)}" if checkpoints else ""
        raise TrainingError(
            "The GPU's memory is full.",
            f"Lower per_device_train_batch_size (now {config.per_device_train_batch_size}; raise "
            f"gradient_accumulation_steps to match), max_length (now {config.max_length}) or lora.r (now "
            f"{config.lora.r}).{kept}",
        ) from error


def run_writing(run: RunFolder) -> AbstractContextManager[None]:
    """Around whatever writes checkpoints: a half-written one must lie there still when free space is measured."""
    return model_writing(f"write the run to {run.root}", run.root)
