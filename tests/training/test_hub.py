"""Uploads: named by the run's time, without optimizer states, and never at the price of the model."""

from pathlib import Path
from typing import Any

import pytest

from retrieval.errors import TrainingError, UsageError
from training.config import HubConfig, TrainingConfig
from training.hub import Uploads, name_repository, push_run, upload_folder
from training.run_folder import RunFolder


class FakeHub:
    """Remembers what it was given; refuses while `down`."""

    def __init__(self, down: bool = False) -> None:
        self.down = down
        self.calls: list[dict[str, Any]] = []

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> None:
        self.calls.append({"repo_id": repo_id, "private": private})

    def upload_folder(self, **given: Any) -> None:
        if self.down:
            raise OSError("no route to host\nmore")
        self.calls.append(given)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path / "20261121_101500")
    run.final.mkdir(parents=True)
    run.write_recipe(TrainingConfig(hub=HubConfig(push=True, repository="me/plants")))
    run.write_state(state="finished")
    return run


def test_the_name_carries_the_runs_time_once() -> None:
    assert name_repository("me/plants", "20261121_101500") == "me/plants-20261121_101500"
    assert name_repository("me/plants-20261121_101500", "20261121_101500") == "me/plants-20261121_101500"


def test_a_run_is_pushed_privately_and_again(run: RunFolder) -> None:
    hub = FakeHub()
    assert push_run(run, api=hub) == push_run(run, api=hub) == "me/plants-20261121_101500"
    assert hub.calls[0] == {"repo_id": "me/plants-20261121_101500", "private": True}
    assert "*.pt" in hub.calls[1]["ignore_patterns"]
    assert run.read_state()["hub"] == {"repository": "me/plants-20261121_101500", "uploaded": True}


def test_a_failed_upload_is_said_and_the_run_goes_on(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    hub = FakeHub(down=True)
    uploads = Uploads(HubConfig(push=True, repository="me/plants"), run.root.name, hub)
    uploads.finish(run, TrainingConfig(hub=HubConfig(push=True, repository="me/plants")))
    assert run.read_state()["hub"]["uploaded"] is False
    assert "no route to host" in capsys.readouterr().err
    hub.down = False
    assert push_run(run, api=hub).startswith("me/plants")


def test_without_a_token_nothing_is_asked(run: RunFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(TrainingError, match="there is no Hub token"):
        upload_folder(run.final, "me/plants", private=True)


def test_a_run_without_a_model_or_a_name_is_refused(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no finished model"):
        push_run(RunFolder(tmp_path / "other"))
    run.write_recipe(TrainingConfig())
    with pytest.raises(UsageError, match="No repository"):
        push_run(run)
