"""What a run says of itself: its figures are about all of it, however often it was resumed."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.training.conftest import MakeConfig
from training.run_cards import describe_figures
from training.run_folder import RunFolder
from training.run_record import Totals, begin, fail, read_totals
from training.trainer import QLoRATrainer


def write_metrics(run: RunFolder, *rows: dict[str, float]) -> None:
    run.metrics.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_the_loss_is_that_of_a_mean_step_and_time_and_tokens_those_of_all_parts(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    write_metrics(
        run,
        {"step": 1, "loss": 4.0, "seconds": 1.0, "tokens": 10},
        {"step": 3, "loss": 3.0, "seconds": 3.0, "tokens": 30},  # the mean of steps 2 and 3
        {"step": 3, "eval_loss": 9.0},
        {"step": 4, "loss": 2.0, "seconds": 8.0, "tokens": 40},
    )
    totals = read_totals(run)
    assert totals == Totals(4, 8.0, 40, (4 + 3 + 3 + 2) / 4)
    assert totals.figures() == {
        "train_loss": 3.0, "seconds": 8.0, "steps_per_second": 0.5, "tokens_per_second": 5.0,
    }  # fmt: skip


def test_a_run_that_logged_nothing_has_no_figures(tmp_path: Path) -> None:
    assert read_totals(RunFolder(tmp_path)).figures() == {}


def test_a_run_from_before_time_was_logged_has_a_loss_and_no_rates(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    write_metrics(run, {"step": 1, "loss": 4.0}, {"step": 2, "loss": 2.0, "seconds": 1.0, "tokens": 10})
    assert read_totals(run).figures() == {"train_loss": 3.0}


@pytest.mark.parametrize("saving", [{"save_strategy": "steps", "save_steps": 2}, {"save_strategy": "epoch"}])
def test_a_resumed_runs_figures_and_card_are_about_both_parts(
    saving: dict[str, Any], make_config: MakeConfig, tmp_path: Path
) -> None:
    two_steps = {"packing": False, "per_device_train_batch_size": 16}  # an epoch of 32 rows
    config = make_config(max_steps=4, logging_steps=3, **two_steps, **saving)
    whole, resumed = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "resumed")
    expected = QLoRATrainer(config, whole).train()
    QLoRATrainer(config, resumed).train()
    figures = QLoRATrainer(config, resumed).train(resumed.checkpoints()[0])
    assert figures["train_loss"] == pytest.approx(expected["train_loss"], rel=1e-12)
    assert read_totals(resumed).tokens == read_totals(whole).tokens > 0
    assert read_totals(resumed).seconds > json.loads(resumed.metrics.read_text().splitlines()[0])["seconds"] > 0
    assert resumed.read_state()["resumed"] == [2] and whole.read_state()["resumed"] == []
    card = (resumed.root / "README.md").read_text("utf-8")
    assert "trained in 2 parts, resumed at step 2: the figures are about all of them together" in card
    assert "parts" not in (whole.root / "README.md").read_text("utf-8")


def test_figures_are_told_in_words() -> None:
    figures = {"train_loss": 1.5, "seconds": 90.0, "tokens_per_second": 12345.6, "eval_perplexity": 4.0}
    told = "training loss 1.5000, 1:30 of training, 12,346 tokens/s, validation perplexity 4.00"
    assert describe_figures(figures) == told


def test_a_run_that_failed_before_it_began_leaves_nothing(tmp_path: Path) -> None:
    fail(RunFolder(tmp_path / "run"), RuntimeError("no"))
    assert list(tmp_path.iterdir()) == []


def make_checkpoints(folder: Path, whole: list[str], torn: list[str]) -> None:
    for name in (*whole, *torn):
        (folder / name).mkdir(parents=True)
    for name in whole:
        (folder / name / "trainer_state.json").write_text("{}")


def checkpoints_in(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("checkpoint-*")}


def test_the_checkpoint_that_a_failure_left_half_written_is_removed_and_no_other(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    make_checkpoints(tmp_path, ["checkpoint-2"], ["checkpoint-4", "checkpoint-best", "checkpoint-500"])
    run.write_state(state="running", step=4)
    fail(run, OSError("full"))
    assert checkpoints_in(tmp_path) == {"checkpoint-2", "checkpoint-best", "checkpoint-500"}
    assert run.read_state()["state"] == "failed"


def test_going_on_from_an_earlier_checkpoint_drops_those_beyond_it_and_torn_ones(
    make_config: MakeConfig, tmp_path: Path
) -> None:
    run = RunFolder(tmp_path / "run")
    make_checkpoints(run.root, ["checkpoint-2", "checkpoint-4"], ["checkpoint-1", "checkpoint-200-good"])
    run.write_state(state="stopped", step=4)
    begin(run, make_config(), {}, run.root / "checkpoint-2")
    assert checkpoints_in(run.root) == {"checkpoint-2", "checkpoint-200-good"}


@pytest.mark.parametrize("start", [None, "checkpoint-2"])
def test_what_another_tool_left_in_a_folder_stays(start: str | None, make_config: MakeConfig, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    make_checkpoints(run.root, ["checkpoint-2", "checkpoint-4"], ["checkpoint-500", "checkpoint-best"])
    before = checkpoints_in(run.root)
    begin(run, make_config(), {}, run.root / start if start else None)
    assert checkpoints_in(run.root) == before
