"""docs/coming-from.md, row by row: what it says of another project's words is parsed, loaded, read, imported or looked for.

The rows are read from the document; a row of a kind that nobody checks fails.
"""

import inspect
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

import savia
from assistant.api.app import create_app
from assistant.api.schema import ChatRequest
from assistant.api.settings import ApiSettings
from assistant.settings import AssistantSettings, read_assistant_settings
from retrieval.console import normalize
from retrieval.domain import load_domain
from retrieval.settings import RetrievalSettings
from tests.conftest import ROOT
from tests.training.tiny import PLANTS, make_row
from training.config import TrainingConfig
from training.config_aliases import IDLE
from training.data_preparation.endpoints import choose_endpoint
from training.data_preparation.import_dataset import import_rows
from training.data_preparation.raw_rows import read_raw_rows
from training.layout import BuildLayout
from training.lazy_commands import load_command
from training.recipes import Recipe, load_recipe
from training.reporting import choose_reporting
from training.rows import read_rows_of
from training.run_folder import RunFolder
from training.tiny_base import build_tiny_model
from training.trainer import QLoRATrainer

DOCUMENT = ROOT / "docs" / "coming-from.md"
CODE = re.compile(r"`([^`]+)`")
BUILD = BuildLayout(Path("data/build/<domain>"))
LAID_OUT = {
    BUILD.folder("export"), BUILD.exported("validation"), BUILD.exported("train"), BUILD.examples("generate"),
    Path("data/domains/<domain>/datasets"),
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One row of a table; `pack` is the domain whose recipes the section is about."""

    pack: str
    kind: str
    there: str
    here: str

    @property
    def old(self) -> str:
        """The first piece of code of the left column, or its words."""
        return (CODE.findall(self.there) or [self.there])[0]

    @property
    def new(self) -> str:
        return (CODE.findall(self.here) or [self.here])[0]


def read_rows() -> list[Row]:
    """Every row of every table of the document."""
    found = []
    for section in DOCUMENT.read_text(encoding="utf-8").split("\n## ")[1:]:
        named = re.search(r"^Pack `([\w-]+)`", section, re.MULTILINE)
        assert named, f"{section[:50]!r} does not name its pack"
        for line in section.splitlines():
            if line.startswith("| ") and not line.startswith("| what "):
                cells = [cell.strip() for cell in line.strip("|").split(" | ")]
                assert len(cells) in (3, 4), line
                found.append(Row(named[1], cells[0].strip(), cells[1], cells[2]))
    return found


ROWS = read_rows()


def rows_of(*kinds: str) -> pytest.MarkDecorator:
    chosen = [row for row in ROWS if row.kind in kinds]
    return pytest.mark.parametrize("row", chosen, ids=[f"{row.pack}: {row.kind} {row.there[:70]}" for row in chosen])


def test_every_row_is_of_a_kind_that_is_checked() -> None:
    checked = {"command", "flag", "key", "default", "idle", "code", "preset"}
    checked |= {"environment", "python", "rows", "path", "address"}
    assert {row.kind for row in ROWS} == checked
    assert len({row.pack for row in ROWS}) == 5 and len(ROWS) == len(set(ROWS))


# --- commands and flags ---------------------------------------------------------------------------------------------------


def parse(line: str) -> None:
    """Parse a command line as its program does, without running it. Raises what the parser raises, and `AssertionError`."""
    first, *rest = shlex.split(line)
    if first == "savia":
        accept(*find_command(rest))
    elif first == "make":
        assert re.search(rf"^{rest[0]}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE), rest[0]
        assert all(re.fullmatch(r"[A-Z]+=.*", setting) for setting in rest[1:])
    elif first == "hf":
        assert "hf" in entry_points(group="console_scripts").names and rest[0] == "auth"
    else:
        assert first == "python", f"{line!r} is no command that is known here"
        module = rest[1] if rest[0] == "-m" else rest[0].removesuffix(".py").replace("/", ".")
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file()
        accept(load_command(module, module), rest[2 if rest[0] == "-m" else 1 :])


def find_command(arguments: list[str]) -> tuple[Any, list[str]]:
    """The command of `savia ...` down its groups, and what follows it. Raises `KeyError`."""
    command: Any = get_command(savia.app)
    while hasattr(command, "commands"):
        command, arguments = command.commands[normalize(arguments[0])], arguments[1:]
    closure = inspect.getclosurevars(inspect.unwrap(command.callback)).nonlocals
    return load_command(closure["name"], closure["module"]) if "module" in closure else command, arguments


def accept(command: Any, arguments: list[str]) -> None:
    command.make_context("savia", list(arguments), token_normalize_func=normalize).close()


@rows_of("command", "flag")
def test_what_is_to_be_typed_is_understood(row: Row) -> None:
    parse(row.new)


def test_a_command_that_does_not_exist_would_be_noticed() -> None:
    with pytest.raises(Exception, match="--no-such"):
        parse("savia train --no-such 1")


# --- recipes --------------------------------------------------------------------------------------------------------------


def nested(text: str) -> dict[str, Any]:
    """`lora.r: 8` as `{"lora": {"r": 8}}`; groups may have any name."""
    result: dict[str, Any] = {}
    for name, value in yaml.safe_load(text).items():
        *groups, last = name.split(".")
        place = result
        for group in groups:
            place = place.setdefault(group, {})
        place[last] = value
    return result


@cache
def shipped_recipe(pack: str, preset: str = "") -> Recipe:
    return load_recipe(load_domain(pack, ROOT / "data" / "domains"), preset)


def load(text: str, folder: Path) -> Recipe:
    """A recipe file that holds these keys and no others."""
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(nested(text)), encoding="utf-8")
    return load_recipe(None, str(path))


def holds(config: TrainingConfig, text: str) -> None:
    """Assert that every dotted name of ours in `text` has its value in the recipe."""
    dump = config.model_dump(mode="json")
    for name, value in yaml.safe_load(text).items():
        found: Any = dump
        for part in name.split("."):
            found = found[part]
        expected = float(value) if isinstance(found, float) else value
        assert found == expected, name


@rows_of("key", "default")
def test_a_key_of_another_project_sets_ours(row: Row, tmp_path: Path) -> None:
    holds(load(row.old, tmp_path).config, row.new)
    if row.kind == "default":
        holds(shipped_recipe(row.pack).config, row.new)


@rows_of("idle")
def test_a_key_with_nothing_to_set_is_read_and_reported(row: Row, tmp_path: Path) -> None:
    key = row.old.partition(":")[0]
    assert IDLE[key] == row.new and load(row.old, tmp_path).notes == (f"{key}: {row.new}",)


@rows_of("preset")
def test_a_preset_keeps_its_name_and_values(row: Row) -> None:
    holds(shipped_recipe(row.pack, row.old).config, row.new)


@rows_of("code")
def test_what_was_edited_in_a_script_is_a_line_here(row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if row.new.startswith("savia "):
        parse(row.new)
    elif re.match(r"[A-Z_]+=", row.new):
        assert effect(row.new, monkeypatch, tmp_path) != effect("", monkeypatch, tmp_path)
    else:
        assert load(row.new, tmp_path).config != TrainingConfig()


# --- environment ----------------------------------------------------------------------------------------------------------


def effect(assignments: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[Any]:
    """Everything that variables decide, under these alone."""
    (folder / "wandb.py").write_text("", encoding="utf-8")  # as where it is installed
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(folder)
    given = dict(pair.split("=", 1) for pair in shlex.split(assignments))
    with monkeypatch.context() as scope:
        for name in ("MODEL_NAME", "LORA_MODEL_PATH", "HF_TOKEN", "WANDB_API_KEY", "WANDB_MODE", "ANTHROPIC_API_KEY"):
            scope.delenv(name, raising=False)
        for name, value in given.items():
            scope.setenv(name, value)
        reporting = choose_reporting(TrainingConfig(report_to="wandb"), given)
        return [read_assistant_settings(), choose_endpoint(None, None, None, given), reporting]


@rows_of("environment")
def test_a_variable_does_what_it_did(row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = effect(row.old, monkeypatch, tmp_path)
    assert there == effect(row.new, monkeypatch, tmp_path)
    assert there != effect("", monkeypatch, tmp_path)


# --- names to import ------------------------------------------------------------------------------------------------------


def find_object(path: str) -> Any:
    """The object at a dotted path: the longest part that is a module, then attributes."""
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        name = ".".join(parts[:length])
        if (ROOT / f"{name.replace('.', '/')}.py").is_file():
            found: Any = import_module(name)
            for attribute in parts[length:]:
                found = getattr(found, attribute)
            return found
    raise AssertionError(f"no module of {path}")


@rows_of("python")
def test_a_name_can_be_imported_and_takes_what_it_took(row: Row) -> None:
    if row.new.startswith("from "):
        _, module, _, *names = row.new.replace(",", "").split()
        assert all(callable(find_object(f"{module}.{name}")) for name in names)
        return
    path, _, parameters = row.new.removesuffix(")").partition("(")
    found = find_object(path)
    named = [name.strip() for name in parameters.split(",") if name.strip()]
    is_method = not inspect.isclass(found) and "." in found.__qualname__
    bound = inspect.signature(found).bind(*["self"] if is_method else [], **dict.fromkeys(named))
    assert set(named) <= set(bound.arguments)


# --- rows of data, addresses ----------------------------------------------------------------------------------------------


@rows_of("rows")
def test_a_row_is_recognised_imported_and_can_be_learned_from(row: Row, tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(row.old, encoding="utf-8")
    imported = import_rows(read_raw_rows(str(path)), "theirs")
    assert (imported.shape, imported.rejected, len(imported.examples)) == (row.new, [], 1)
    (example,), (learned,) = imported.examples, read_rows_of(path, None)
    assert example.question in row.old and example.answer in row.old
    assert learned.messages[-1]["content"].endswith(example.answer) and "pensamiento" not in example.answer
    assert json.loads(row.old.strip("[]")).get("safety_level", "") == example.safety_level


@rows_of("address")
def test_an_address_of_the_api_answers_to_the_same_request(row: Row, settings: RetrievalSettings) -> None:
    app = create_app(settings, AssistantSettings(), ApiSettings())
    assert "post" in app.openapi()["paths"][row.new]
    ChatRequest.model_validate_json(CODE.findall(row.there)[1])


# --- paths ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunFolder]:
    """A run of two steps, really trained in 4 bits, with a checkpoint and TensorBoard's files."""
    root = tmp_path_factory.mktemp("run")
    rows = [json.dumps(make_row(plant, number), ensure_ascii=False) for number, plant in enumerate(PLANTS)]
    (root / "train.jsonl").write_text("\n".join(rows), encoding="utf-8")
    base = build_tiny_model("qwen3", root / "base", rows, hidden=32, layers=2, vocabulary=512)
    config = TrainingConfig(
        model_name=str(base), lora_r=4, train_data=root / "train.jsonl", max_steps=2, save_steps=1, max_length=256,
        batch_size=1, gradient_accumulation_steps=1, eval_strategy="no", logging_steps=1,
    )  # type: ignore[call-arg]  # fmt: skip
    found = RunFolder(root / "models" / "tiny" / "now")
    QLoRATrainer(config, found, RetrievalSettings(home=root)).train()
    yield found


def test_the_scripts_run_as_files_as_well(run: RunFolder) -> None:
    root = run.root.parents[2]
    given = ["--model_name", root / "base", "--train-data", root / "train.jsonl", "--max_length", "256", "--no_wandb"]
    done = subprocess.run(
        [
            sys.executable,
            "training/train.py",
            "--config",
            "fast_test",
            *given,
            "--domain",
            "none",
            "--dry-run",
            "--json",
        ],
        cwd=ROOT,
        env={**os.environ, "SAVIA_HOME": str(root)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and json.loads(done.stdout)["passed"], done.stderr


@rows_of("path")
def test_a_result_lies_where_it_is_said(row: Row, request: pytest.FixtureRequest) -> None:
    prefix = "models/<domain>/<time>"
    if not row.new.startswith(prefix):
        assert Path(row.new) in LAID_OUT or (ROOT / row.new).is_file(), row.new
        return
    folder: RunFolder = request.getfixturevalue("run")
    inside = row.new.removeprefix(prefix).strip("/").replace("checkpoint-N", "checkpoint-*")
    assert not inside or list(folder.root.glob(inside)), sorted(path.name for path in folder.root.iterdir())
