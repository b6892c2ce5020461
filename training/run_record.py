"""What a run notes of itself: how it began, the parts it was trained in, its figures over all of them, how it ended.

begin(run, config, facts, resume_from); read_totals(run).figures(); end(run, config, "finished", figures, steps)
"""

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from retrieval.files import write_atomically
from training.config import TrainingConfig
from training.progress import write_log
from training.run_cards import run_card
from training.run_folder import RunFolder, checkpoint_step, describe_environment

End = Literal["finished", "stopped", "failed"]


@dataclass(frozen=True, slots=True)
class Totals:
    """Of all parts of a run: steps, seconds of training (0: not known), tokens seen, mean training loss of a step."""

    steps: int = 0
    seconds: float = 0.0
    tokens: int = 0
    loss: float = 0.0

    def figures(self) -> dict[str, float]:
        """By the names under which run.json and the card show them; empty where nothing was logged."""
        if not self.steps:
            return {}
        found = {"train_loss": self.loss}
        if self.seconds:
            found["seconds"] = self.seconds
            found["steps_per_second"] = self.steps / self.seconds
            found["tokens_per_second"] = self.tokens / self.seconds
        return found


def read_totals(run: RunFolder) -> Totals:
    """From `metrics.jsonl`: a resumed run has dropped what it trains again, so each step counts once.

    A row's loss is the mean since the row before it; rows are written at every checkpoint, so that no step is in none.
    """
    if not run.metrics.is_file():
        return Totals()
    rows = [json.loads(line) for line in run.metrics.read_text(encoding="utf-8").splitlines()]
    learned = [row for row in rows if "loss" in row]
    if not learned:
        return Totals()
    before, total = 0, 0.0
    for row in learned:
        total += row["loss"] * (row["step"] - before)
        before = row["step"]
    # Runs once logged no time: what a later part of theirs counted is not about all of it.
    last = learned[-1] if "seconds" in learned[0] else {}
    return Totals(before, last.get("seconds", 0.0), last.get("tokens", 0), total / before)


def begin(run: RunFolder, config: TrainingConfig, facts: dict[str, Any], resume_from: Path | None) -> None:
    """Write recipe and state before the first step of a part; what lies behind the checkpoint is dropped."""
    run.root.mkdir(parents=True, exist_ok=True)
    run.write_recipe(config)
    step = checkpoint_step(resume_from) if resume_from else 0
    ours = resume_from is not None and run.state.is_file()  # not another tool's folder
    resumed = [*run.read_state().get("resumed", []), step] if resume_from else []
    run.write_state(
        name=run.root.name,
        domain=config.domain,
        base_model=config.model.name,
        chat_template=config.model.chat_template,
        environment=describe_environment(),
        resumed=resumed,
        **facts,
        **({} if resume_from else {"started": _now()}),
    )
    run.keep_metrics_until(step)
    if ours:
        run.drop_checkpoints_beside(step)
    if resume_from is not None:
        write_log(run, f"resumed from {resume_from.name}")


def end(run: RunFolder, config: TrainingConfig, state: End, figures: dict[str, float], steps: int) -> None:
    """Write how a run, or a part of it, ended, and its card."""
    run.write_state(state=state, ended=_now(), figures=figures, steps=steps, step=steps)
    write_atomically(run.root / "README.md", run_card(config, run.read_state()).encode())
    write_log(run, f"{state}: {figures}")


def fail(run: RunFolder, error: Exception) -> None:
    """Note that a run broke off, and remove a checkpoint that it left half-written; a full disk may refuse even that."""
    if not run.state.is_file():
        return
    # A step is noted before its checkpoint is written. Others, torn or not, may be somebody else's.
    run.drop_torn_checkpoint(run.read_state().get("step", 0))
    with suppress(OSError):
        run.write_state(state="failed", ended=_now())
        write_log(run, f"failed: {' '.join(str(error).split())}")


def _now() -> str:
    return datetime.now().isoformat(timespec="seconds")
