"""A run that is broken off: by Ctrl-C, by a full disk, or by a launcher that shares otherwise than asked; one sentence, nothing lost."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from retrieval.errors import StorageError, TrainingError
from retrieval.files import file_sha256, read_json
from tests.conftest import ROOT
from tests.training.conftest import MakeConfig
from tests.training.test_resume import losses, wait_for_step
from training.disk import explain_code, model_writing
from training.recipes import dump_recipe
from training.resume import find_checkpoint
from training.run_folder import RunFolder, checkpoint_step
from training.saving import save_trained
from training.trainer import QLoRATrainer
from training.trainer_arguments import left_out

SMALL = "13m"  # a disk that holds one checkpoint of the test's adapter and a half, which alone is far more than "nearly full"


ENDLESS = 1_000_000  # steps: such a run cannot have ended before the signal arrives


def arguments(config_path: Path) -> list[str]:
    return [sys.executable, "-m", "savia", "train", "--config", str(config_path)]


def write_recipe(config: object, path: Path, output: Path) -> Path:
    path.write_text(dump_recipe(config.model_copy(update={"output_dir": output})), "utf-8")  # type: ignore[attr-defined]
    return path


@pytest.mark.slow
def test_ctrl_c_keeps_a_checkpoint_says_how_to_go_on_and_the_rest_is_the_same_to_the_bit(
    make_config: MakeConfig, tmp_path: Path
) -> None:
    steady = {"lr_scheduler_type": "constant", "warmup_ratio": 0.0}  # a step is the same however many are to follow
    config = make_config(max_steps=ENDLESS, lora={"r": 4, "dropout": 0.1}, **steady)
    whole, stopped = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "stopped")
    recipe = write_recipe(config, tmp_path / "recipe.yaml", stopped.root)
    child = subprocess.Popen(arguments(recipe), cwd=ROOT, stderr=subprocess.PIPE, text=True)
    wait_for_step(stopped, 3)
    child.send_signal(signal.SIGINT)
    said = child.communicate()[1]
    (kept,) = stopped.checkpoints()
    assert child.returncode == 130 and "Traceback" not in said
    assert f"{kept.name} is kept. Go on: savia train --resume-from {stopped.root}" in said.replace("\n", " ")
    assert stopped.read_state()["state"] == "stopped" and not stopped.final.exists()
    config = config.model_copy(update={"max_steps": checkpoint_step(kept) + 3})
    QLoRATrainer(config, stopped).train(find_checkpoint(str(stopped.root), tmp_path, ""))
    QLoRATrainer(config, whole).train()
    assert losses(stopped) == losses(whole)
    weights = [file_sha256(run.final / "adapter_model.safetensors") for run in (stopped, whole)]
    assert weights[0] == weights[1]


@pytest.mark.slow
def test_a_disk_that_is_full_at_a_checkpoint_leaves_the_one_before(make_config: MakeConfig, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    place = shlex.quote(str(small))
    mount = f"mount -t tmpfs -o size={SMALL} tmpfs {place}"
    probe = ["unshare", "-Urm", "sh", "-c", mount]
    if not shutil.which("unshare") or subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here: user namespaces are not permitted")
    lora = {"r": 256, "alpha": 256, "target_modules": ["all-linear"]}
    config = make_config(max_steps=8, save_strategy="steps", save_steps=2, lora=lora)
    recipe = write_recipe(config, tmp_path / "recipe.yaml", small / "run")
    script = f'{mount} && {{ "$@"; code=$?; find {place} -type f; exit $code; }}'
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", script, "sh", *arguments(recipe)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = done.stderr.replace("\n", " ")
    assert done.returncode == 1 and "Traceback" not in said
    assert f"Could not write the run to {small / 'run'}: the disk is full. checkpoint-2 is kept" in said
    files = {Path(line).relative_to(small / "run") for line in done.stdout.splitlines() if line.startswith(str(small))}
    assert {str(path.parent) for path in files} == {".", "checkpoint-2"}
    assert not [path for path in files if path.name.startswith(".")]


@pytest.mark.slow
def test_fsdp_without_a_gpu_is_refused_instead_of_run_as_something_else(
    make_config: MakeConfig, tmp_path: Path
) -> None:
    config = make_config(processes=2, distributed="fsdp")
    recipe = write_recipe(config, tmp_path / "recipe.yaml", tmp_path / "run")
    launch = ["-m", "accelerate.commands.launch", "--config_file", "training/configs/accelerate/fsdp.yaml"]
    launch += ["--main_process_port", "0"]
    done = subprocess.run(
        [sys.executable, *launch, "-m", "training.train", "--config", str(recipe)],
        cwd=ROOT, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode and "they share as MULTI_CPU, not as fsdp" in done.stderr.replace("\n", " ")
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(os.name != "posix", reason="the size of files can be limited on POSIX alone")
def test_what_libraries_raise_for_a_disk_that_refuses_is_one_sentence(tmp_path: Path) -> None:
    program = f"""
