"""The export: parts, weights, lengths, provenance, card, and what happens where something is missing."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from retrieval.domain import Domain
from retrieval.errors import BackendError, IndexMissing
from retrieval.index import Index
from retrieval.settings import RetrievalSettings
from tests.conftest import WritePack
from tests.training.data_preparation.exporting import CONFIG, DOCUMENTS, PLANTS, make_pack, open_finder, uses_row
from training.data_preparation.dataset_folder import push_to_hub
from training.data_preparation.export_dataset import open_finder as open_pack
from training.data_preparation.export_files import write_export
from training.data_preparation.export_rows import Exported, export_rows
from training.data_preparation.kept_choices import read_choices
from training.dataset_config import DatasetConfig
from training.example import Example
from training.layout import SPLITS, BuildLayout
from training.rows import hash_rows, read_rows_of

PARTS = {"train": ("ruda", "nopal", "arnica", "tila"), "validation": ("copal", "chaya"), "test": ("muicle", "pericon")}


@pytest.fixture
def domain(write_pack: WritePack, settings: RetrievalSettings) -> Domain:
    return make_pack(write_pack, settings)


@pytest.fixture
def layout(settings: RetrievalSettings) -> BuildLayout:
    return BuildLayout(settings.build_dir / "tiny")


def parts(**more: object) -> dict[str, list[Example]]:
    return {name: [uses_row(plant, **more) for plant in plants] for name, plants in PARTS.items()}


def exported(
    domain: Domain, settings: RetrievalSettings, given: dict[str, list[Example]], **config: object
) -> Exported:
    shares = {"without_gold": 0, "closed_book": 0, **config}
    return export_rows(given, domain, DatasetConfig(**shares), open_finder(domain, settings))  # type: ignore[arg-type]


def test_no_prompt_shows_a_source_of_another_part(domain: Domain, settings: RetrievalSettings) -> None:
    found = exported(domain, settings, parts())
    sources = {name: {f"plantas/{plant}#usos" for plant in plants} for name, plants in PARTS.items()}
    for choice, part in zip(found.choices, (name for name in SPLITS for _ in PARTS[name]), strict=True):
        others = set().union(*(sources[name] for name in SPLITS if name != part))
        assert others.isdisjoint(source.section_id for source in choice.sources)


def test_a_training_row_stands_as_often_as_its_weight_says(domain: Domain, settings: RetrievalSettings) -> None:
    heavy = {name: [replace(row, weight=3.0) for row in rows] for name, rows in parts().items()}
    found = exported(domain, settings, heavy)
    assert found.counts == {"train": 12, "validation": 2, "test": 2}
    assert len({row.id for row in found.rows["train"]}) == 12
    assert found.rows["train"][1].id == f"{found.rows['train'][0].id}#2"


def test_distractors_go_before_a_row_gets_too_long(domain: Domain, settings: RetrievalSettings) -> None:
    wide = exported(domain, settings, parts()).choices[0]
    tight = exported(domain, settings, parts(), max_tokens=400).choices[0]
    assert len(tight.sources) < len(wide.sources) and tight.gold == wide.gold
    assert set(tight.gold) <= {source.passage_id for source in tight.sources}


def test_a_row_too_long_even_without_distractors_is_left_out_and_said(
    domain: Domain, settings: RetrievalSettings
) -> None:
    found = exported(domain, settings, parts(), max_tokens=100)
    assert found.counts == {"train": 0, "validation": 0, "test": 0}
    assert {reason for _, reason in found.left_out} == {"longer than 100 tokens with its prompt"}


def test_a_second_export_draws_nothing_and_changes_no_byte(
    domain: Domain, settings: RetrievalSettings, layout: BuildLayout, tmp_path: Path
) -> None:
    config, finder = DatasetConfig(), open_finder(domain, settings)
    first = export_rows(parts(), domain, config, finder)
    write_export(tmp_path, first, domain, config, layout, finder)
    before = {name: (tmp_path / f"{name}.jsonl").read_bytes() for name in SPLITS}
    again = export_rows(parts(), domain, config, finder, read_choices(tmp_path))
    write_export(tmp_path, again, domain, config, layout, finder)
    assert again.drawn == 0 and before == {name: (tmp_path / f"{name}.jsonl").read_bytes() for name in SPLITS}


def test_the_card_counts_rows_and_names_documents_and_terms(
    domain: Domain, settings: RetrievalSettings, layout: BuildLayout, tmp_path: Path
) -> None:
    config, finder = DatasetConfig(), open_finder(domain, settings)
    write_export(tmp_path, export_rows(parts(), domain, config, finder), domain, config, layout, finder)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "| train | 4 |" in card and "`plantas/ruda`" in card and "Apache-2.0" in card and "language: [es]" in card
    assert (tmp_path / "plots" / "tasks.svg").read_text(encoding="utf-8").startswith("<svg")


def test_provenance_carries_the_hash_that_a_training_run_records(
    domain: Domain, settings: RetrievalSettings, layout: BuildLayout, tmp_path: Path
) -> None:
    config, finder = DatasetConfig(), open_finder(domain, settings)
    write_export(tmp_path, export_rows(parts(), domain, config, finder), domain, config, layout, finder)
    read = [row for name in ("train", "validation") for row in read_rows_of(tmp_path / f"{name}.jsonl", domain)]
    assert json.loads((tmp_path / "provenance.json").read_text("utf-8"))["data_sha256"] == hash_rows(read)


def test_a_pack_without_an_index_says_how_to_build_one(write_pack: WritePack, settings: RetrievalSettings) -> None:
    from retrieval.domain import load_domain

    write_pack(DOCUMENTS, config=CONFIG)
    with pytest.raises(IndexMissing, match="savia index sync --domain tiny"):
        open_pack(load_domain("tiny", settings.domains_dir), settings, DatasetConfig())


def test_without_passages_no_index_is_needed(domain: Domain, settings: RetrievalSettings) -> None:
    assert open_pack(domain, settings, DatasetConfig(rag=False)) is None
    found = export_rows(parts(), domain, DatasetConfig(rag=False))
    assert {row.metadata["context"] for rows in found.rows.values() for row in rows} == {"closed_book"}


def test_a_row_whose_section_left_the_index_is_left_out(domain: Domain, settings: RetrievalSettings) -> None:
    (domain.corpus / "plantas" / "ruda.md").unlink()
    Index(domain, settings).sync(None)
    found = exported(domain, settings, parts())
    assert [reason for _, reason in found.left_out] == ["a section of it is not in the index"]
    assert len(PLANTS) == 1 + sum(found.counts.values())


def test_offline_nothing_is_uploaded_and_all_is_left_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(BackendError, match="nothing is uploaded") as refused:
        push_to_hub(tmp_path, "me/rows", private=True)
    assert str(tmp_path) in refused.value.mend
