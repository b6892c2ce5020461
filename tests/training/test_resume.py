"""A run that is killed goes on to the same bits; and two processes are one with twice the rows."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from retrieval.errors import TrainingError, UsageError
from retrieval.files import file_sha256
from retrieval.settings import RetrievalSettings
from savia import app
from tests.conftest import ROOT
from tests.training.conftest import MakeConfig
from training.recipes import dump_recipe
from training.resume import check_free, check_same_data, find_checkpoint, how_to_go_on
from training.run_folder import RunFolder
from training.trainer import QLoRATrainer

PATIENCE = 120  # seconds until a run must have logged its steps, on a busy machine
SAVING = {"eval_strategy": "steps", "eval_steps": 2, "save_strategy": "steps", "save_steps": 2}


def losses(run: RunFolder) -> list[tuple[int, float]]:
    rows = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    return [(row["step"], row.get("loss", row.get("eval_loss"))) for row in rows]


def wait_for_step(run: RunFolder, step: int) -> None:
    end = time.monotonic() + PATIENCE
    while not (run.metrics.is_file() and f'"step": {step},' in run.metrics.read_text()):
        assert time.monotonic() < end, "the run logged nothing"
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("step", [3, 5])
def test_a_killed_run_goes_on_to_the_same_parameters_and_losses(
    step: int, make_config: MakeConfig, tmp_path: Path
) -> None:
    config = make_config(max_steps=8, load_best_model_at_end=True, lora={"r": 4, "dropout": 0.1}, **SAVING)
    whole, killed = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "killed")
    QLoRATrainer(config, whole).train()
    (tmp_path / "recipe.yaml").write_text(dump_recipe(config.model_copy(update={"output_dir": killed.root})), "utf-8")
    child = subprocess.Popen(
        [sys.executable, "-m", "training.train", "--config", str(tmp_path / "recipe.yaml")],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    )
    wait_for_step(killed, step)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not killed.final.exists()
    QLoRATrainer(config, killed).train(find_checkpoint(str(killed.root), tmp_path, ""))
    assert losses(killed) == losses(whole)
    assert file_sha256(killed.final / "adapter_model.safetensors") == file_sha256(
        whole.final / "adapter_model.safetensors"
    )


def test_a_run_that_is_asked_to_stop_writes_a_checkpoint_and_goes_on(make_config: MakeConfig, tmp_path: Path) -> None:
    config = make_config(max_steps=4)
    whole, stopped = (RunFolder(tmp_path / name) for name in ("whole", "stopped"))
    QLoRATrainer(config, whole).train()
    trainer = QLoRATrainer(config, stopped)
    trainer.stop.asked = True
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    assert stopped.read_state()["state"] == "stopped"
    checkpoint = find_checkpoint(str(stopped.root), tmp_path, "")
    assert checkpoint.name == "checkpoint-1"
    QLoRATrainer(config, stopped).train(checkpoint)
    assert losses(stopped) == losses(whole)


@pytest.mark.slow
def test_two_processes_learn_the_same_as_one_with_twice_the_rows(make_config: MakeConfig, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    shared = {"max_steps": 3, "packing": False, "lora": {"r": 4, "dropout": 0.0}}
    one = make_config(per_device_train_batch_size=4, **shared)
    QLoRATrainer(one, RunFolder(tmp_path / "one")).train()
    two = make_config(per_device_train_batch_size=2, processes=2, distributed="ddp", **shared)
    (tmp_path / "two.yaml").write_text(dump_recipe(two.model_copy(update={"output_dir": tmp_path / "two"})), "utf-8")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "-m", "training.train"]
    done = subprocess.run(
        [*launcher, "--config", str(tmp_path / "two.yaml")],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert RunFolder(tmp_path / "two").read_state()["processes"] == 2
    first, second = (load_file(tmp_path / name / "final" / "adapter_model.safetensors") for name in ("one", "two"))
    assert max(float((first[name] - second[name]).abs().max()) for name in first) < 1e-6


def test_a_run_that_was_to_have_two_processes_and_has_one_is_refused(make_config: MakeConfig) -> None:
    with pytest.raises(Exception, match="1 instead of 2 processes run"):
        QLoRATrainer(make_config(processes=2)).train()


def test_a_half_written_checkpoint_is_passed_over(tmp_path: Path) -> None:
    for step, state in ((2, "{}"), (4, '{"cut'), (10, "")):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "trainer_state.json").write_text(state)
    (tmp_path / "checkpoint-12").mkdir()
    assert find_checkpoint("latest", tmp_path, "x", tmp_path).name == "checkpoint-2"


def test_the_latest_run_of_the_domain_is_found(tmp_path: Path) -> None:
    for name in ("20260101_000000", "20260102_000000"):
        run = RunFolder(tmp_path / "herbolaria" / name)
        (run.root / "checkpoint-2").mkdir(parents=True)
        (run.root / "checkpoint-2" / "trainer_state.json").write_text("{}")
        run.write_state(state="stopped")
    assert find_checkpoint("latest", tmp_path, "herbolaria").parent.name == "20260102_000000"
    with pytest.raises(UsageError, match="has a checkpoint to go on from"):
        find_checkpoint("latest", tmp_path, "math-qa")


def test_other_rows_than_the_runs_own_are_refused(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.write_state(data={"sha256": "a"})
    check_same_data(run, "a")
    with pytest.raises(TrainingError, match="have changed since"):
        check_same_data(run, "b")


def make_run(folder: Path, state: str, *checkpoints: str) -> RunFolder:
    run = RunFolder(folder)
    for name in checkpoints:
        (folder / name).mkdir(parents=True)
        (folder / name / "trainer_state.json").write_text("{}")
    if state:
        run.write_state(state=state)
    return run


def test_a_run_that_failed_before_its_first_checkpoint_may_begin_again(tmp_path: Path) -> None:
    check_free(make_run(tmp_path / "failed", "failed"))
    check_free(make_run(tmp_path / "copies", "", "checkpoint-best"))
    taken = [
        make_run(tmp_path / "kept", "failed", "checkpoint-2"),
        make_run(tmp_path / "going", "running"),
        make_run(tmp_path / "anothers", "", "checkpoint-500"),
    ]
    (taken[-1].root / "checkpoint-500" / "trainer_state.json").unlink()
    for run in taken:
        with pytest.raises(UsageError, match="already holds a run"):
            check_free(run)


def test_how_to_go_on_can_be_typed_as_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunFolder(Path("models/my run"))
    assert how_to_go_on(run) == "savia train --resume-from 'models/my run'"
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert how_to_go_on(run) == "the same launcher with -m training.train --resume-from 'models/my run'"


def test_a_run_on_its_own_files_goes_on_where_no_pack_is(
    make_config: MakeConfig, settings: RetrievalSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAVIA_HOME", str(settings.home))
    run = RunFolder(settings.home / "my run")
    QLoRATrainer(make_config(max_steps=2, save_strategy="steps", save_steps=1), run).train()
    wanted = str(run.root / "checkpoint-1")
    done = CliRunner().invoke(app, ["train", "--resume-from", wanted, "--domain", "missing"])
    assert done.exit_code == 0, (done.output, done.exception)
    assert run.read_state()["state"] == "finished" and run.read_state()["resumed"] == [1]


def test_metrics_after_the_checkpoint_are_dropped_and_a_cut_line_too(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.metrics.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"ste')
    run.keep_metrics_until(2)
    assert run.metrics.read_text() == '{"step": 1}\n{"step": 2}\n'
