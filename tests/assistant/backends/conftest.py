"""Tiny models that several tests of the backends share, made once."""

from pathlib import Path

import pytest

from tests.tiny_models import make_adapter, make_model, make_taught_model

REASONING, ANSWER = "Veo la ruda", "La planta alivia el aire, niño [1]."


@pytest.fixture(scope="session")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen3 that answers everything with a line of reasoning and a sentence."""
    folder = tmp_path_factory.mktemp("models") / "taught"
    return make_taught_model("qwen3", folder, f"<think>{REASONING}</think>{ANSWER}")


@pytest.fixture(scope="session")
def restless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen3 with random weights that writes nonsense, another for each prompt."""
    return make_model("qwen3", tmp_path_factory.mktemp("models") / "restless", seed=3)


@pytest.fixture(scope="session")
def restless_adapter(tmp_path_factory: pytest.TempPathFactory, restless: Path) -> Path:
    """An adapter that belongs to `restless`."""
    return make_adapter(restless, tmp_path_factory.mktemp("adapters") / "restless", seed=1)
