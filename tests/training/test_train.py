"""Training for real, 4-bit, on tiny models: what a run leaves, what it refuses, and that packing changes nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from retrieval.errors import DataError, GateRefused, SaviaError, TrainingError, UsageError
from retrieval.files import read_json
from savia import app
from tests.conftest import ROOT
from tests.training.conftest import MakeConfig
from training.config import TrainingConfig
from training.recipes import load_recipe
from training.run_folder import RunFolder
from training.trainer import QLoRATrainer

RECIPES = {
    "herbolaria": "qwen3",
    "experimentation": "llama",
    "medimind": "phi",
    "medical-ner": "llama",
    "math-qa": "llama",
}


def recipe_path(domain: str) -> str:
    return str(ROOT / "data" / "domains" / domain / "recipes" / "qlora.yaml")


def own_rows(domain: str, otherwise: Path) -> Path:
    """Ready-made rows of the pack; herbolaria's are made from its documents, which is another test's business."""
    found = sorted((ROOT / "data" / "domains" / domain / "datasets").glob("*.json*"))
    return found[0] if found else otherwise


@pytest.mark.parametrize("domain", RECIPES)
def test_each_recipe_trains_in_four_bit_with_its_own_template_and_modules(
    domain: str, tiny_bases: dict[str, Path], rows_folder: Path, tmp_path: Path
) -> None:
    here = {
        "model_name": str(tiny_bases[RECIPES[domain]]),
        "dataset_path": own_rows(domain, rows_folder),
        "report_to": "none",
    }
    short = {"max_steps": 2, "max_samples": 16, "gradient_accumulation_steps": 1, "max_truncated_share": 1.0}
    config = load_recipe(None, recipe_path(domain), overrides={**here, **short}).config
    trainer = QLoRATrainer(config, RunFolder(tmp_path / "run"))
    figures = trainer.train()
    saved = read_json(trainer.run.final / "adapter_config.json")
    assert sorted(saved["target_modules"]) == sorted(config.lora.target_modules) and saved["r"] == config.lora.r
    assert trainer._trainer.model.get_base_model().is_loaded_in_4bit
    assert 0 < figures["eval_loss"] < 10 and figures["train_loss"] > 0


@pytest.mark.parametrize("domain", RECIPES)
def test_each_recipe_rehearses_offline_with_a_stand_in_tokenizer(domain: str, rows_folder: Path) -> None:
    arguments = ["train", "--config", recipe_path(domain), "--dataset_path", str(rows_folder), "--dry_run", "--json"]
    done = CliRunner().invoke(app, [*arguments, "--set", "max_truncated_share=1"])
    assert done.exit_code == 0, (done.output, done.exception)
    result = json.loads(done.stdout)
    assert result["stand_in"] and "stand-in tokenizer" in result["notes"][-1]
    assert result["passed"] and "⟦" in result["rows"][0]
    assert result["memory"][-1]["total"] > 2**31


def test_a_run_leaves_recipe_metrics_cards_and_an_adapter_that_plain_peft_loads(make_config: MakeConfig) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    config = make_config(max_steps=3)
    run = RunFolder(config.output_dir or Path())
    QLoRATrainer(config).train()
    steps = [row["step"] for row in map(json.loads, run.metrics.read_text().splitlines()) if "loss" in row]
    assert steps == [1, 2, 3] and "finished" in run.log.read_text("utf-8")
    assert load_recipe(None, str(run.recipe)).config == config
    state = run.read_state()
    assert (state["state"], state["rows"], state["tiny"]) == (
        "finished",
        {"train": 32, "validation": 8, "too_long": 0},
        True,
    )
    for card in (run.root, run.final):
        assert "a check of the pipeline" in (card / "README.md").read_text("utf-8")
    assert "32 learned, 8 for validation, 0 longer than max_length" in (run.root / "README.md").read_text("utf-8")
    assert f"base_model: {config.model.name}" in (run.final / "README.md").read_text("utf-8")
    base = AutoModelForCausalLM.from_pretrained(config.model.name)
    assert PeftModel.from_pretrained(base, run.final).peft_config["default"].r == 4
    assert "{%- generation -%}" in AutoTokenizer.from_pretrained(run.final).chat_template
    assert list(run.final.glob("*.bin")) == []


def test_a_longer_run_learns_what_the_rows_say(make_config: MakeConfig) -> None:
    before = QLoRATrainer(make_config()).evaluate()["eval_loss"]
    lora = {"r": 16, "alpha": 32, "target_modules": ["all-linear"]}
    after = QLoRATrainer(make_config(max_steps=30, learning_rate=5e-3, lora=lora)).train()["eval_loss"]
    assert after < before - 0.5


@pytest.mark.parametrize("kind", ["qwen3", "llama", "phi"])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_packed_rows_do_not_see_each_other(kind: str, attention: str, make_config: MakeConfig) -> None:
    model = {"attention": attention}
    losses = []
    for packing in (True, False):
        config = make_config(kind, packing=packing, per_device_eval_batch_size=2)
        config = config.model_copy(update={"model": config.model.model_copy(update=model)})
        trainer = QLoRATrainer(config)._trainer
        batches = list(trainer.get_eval_dataloader())
        assert any("position_ids" in batch for batch in batches) is packing
        losses.append(sum(total_loss(trainer.model, batch) for batch in batches))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def total_loss(model: Any, batch: dict[str, Any]) -> float:
    """The summed loss of all learned tokens of a batch."""
    import torch

    model.eval()
    with torch.no_grad():
        return -float(model(**batch, fused_lm_head=True).log_probs.sum())


def test_the_last_three_checkpoints_stay_and_the_best_one_is_kept(make_config: MakeConfig) -> None:
    saving = {"eval_strategy": "steps", "eval_steps": 1, "save_strategy": "steps", "save_steps": 1}
    config = make_config(max_steps=5, load_best_model_at_end=True, save_total_limit=3, **saving)
    trainer = QLoRATrainer(config)
    trainer.train()
    names = [path.name for path in trainer.run.checkpoints()]
    assert len(names) == 3 and names[-1] == "checkpoint-5"


def test_a_run_that_gets_no_better_stops_early(make_config: MakeConfig) -> None:
    saving = {"eval_strategy": "steps", "eval_steps": 1, "save_strategy": "steps", "save_steps": 1}
    config = make_config(
        max_steps=30, learning_rate=1e-12, load_best_model_at_end=True, early_stopping_patience=2, **saving
    )
    trainer = QLoRATrainer(config)
    trainer.train()
    assert trainer.run.read_state()["steps"] < 30


def test_a_run_shorter_than_its_evaluation_interval_is_evaluated_at_its_end(make_config: MakeConfig) -> None:
    saving = {"eval_strategy": "steps", "save_strategy": "steps", "load_best_model_at_end": True}
    trainer = QLoRATrainer(make_config(**saving))
    trainer.train()
    assert [path.name for path in trainer.run.checkpoints()] == ["checkpoint-2"]
    assert "eval_loss" in trainer.run.metrics.read_text()


def test_all_weights_can_be_trained_without_an_adapter(make_config: MakeConfig) -> None:
    config = make_config(lora={"enabled": False}, quantization={"load_in_4bit": False})
    final = QLoRATrainer(config).save_model(Path(str(config.output_dir)) / "all")
    assert (final / "model.safetensors").is_file() and not (final / "adapter_config.json").exists()


def test_memory_that_runs_out_is_one_sentence_with_three_settings(make_config: MakeConfig) -> None:
    import torch

    class Full(QLoRATrainer):
        @property
        def tokenizer(self) -> Any:  # type: ignore[override]
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(TrainingError) as caught:
        Full(make_config()).train()
    assert all(name in str(caught.value) for name in ("per_device_train_batch_size", "max_length", "lora.r"))


# --- what is refused: one sentence, nothing half-written ------------------------------------------------------------------


def refused(config: TrainingConfig) -> str:
    with pytest.raises(SaviaError) as caught:
        QLoRATrainer(config).train()
    assert not Path(str(config.output_dir)).exists()
    assert caught.value.exit_code in (1, 3)
    return str(caught.value)


def test_bad_data_are_one_sentence(make_config: MakeConfig, tmp_path: Path) -> None:
    empty, wrong = tmp_path / "empty.jsonl", tmp_path / "wrong.jsonl"
    empty.write_text("")
    wrong.write_text('{"text": "a"}\n')
    data = {"dataset_path": None, "validation_data": None}
    assert "There is no file" in refused(make_config(train_data=tmp_path / "none.jsonl", **data))
    assert "holds no rows" in refused(make_config(train_data=empty, **data))
    assert "its columns are text" in refused(make_config(train_data=wrong, **data))
    assert "holds no train file" in refused(make_config(dataset_path=tmp_path))


def test_modules_that_the_model_has_not_are_named_with_those_it_has(make_config: MakeConfig) -> None:
    said = refused(make_config("phi", lora={"target_modules": ["q_proj", "o_proj"]}))
    assert "has no modules named o_proj" in said and "dense" in said


def test_a_model_that_is_not_there_is_one_sentence_at_once(make_config: MakeConfig, tmp_path: Path) -> None:
    assert "There is no model in" in refused(make_config(model={"name": str(tmp_path / "none")}))


def test_rows_that_are_all_too_long_are_refused(make_config: MakeConfig) -> None:
    assert "Not one of 32 rows fits into 16 tokens" in refused(make_config(max_length=16))


def test_a_run_whose_validation_rows_are_learned_exits_with_three(
    rows_folder: Path, tiny_bases: dict[str, Path], tmp_path: Path
) -> None:
    rows = rows_folder / "train.jsonl"
    files = ["--train-data", str(rows), "--val-data", str(rows), "--model-name", str(tiny_bases["qwen3"])]
    done = CliRunner().invoke(app, ["train", *files, "--output-dir", str(tmp_path / "run"), "--report-to", "none"])
    assert isinstance(done.exception, GateRefused) and done.exception.exit_code == 3
    assert not (tmp_path / "run").exists()


def test_one_file_is_split_so_that_no_question_stands_on_both_sides(make_config: MakeConfig, rows_folder: Path) -> None:
    trainer = QLoRATrainer(make_config(dataset_path=rows_folder / "train.jsonl"))
    train, validation = trainer.data.train, trainer.data.validation
    assert len(train) + len(validation) == 32 and 0 < len(validation) < 10 and trainer.data.held_out
    assert not {row.question for row in train} & {row.question for row in validation}


def test_a_folder_that_holds_a_run_is_not_written_over(
    make_config: MakeConfig, tiny_bases: dict[str, Path], rows_folder: Path
) -> None:
    run = RunFolder(make_config().output_dir or Path())
    run.write_state(state="finished")
    arguments = [
        "--model-name",
        str(tiny_bases["qwen3"]),
        "--dataset-path",
        str(rows_folder),
        "--output-dir",
        str(run.root),
    ]
    done = CliRunner().invoke(app, ["train", *arguments])
    assert isinstance(done.exception, UsageError) and "already holds a run" in str(done.exception)


def test_weights_and_biases_without_a_key_is_said_and_left(
    make_config: MakeConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    from training.reporting import choose_reporting

    assert choose_reporting(make_config(report_to="wandb"), {}) == "tensorboard"
    assert "TensorBoard" in capsys.readouterr().err


def test_no_data_set_of_the_domain_says_how_to_make_one(tmp_path: Path) -> None:
    from training.layout import BuildLayout
    from training.rows import read_training_data

    with pytest.raises(DataError, match="savia dataset build"):
        read_training_data(TrainingConfig(), None, BuildLayout(tmp_path))


def test_tensorboard_finds_its_curves_in_the_runs_folder(make_config: MakeConfig) -> None:
    trainer = QLoRATrainer(make_config(report_to="tensorboard"))
    trainer.train()
    assert list(trainer.run.root.rglob("events.out.tfevents.*"))
