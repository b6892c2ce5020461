"""Documents to sections: the index's own parser, a row a section, counts and a plot."""

import json
from pathlib import Path

import pytest

from retrieval.errors import DataError, UsageError
from tests.conftest import WritePack
from tests.training.data_preparation.corpora import NOPAL, SABILA, sections_of, shipped_sections
from training.data_preparation.parse_documents import command, parse_documents, parse_stats
from training.data_preparation.sections import read_sections, write_sections


def test_a_section_keeps_its_heading_path_its_text_and_its_documents_fields() -> None:
    section = sections_of({"plantas/sabila.md": SABILA})[2]
    assert (section.id, section.type, section.heading_path) == ("plantas/sabila#toxicidad", "plantas", ("Toxicidad",))
    assert section.text == "La sábila no se toma en el embarazo. En exceso causa diarrea."
    assert section.fields["uses"] == ("quemaduras", "tos")
    assert section.source == "Sábila › Toxicidad"


def test_only_the_edited_sections_hash_changes() -> None:
    before = sections_of({"a.md": SABILA})
    after = sections_of({"a.md": SABILA.replace("diarrea", "cólicos")})
    changed = [one.id for one, other in zip(before, after, strict=True) if one.hash != other.hash]
    assert changed == ["a#toxicidad"]


def test_sections_are_those_of_the_index() -> None:
    assert len(shipped_sections()) == 803
    assert len({section.id for section in shipped_sections()}) == 803


def test_rows_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    sections = sections_of({"plantas/sabila.md": SABILA, "nopal.md": NOPAL})
    write_sections(tmp_path / "sections.jsonl", sections)
    assert list(read_sections(tmp_path / "sections.jsonl")) == sections


def test_a_line_that_is_no_section_is_named(tmp_path: Path) -> None:
    (tmp_path / "sections.jsonl").write_text('{"id": "a#top"}\n', encoding="utf-8")
    with pytest.raises(DataError, match="line 1 is no section"):
        list(read_sections(tmp_path / "sections.jsonl"))


def test_types_keep_only_their_folder_and_unreadable_files_are_named(tmp_path: Path) -> None:
    for path, content in {
        "plantas/a.md": b"# A\n\nUno.",
        "otros/b.md": b"# B\n\nDos.",
        "plantas/c.md": b"\xff",
    }.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(content)
    refused: dict[str, str] = {}
    assert [section.document for section in parse_documents(tmp_path, ["plantas"], refused)] == ["plantas/a"]
    assert list(refused) == ["plantas/c.md"]


def test_stats_count_documents_by_type_and_sections_by_name() -> None:
    counted = parse_stats(sections_of({"plantas/sabila.md": SABILA, "cactos/nopal.md": NOPAL}))
    assert counted.documents_by_type == {"cactos": 1, "plantas": 1}
    assert counted.sections_by_name == {"Usos": 2, "top": 2, "Toxicidad": 1}
    assert (counted.documents, counted.sections) == (2, 5)
    assert counted.lengths["shortest"] == 8


def test_the_command_writes_rows_counts_and_a_plot(
    tmp_path: Path, write_pack: WritePack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pack({"plantas/sabila.md": SABILA})
    monkeypatch.setenv("SAVIA_HOME", str(tmp_path))
    command(domain="tiny", plot=tmp_path / "lengths.svg", as_json=True)
    assert json.loads(capsys.readouterr().out)["sections"] == 3
    assert (tmp_path / "lengths.svg").read_text(encoding="utf-8").startswith("<svg")
    assert len(list(read_sections(tmp_path / "data/build/tiny/parse/sections.jsonl"))) == 3


def test_a_type_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    (tmp_path / "plantas").mkdir()
    (tmp_path / "plantas" / "a.md").write_text("# A\n\nUno.", encoding="utf-8")
    with pytest.raises(UsageError, match="There are: plantas"):
        command(data_dir=tmp_path, doc_type=["hongos"])
    with pytest.raises(UsageError, match="is no folder"):
        command(data_dir=tmp_path / "nowhere")


def test_a_folder_without_text_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.md").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="no readable Markdown"):
        command(data_dir=tmp_path, output=tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()