import resource, torch
from pathlib import Path
from safetensors.torch import save_file
from training.disk import model_writing
from retrieval.errors import StorageError
weights = {{"a": torch.zeros(100_000)}}
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
folder = Path({str(tmp_path)!r})
for write in (
    lambda: save_file(weights, folder / "a.safetensors"),
    lambda: torch.save(weights, folder / "a.pt"),
    lambda: (folder / "a.bin").write_bytes(bytes(200_000)),
):
    try:
        with model_writing("save it", folder):
            write()
    except StorageError as error:
        print(error.message)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "Could not save it: file too large.",
        "Could not save it: the system took only a part of a file.",
        "Could not save it: file too large.",
    ]


@pytest.mark.parametrize(
    ("code", "windows", "reason"),
    [(112, True, "the disk is full"), (39, True, "the disk is full"), (28, False, os.strerror(28).lower())],
)
def test_windows_counts_its_errors_otherwise(code: int, windows: bool, reason: str) -> None:
    assert explain_code(code, windows) == reason


def test_an_error_about_something_else_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="shapes"), model_writing("save it", tmp_path):
        raise RuntimeError("shapes do not fit")


class Writer:
    """The part of a trainer that saves: it writes what it is told."""

    class accelerator:
        state = None

    def __init__(self, weights: dict[str, object] | None) -> None:
        self.weights = weights

    def is_world_process_zero(self) -> bool:
        return True

    def save_model(self, folder: str) -> None:
        from safetensors.torch import save_file

        Path(folder).mkdir()
        if self.weights is not None:
            save_file(self.weights, Path(folder) / "adapter_model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("weights", [None, {}])
def test_a_model_without_weights_is_not_published(weights: dict[str, object] | None, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="wrote no weights"):
        save_trained(Writer(weights), None, lambda: "", tmp_path / "final")
    assert list(tmp_path.iterdir()) == []


class Tokenizer:
    def save_pretrained(self, folder: Path) -> None:
        (folder / "tokenizer.json").write_text("{}")


def test_a_model_takes_the_place_of_the_one_before_and_of_a_draft_that_a_kill_left(tmp_path: Path) -> None:
    import torch

    for name in ("final", ".final.draft"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "stale.safetensors").write_text("")
    save_trained(Writer({"weight": torch.zeros(1)}), Tokenizer(), lambda: "card", tmp_path / "final")
    assert [path.name for path in tmp_path.iterdir()] == ["final"]
    saved = {"adapter_model.safetensors", "tokenizer.json", "README.md"}
    assert {path.name for path in (tmp_path / "final").iterdir()} == saved


def test_what_fsdp_does_not_allow_is_said(make_config: MakeConfig) -> None:
    best = {"eval_strategy": "steps", "save_strategy": "steps", "load_best_model_at_end": True}
    (note,) = left_out(make_config(distributed="fsdp", early_stopping_patience=2, **best))
    assert "the last model is kept and training does not stop early" in note
    assert left_out(make_config(**best)) == left_out(make_config(distributed="fsdp")) == ()


def test_a_run_whose_model_cannot_be_saved_has_failed_and_keeps_its_checkpoint(
    make_config: MakeConfig, tmp_path: Path
) -> None:
    class Refusing(QLoRATrainer):
        def save_model(self, path: Path | str) -> Path:
            raise StorageError("Could not save the model: the disk is full.")

    config = make_config(save_strategy="steps", save_steps=2)
    run = RunFolder(tmp_path / "run")
    with pytest.raises(StorageError, match="checkpoint-2 is kept"):
        Refusing(config, run).train()
    assert read_json(run.state)["state"] == "failed"
    assert QLoRATrainer(config, run).train(run.checkpoints()[-1])["train_loss"] > 0
    assert read_json(run.state)["state"] == "finished" and run.final.is_dir()
