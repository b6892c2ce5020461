"""Going on with a run where it stopped, to the bit: the checkpoint, its run, and the recipe that the run resolved.

checkpoint = find_checkpoint("latest", models, "herbolaria", output_dir=None)
"""

import os
import shlex
from pathlib import Path

from retrieval.errors import TrainingError, UsageError
from training.run_folder import RunFolder, list_runs


def find_checkpoint(wanted: str, models: Path, domain: str, output_dir: Path | None = None) -> Path:
    """`latest`, a run's folder or a checkpoint's folder, as the newest whole checkpoint there. Raises `UsageError`."""
    if wanted != "latest":
        path = Path(wanted)
        if path.name.startswith("checkpoint-") and path in RunFolder(path.parent).checkpoints():
            return path
        found = RunFolder(path).checkpoints()
        if found:
            return found[-1]
        raise UsageError(
            f"{wanted} holds no whole checkpoint.", "Give a run's folder, one of its checkpoints, or latest."
        )
    runs = [RunFolder(output_dir)] if output_dir is not None else list_runs(models, domain)
    for run in reversed(runs):
        if run.checkpoints():
            return run.checkpoints()[-1]
    place = output_dir or models / domain
    raise UsageError(
        f"No run in {place} has a checkpoint to go on from.", "Start anew: savia train, without --resume-from."
    )


def check_same_data(run: RunFolder, sha256: str) -> None:
    """Raises `TrainingError` where the rows are not those that the run began with: it would be neither run."""
    before = run.read_state().get("data", {}).get("sha256")
    if before and before != sha256:
        raise TrainingError(
            f"The training rows have changed since {run.root.name} began.",
            "Train anew on the new rows, or give the old ones with --train-data and --val-data.",
        )


def how_to_go_on(run: RunFolder) -> str:
    """What to type; several processes are started by the launcher that started them."""
    option = f"--resume-from {shlex.quote(str(run.root))}"
    if "WORLD_SIZE" in os.environ:
        return f"the same launcher with -m training.train {option}"
    return f"savia train {option}"


def check_free(run: RunFolder) -> None:
    """Raises `UsageError` where a folder already holds a run: results of two runs would mix.

    A run that failed before its first checkpoint left nothing but its log: the same command begins it again.
    """
    state = run.read_state()
    if state:
        taken = state.get("state") != "failed" or run.final.exists() or bool(run.checkpoints())
    else:
        taken = bool(run.checkpoint_folders())  # another tool's: transformers would delete them as a run's oldest
    if taken:
        raise UsageError(
            f"{run.root} already holds a run.", "Go on with it by --resume-from latest, or name another --output-dir."
        )
