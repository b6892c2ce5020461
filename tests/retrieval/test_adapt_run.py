"""A run that was killed at any moment goes on from what is whole; what is not is removed."""

from pathlib import Path

import pytest

from retrieval.adapt_run import last_checkpoint, train_once
from retrieval.files import read_json, write_json

WHOLE = {"model.safetensors": "w", "optimizer.pt": "o", "trainer_state.json": "{}"}


def write(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


class Model:
    def __init__(self, text: str) -> None:
        self.text = text


class Trainer:
    """Learns its text in one go."""

    def __init__(self, text: str) -> None:
        self.model = Model(text)
        self.resumed: list[str | None] = []

    def train(self, resume_from_checkpoint: str | None) -> None:
        self.resumed.append(resume_from_checkpoint)


def save(model: Model, target: Path) -> None:
    write(target, {"model.safetensors": model.text})


@pytest.mark.parametrize(
    "half",
    [
        {},
        {"model.safetensors": "w"},
        {"model.safetensors": "w", "optimizer.pt": "o"},
        {**WHOLE, "trainer_state.json": '{"ste'},
        {"optimizer.pt": "o", "trainer_state.json": "{}"},
        {"model.safetensors": "w", "trainer_state.json": "{}"},
    ],
    ids=["nothing", "weights alone", "no state", "half a state", "no weights", "no optimizer"],
)
def test_a_checkpoint_that_was_being_written_is_removed_and_the_one_before_it_taken(
    tmp_path: Path, half: dict[str, str]
) -> None:
    write(tmp_path / "checkpoint-100", half)
    assert last_checkpoint(tmp_path) is None
    for number in (20, 9):
        write(tmp_path / f"checkpoint-{number}", WHOLE)
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-20"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-20", "checkpoint-9"]


def test_training_goes_on_from_its_own_run_and_forgets_others(tmp_path: Path) -> None:
    mine = write(tmp_path / "run-b" / "checkpoint-9", WHOLE)
    write(tmp_path / "run-a" / "checkpoint-20", WHOLE)
    trainer = Trainer("new")
    done = train_once(tmp_path, "b", lambda runs: trainer, save)
    assert trainer.resumed == [str(mine)] and (done / "model.safetensors").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "trained.json"]
    assert train_once(tmp_path, "b", lambda runs: pytest.fail("trained twice"), save) == done


def test_a_model_that_was_half_replaced_is_not_taken_for_the_one_before_it(tmp_path: Path) -> None:
    write(tmp_path / "model", {"model.safetensors": "old"})
    write_json(tmp_path / "trained.json", {"key": "a"})

    def killed(model: Model, target: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_once(tmp_path, "b", lambda runs: Trainer("new"), killed)
    done = train_once(tmp_path, "a", lambda runs: Trainer("old again"), save)
    assert (done / "model.safetensors").read_text() == "old again"
    assert read_json(tmp_path / "trained.json") == {"key": "a"}
