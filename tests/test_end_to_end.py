"""The main job on the shipped pack, by the commands a newcomer types: index, verify, ask, measure, and a pack of one's own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from retrieval.index import Index
from tests.conftest import ROOT


def savia(home: Path, *arguments: str) -> str:
    """Standard output of a command that must succeed, with the packaged embedder on the packs below `home`."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("SAVIA_")}
    environment = {**outside, "SAVIA_HOME": str(home), "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-m", "savia", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def ask(home: Path, question: str, *more: str) -> dict[str, object]:
    answer: dict[str, object] = json.loads(savia(home, "ask", question, "--json", *more))
    return answer


def test_the_shipped_index_is_sound_complete_and_calibrated_on_gold(shipped: Index) -> None:
    report = json.loads(savia(shipped.settings.home, "index", "verify", "--json"))
    stats = json.loads(savia(shipped.settings.home, "index", "stats", "--json"))
    assert report["sound"] and report["rows"] == report["passages"] == stats["passages"]
    assert (stats["state"], stats["refused"], stats["calibration"]["source"]) == ("complete", {}, "gold")


def test_the_newcomers_question_is_answered_from_its_document(shipped: Index) -> None:
    answer = ask(shipped.settings.home, "¿Para qué se usa la sábila?")
    assert not answer["abstained"] and answer["backend"] == "extractive"
    citations = answer["citations"]
    assert isinstance(citations, list) and citations
    assert all(one["document"] == "plantas/sabila" and one["supported"] for one in citations)
    assert any(word in str(answer["answer"]) for word in ("quemaduras", "piel", "gel"))


@pytest.mark.parametrize(
    "question", ["¿Quién ganó el mundial de futbol de 1970?", "¿Cómo instalo una impresora en mi computadora?"]
)
def test_a_question_about_something_else_is_refused(shipped: Index, question: str) -> None:
    answer = ask(shipped.settings.home, question)
    assert answer["abstained"] and answer["answer"] == shipped.domain.config.refusal and answer["citations"] == []


def test_an_emergency_is_flagged_first(shipped: Index) -> None:
    flags = ask(shipped.settings.home, "Mi niño se tragó unas semillas de ricino, ¿qué le doy?")["red_flags"]
    assert isinstance(flags, list) and {"poisoning", "children"} <= {flag["name"] for flag in flags}


def test_the_hybrid_finds_more_than_words_alone_on_the_shipped_gold(shipped: Index) -> None:
    report = json.loads(savia(shipped.settings.home, "evaluate", "retrieval", "--json"))
    bm25, hybrid = (entry["metrics"]["ndcg@10"] for entry in report)
    assert [entry["retriever"] for entry in report] == ["bm25", "hybrid"] and hybrid > bm25 > 0.3


def test_a_folder_of_ones_own_becomes_a_domain_that_answers(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "bread.md").write_text("# Bread\n\n## Baking\n\nBake the loaf for forty minutes in a very hot oven.\n")
    (notes / "cheese.md").write_text(
        "# Cheese\n\n## Keeping\n\nKeep the cheese in a cool cellar, wrapped in a damp cloth.\n"
    )
    (tmp_path / "models").symlink_to(ROOT / "models")
    assert "2 documents" in savia(tmp_path, "init", "kitchen", "--from", str(notes))
    savia(tmp_path, "index", "sync", "--domain", "kitchen")
    answer = ask(tmp_path, "How long do I bake the bread?", "--domain", "kitchen")
    assert "Bake the loaf for forty minutes" in str(answer["answer"])
