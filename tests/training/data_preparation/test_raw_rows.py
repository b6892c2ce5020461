"""Files of rows as they are found: each row is there or its fault is, and a bad file is one sentence."""

import gzip
import json
from pathlib import Path

import pytest

from retrieval.errors import DataError
from training.data_preparation.raw_rows import MOST_LINE, read_raw_rows

ROW = {"question": "¿Qué?", "answer": "Nada."}


def test_json_jsonl_and_gz_give_the_same_rows(tmp_path: Path) -> None:
    line = json.dumps(ROW, ensure_ascii=False)
    (tmp_path / "a.jsonl").write_text(f"\ufeff{line}\n\n{line}\n", encoding="utf-8")
    (tmp_path / "a.json").write_text(f"[\n{line},\n{line}]", encoding="utf-8")
    (tmp_path / "b.json").write_text(f'{{"data": [\n{line},\n{line}]}}', encoding="utf-8")
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(f"{line}\n{line}".encode()))
    for name in ("a.jsonl", "a.json", "b.json", "a.jsonl.gz"):
        assert [row.value for row in read_raw_rows(str(tmp_path / name))] == [ROW, ROW], name


def test_bad_lines_are_faults_with_their_number(tmp_path: Path) -> None:
    lines = [b'{"question": ', b"[1]", b'"x"', b"\xff\xfe", b"{}" + b" " * MOST_LINE, b"[" * 100_000, b'{"a": 1}']
    (tmp_path / "a.jsonl").write_bytes(b'{"ok": 1}\n' + b"\n".join(lines))
    rows = list(read_raw_rows(str(tmp_path / "a.jsonl")))
    assert [row.number for row in rows] == list(range(1, 9))
    assert [bool(row.fault) for row in rows] == [False, True, True, True, True, True, True, False]
    assert [rows[2].fault, rows[4].fault, rows[5].fault] == [
        "a list, no JSON object",
        "not UTF-8 at byte 0",
        "longer than 2 MiB",
    ]


def test_a_saved_data_set_and_parquet_are_read(tmp_path: Path) -> None:
    from datasets import Dataset, DatasetDict

    rows = Dataset.from_list([ROW, ROW])
    DatasetDict(train=rows, test=rows).save_to_disk(str(tmp_path / "saved"))
    (tmp_path / "files").mkdir()
    rows.to_parquet(str(tmp_path / "files" / "a.parquet"))
    assert [row.value["split"] for row in read_raw_rows(str(tmp_path / "saved"))] == ["train", "train", "test", "test"]
    assert [row.value for row in read_raw_rows(str(tmp_path / "files"))] == [ROW, ROW]


@pytest.mark.parametrize("content", [b"[{]", b"\xff"])
def test_a_file_that_is_no_json_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.json (is no JSON|holds a number)"):
        list(read_raw_rows(str(tmp_path / "a.json")))


@pytest.mark.parametrize("name", ["./nothing.jsonl", "a.csv", "a.jsonl.gz"])
def test_a_source_that_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.csv").write_text("x")
    (tmp_path / "a.jsonl.gz").write_text("x")
    with pytest.raises(DataError):
        list(read_raw_rows(str(tmp_path / name)))


def test_a_name_on_the_hub_that_cannot_be_fetched_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets.config
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match="neither here nor could it be fetched"):
        list(read_raw_rows("nobody/no-such-set"))
