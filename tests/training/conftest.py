"""What the training tests share: tiny base models of all three kinds, rows of a made-up domain, a recipe that fits both."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.training.tiny import KINDS, PLANTS, make_row
from training.config import TrainingConfig
from training.tiny_base import build_tiny_model
from training.trainer import QLoRATrainer


@pytest.fixture(scope="session")
def tiny_bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model folder per kind, small enough to train in a second."""
    texts = [json.dumps(make_row(plant, number), ensure_ascii=False) for number, plant in enumerate(PLANTS)] * 3
    root = tmp_path_factory.mktemp("bases")
    return {kind: build_tiny_model(kind, root / kind, texts, hidden=64, layers=2, vocabulary=512) for kind in KINDS}


@pytest.fixture
def rows_folder(tmp_path: Path) -> Path:
    """32 training and 8 validation rows as `savia dataset build` exports them."""
    folder = tmp_path / "rows"
    folder.mkdir()
    rows = [make_row(plant, number) for number, plant in enumerate(PLANTS)]
    for name, part in (("train", rows[8:]), ("validation", rows[:8])):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part), encoding="utf-8")
    return folder


MakeConfig = Callable[..., TrainingConfig]


@pytest.fixture
def make_config(tiny_bases: dict[str, Path], rows_folder: Path, tmp_path: Path) -> MakeConfig:
    """`make_config(max_steps=2)`: a recipe for a run of a few seconds; anything may be replaced."""

    def make(kind: str = "qwen3", **given: Any) -> TrainingConfig:
        values: dict[str, Any] = {
            "model": {"name": str(tiny_bases[kind])},
            "lora": {"r": 4, "alpha": 8, "target_modules": ["q_proj", "v_proj"]},
            "dataset_path": rows_folder,
            "output_dir": tmp_path / "run",
            "max_steps": 2,
            "gradient_accumulation_steps": 1,
            "max_length": 256,
            "eval_strategy": "no",
            "save_strategy": "no",
            "logging_steps": 1,
            "report_to": "none",
        }
        return TrainingConfig(**{**values, **given})

    return make


@pytest.fixture(scope="session")
def trained(tiny_bases: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the Qwen3 kind, really trained in 4 bits for some seconds; its adapter is in `final/`."""
    root = tmp_path_factory.mktemp("trained")
    for name, part in (("train", PLANTS[8:]), ("validation", PLANTS[:8])):
        rows = [json.dumps(make_row(plant, number)) for number, plant in enumerate(part)]
        (root / f"{name}.jsonl").write_text("\n".join(rows), encoding="utf-8")
    config = TrainingConfig(
        model={"name": str(tiny_bases["qwen3"])},
        lora={"r": 8, "alpha": 16},
        dataset_path=root,
        output_dir=root / "run",
        max_steps=40,
        gradient_accumulation_steps=1,
        per_device_train_batch_size=4,
        learning_rate=1e-2,
        max_length=256,
        eval_strategy="no",
        save_strategy="no",
        report_to="none",
    )
    QLoRATrainer(config).train()
    return root / "run"
