"""Candidate gold questions: for sections without gold, in the format that is read, on the right side of the split."""

from pathlib import Path

import pytest

from retrieval.domain import Domain, load_domain, read_questions
from retrieval.settings import RetrievalSettings
from tests.conftest import WritePack
from training.example import make_example, write_rows
from training.propose import propose_questions

RUDA = "# Ruda\n\n## Usos\n\nLa ruda se usa en limpias contra el mal aire.\n\n## Toxicidad\n\nLa ruda irrita la piel expuesta al sol.\n"
MENTA = "# Menta\n\n## Usos\n\nLa menta se toma en té para la digestión pesada.\n"


@pytest.fixture
def domain(write_pack: WritePack, settings: RetrievalSettings) -> Domain:
    folder = write_pack({"ruda.md": RUDA, "menta.md": MENTA})
    gold = {
        "id": "g1",
        "question": "¿para qué la ruda?",
        "kind": "direct",
        "relevant": ["ruda#usos"],
        "split": "calibration",
    }
    write_rows(folder / "questions.jsonl", [gold])
    return load_domain("tiny", settings.domains_dir)


def test_only_sections_without_gold_are_asked_about(domain: Domain) -> None:
    rows = propose_questions(domain, [])
    assert {section for row in rows for section in row["relevant"]} == {"ruda#toxicidad", "menta#usos"}
    every = propose_questions(domain, [], everything=True)
    assert {section for row in every for section in row["relevant"]} >= {"ruda#usos", "ruda#toxicidad", "menta#usos"}


def test_a_document_stays_on_the_side_of_its_other_questions(domain: Domain) -> None:
    assert {row["split"] for row in propose_questions(domain, []) if row["relevant"] == ["ruda#toxicidad"]} == {
        "calibration"
    }


def test_questions_by_a_language_model_come_first_and_in_other_words(domain: Domain) -> None:
    written = make_example(
        "¿me quema si me da el sol?", "La piel.", sections=("ruda#toxicidad",), origin="llm", task="paraphrase"
    )
    rows = propose_questions(domain, [written])
    assert (rows[0]["question"], rows[0]["kind"]) == ("¿me quema si me da el sol?", "other_words")
    assert len([row for row in rows if row["relevant"] == ["ruda#toxicidad"]]) == 1


def test_what_is_written_can_be_read_as_gold(domain: Domain, tmp_path: Path) -> None:
    write_rows(tmp_path / "questions.jsonl", propose_questions(domain, [], limit=1))
    [question] = read_questions(tmp_path / "questions.jsonl")
    assert question.answerable and question.id.startswith("p-")
