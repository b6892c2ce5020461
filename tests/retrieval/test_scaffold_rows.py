"""`savia init NAME --from FILE`: questions and answers become a pack that loads, or nothing is left behind."""

import json
from pathlib import Path

import pytest

from retrieval.domain import load_domain
from retrieval.errors import UsageError
from retrieval.scaffold_rows import create_pack_from_rows

ROWS = [
    {
        "question": "What is the probability of heads?",
        "answer": "It is one half for a coin that is fair.",
        "source": "chapter 2",
    },
    {
        "question": "What is the mean of a fair die?",
        "answer": "It is three and a half, which is the sum of all over six.",
    },
]


@pytest.mark.parametrize("ending", [".json", ".jsonl"])
def test_a_file_of_answers_becomes_a_pack_that_loads(tmp_path: Path, ending: str) -> None:
    source = tmp_path / f"sft{ending}"
    source.write_text(json.dumps(ROWS) if ending == ".json" else "\n".join(map(json.dumps, ROWS)), encoding="utf-8")
    report = create_pack_from_rows("math", source, tmp_path / "domains")
    config = load_domain("math", tmp_path / "domains").config
    assert (report.language, report.rows, report.answered, config.language) == ("en", 2, 2, "en")
    assert config.sample_questions == tuple(row["question"] for row in ROWS)
    assert (report.folder / "datasets" / f"rows{ending}").read_bytes() == source.read_bytes()


def test_conversations_are_read_too(tmp_path: Path) -> None:
    turns = [
        {"role": "user", "content": "¿Qué es la media?"},
        {"role": "assistant", "content": "La suma entre el número."},
    ]
    (tmp_path / "a.jsonl").write_text(json.dumps({"messages": turns}) + "\nno json\n", encoding="utf-8")
    report = create_pack_from_rows("chat", tmp_path / "a.jsonl", tmp_path / "domains", title="Charla", language="es")
    assert (report.rows, report.answered) == (1, 1)
    assert load_domain("chat", tmp_path / "domains").config.sample_questions == ("¿Qué es la media?",)


@pytest.mark.parametrize(
    "content", ["", "[]", "3", '{"question": "q", "answer": ""}', '{"ask": "q", "reply": "a"}', "[" * 9999]
)
def test_a_file_without_answers_leaves_nothing_behind(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(UsageError, match="has a question with an answer"):
        create_pack_from_rows("empty", tmp_path / "a.json", tmp_path / "domains")
    assert not (tmp_path / "domains").exists()
