"""`savia dataset ...` and `savia trace` as a person types them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from retrieval.settings import RetrievalSettings
from tests.conftest import ROOT, WritePack
from tests.test_cli import run_savia
from tests.training.data_preparation.exporting import make_pack
from training.cli_dataset import MODULES
from training.lazy_commands import load_command, read_help


@pytest.fixture
def home(write_pack: WritePack, settings: RetrievalSettings) -> Path:
    make_pack(write_pack, settings)
    return settings.home


def test_every_verb_is_a_module_with_a_command_and_a_sentence_of_help() -> None:
    for verb, module in MODULES.items():
        assert read_help(module).endswith(".") and load_command(verb, module).name == verb


def test_help_of_a_stage_is_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "savia", "dataset", "export", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0 and "--reasoning-tag" in done.stdout


def test_plan_build_and_trace_print_json_on_stdout_alone(home: Path) -> None:
    assert json.loads(run_savia(home, "dataset", "plan", "--json").stdout)["built"] is False
    built = run_savia(home, "dataset", "build", "--json", "--template_samples", "40")
    assert built.returncode == 0, built.stderr
    assert json.loads(built.stdout)["stages"]["generate"]["rows"] == 40
    assert json.loads(run_savia(home, "dataset", "plan", "--json", "--template-samples", "40").stdout)["up_to_date"]
    assert json.loads(run_savia(home, "trace", "plantas/ruda", "--json").stdout)["kind"] == "document"


def test_rows_of_two_files_are_exported_without_the_stages_before(home: Path, tmp_path: Path) -> None:
    rows = [
        {"question": f"¿Qué es la cosa llamada {n * 'ja'}?", "answer": f"Es la risa número {n} de la lista."}
        for n in range(1, 13)
    ]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    out = tmp_path / "out"
    done = run_savia(
        home, "dataset", "export", "--template_samples", str(tmp_path / "t.jsonl"), "--output", str(out), "--format", "sharegpt"
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    files = [(out / f"{name}.jsonl").read_text("utf-8") for name in ("train", "validation", "test")]
    kept = [json.loads(line) for text in files for line in text.split("\n") if line]
    assert kept and all("conversations" in row for row in kept)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("export",), 1, "savia dataset build"),
        (("export", "--format", "xml"), 2, "is none of messages"),
        (("build", "--reasoning-tag", "x"), 2, "is none of think"),
        (("build", "--domain", "nope"), 1, "There is no domain"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_how_to_mend_it(
    home: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = run_savia(home, "dataset", *arguments)
    assert (done.returncode, done.stdout) == (code, "") and said in done.stderr and "Traceback" not in done.stderr
