"""`savia dataset import`: real public sets come in whole, bad rows are counted by reason, nothing half is left."""

import json
from pathlib import Path

import pytest

from retrieval.errors import DataError, UsageError
from training.data_preparation.import_dataset import (
    command,
    import_rows,
    parse_columns,
    read_source,
    splits_path,
    write_import,
)
from training.data_preparation.raw_rows import RawRow
from training.example import read_examples
from training.layout import BuildLayout


def rows(*values: dict[str, object]) -> list[RawRow]:
    return [RawRow(number, value) for number, value in enumerate(values, 1)]


def test_a_row_unlike_the_first_is_rejected_and_not_guessed() -> None:
    imported = import_rows(rows({"question": "q", "answer": "a"}, {"instruction": "q", "response": "a"}), "notes")
    assert (imported.shape, len(imported.examples)) == ("question", 1)
    assert [(row.line, row.reason) for row in imported.rejected] == [(2, "question is missing")]


def test_other_columns_are_mapped() -> None:
    columns = parse_columns(["question=ask", "answer=reply", "task=kind"])
    imported = import_rows(
        rows({"ask": "q", "reply": "a", "kind": "uses", "question": "other"}, {"ask": "q"}), "n", columns
    )
    assert [(e.question, e.answer, e.task) for e in imported.examples] == [("q", "a", "uses")]
    assert imported.reasons() == {"has no column kind, reply": 1}


@pytest.mark.parametrize("pairs", [["question"], ["colour=a"], ["question=ask"]])
def test_a_mapping_that_cannot_be_is_refused(pairs: list[str]) -> None:
    with pytest.raises(UsageError, match="--map"):
        parse_columns(pairs)


def test_unknown_columns_say_how_to_map_them() -> None:
    with pytest.raises(DataError, match="the columns are: ask, reply") as caught:
        import_rows(rows({"ask": "q", "reply": "a"}), "notes")
    assert "--map question=COLUMN" in caught.value.mend


def test_rows_on_one_text_share_a_parent_without_being_told() -> None:
    given = rows(*({"prompt": prompt, "completion": "none", "text_id": "t7"} for prompt in ("Genes?", "Drugs?")))
    assert [e.parents for e in import_rows(given, "notes").examples] == [("text_id:t7",), ("text_id:t7",)]


def test_rows_with_one_value_in_a_group_share_a_parent() -> None:
    given = rows({"prompt": "q1", "completion": "a", "pmid": 7}, {"prompt": "q2", "completion": "a", "pmid": ""})
    imported = import_rows(given, "notes", group="pmid")
    assert [e.parents for e in imported.examples] == [("pmid:7",)]
    assert imported.reasons() == {"pmid (--group) is missing": 1}


def test_nothing_is_written_over_an_older_import_when_no_row_can_be_used(tmp_path: Path) -> None:
    layout = BuildLayout(tmp_path)
    path = write_import(
        layout, "notes", import_rows(rows({"question": "q", "answer": "a", "split": "dev"}), "notes"), keep=True
    )
    before = {file: file.read_bytes() for file in path.parent.iterdir()}
    with pytest.raises(DataError, match=r"None of the 1 rows can be used \(1 times: answer is empty\)"):
        write_import(layout, "notes", import_rows(rows({"question": "q", "answer": ""}), "notes"))
    assert {file: file.read_bytes() for file in path.parent.iterdir()} == before
    assert json.loads(splits_path(path).read_text())["split"] == "validation"


@pytest.mark.parametrize(
    ("source", "accepted", "rejected"),
    [
        ("medquad_gard/qa.jsonl.gz", 5389, {"response is empty": 5}),
        ("bc5cdr_train/chemicals.jsonl", 300, {}),
        ("bc5cdr_train/diseases.jsonl", 300, {}),
        ("bc5cdr_train/relations.jsonl", 300, {}),
        ("gsm8k_train_500.json", 500, {}),
        ("statistics_qa.jsonl", 172, {}),
    ],
)
def test_real_sets_come_in_whole(datasets: Path, source: str, accepted: int, rejected: dict[str, int]) -> None:
    imported = import_rows(read_source(str(datasets / source)), "real")
    assert (len(imported.examples), imported.reasons()) == (accepted, rejected)
    assert all(example.source for example in imported.examples)


def test_a_set_without_answers_ends_with_a_rejection_per_row(
    datasets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAVIA_HOME", str(tmp_path))
    with pytest.raises(DataError, match=r"None of the 792 rows can be used \(792 times: response is empty\)") as caught:
        command(str(datasets / "medquad_herbs_questions.jsonl"), domain="medimind", name="herbs")
    assert caught.value.exit_code == 1
    folder = BuildLayout(tmp_path / "data/build/medimind").folder("import")
    assert [path.name for path in folder.iterdir()] == ["herbs.rejected.jsonl"]
    assert len((folder / "herbs.rejected.jsonl").read_text().splitlines()) == 792


def test_an_import_reads_back_and_is_the_same_twice(tmp_path: Path) -> None:
    given = rows(*({"question": f"q{n}", "answer": "a"} for n in range(3)))
    path = write_import(BuildLayout(tmp_path), "notes", import_rows(given, "notes"))
    before = path.read_bytes()
    assert [example.question for example in read_examples(path)] == ["q0", "q1", "q2"]
    assert write_import(BuildLayout(tmp_path), "notes", import_rows(given, "notes")).read_bytes() == before
