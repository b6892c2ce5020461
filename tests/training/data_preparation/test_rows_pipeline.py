"""import, combine, filter and split as a person runs them, one after another, on a pack without a corpus."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from retrieval.settings import RetrievalSettings
from tests.conftest import ROOT, WritePack
from training.example import read_examples
from training.layout import SPLITS, BuildLayout

ENGLISH = "title: NER\nlanguage: en\npersona: p\nrefusal: No.\ndisclaimer: d\n"


def run(home: Path, stage: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", f"training.data_preparation.{stage}", "--domain", "ner", *arguments]
    env = {
        "SAVIA_HOME": str(home),
        "SAVIA_EMBEDDER": "none",
        "PYTHONPATH": str(ROOT),
        "NO_COLOR": "1",
        "PATH": "/usr/bin",
    }
    return subprocess.run(command, cwd=home, env=env, capture_output=True, text=True)


@pytest.mark.slow
def test_three_extraction_tasks_are_split_nine_to_one_each_with_an_abstract_in_one_part(
    datasets: Path, settings: RetrievalSettings, write_pack: WritePack
) -> None:
    write_pack({}, "ner", ENGLISH)
    for task in ("chemicals", "diseases", "relations"):
        source = str(datasets / f"bc5cdr_train/{task}.jsonl")
        assert run(settings.home, "import_dataset", source, "--group", "pmid").returncode == 0
    for stage in (("combine",), ("quality",), ("split", "--ratios", "0.9", "0.1", "0")):
        done = run(settings.home, *stage)
        assert done.returncode == 0, done.stderr
    layout = BuildLayout(settings.build_dir / "ner")
    parts = {name: list(read_examples(layout.split(name))) for name in SPLITS}
    total = Counter(row.task for rows in parts.values() for row in rows)
    for task, count in total.items():
        assert abs(sum(row.task == task for row in parts["train"]) / count - 0.9) <= 0.02
    abstracts = [{row.parents for row in parts[name]} for name in ("train", "validation")]
    assert not abstracts[0] & abstracts[1] and parts["test"] == []


@pytest.mark.slow
def test_the_gate_ends_with_exit_code_3_and_the_pairs(settings: RetrievalSettings, write_pack: WritePack) -> None:
    write_pack({}, "ner", ENGLISH)
    row = {"question": "Which chemicals are named in this text?", "answer": "Aspirin and ibuprofen."}
    for name in ("train", "test"):
        (settings.home / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
    done = run(settings.home, "split", "--check", "train.jsonl", "test.jsonl")
    assert done.returncode == 3 and "near-duplicates (Jaccard 1.00)" in done.stderr
    assert run(settings.home, "split", "--check", "train.jsonl").returncode == 0
    assert run(settings.home, "split", "train.jsonl").returncode == 2
