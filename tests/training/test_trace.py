"""Provenance either way: document, section, passage, row, run."""

import json

import pytest

from retrieval.domain import Domain
from retrieval.errors import UsageError
from retrieval.settings import RetrievalSettings
from tests.conftest import WritePack
from tests.training.data_preparation.exporting import make_pack
from tests.training.test_build import edit, export_of, new_build
from training.build import run_build
from training.trace import Tracer


@pytest.fixture
def domain(write_pack: WritePack, settings: RetrievalSettings) -> Domain:
    domain = make_pack(write_pack, settings)
    run_build(new_build(domain, settings))
    return domain


def learned_row(settings: RetrievalSettings) -> tuple[str, str]:
    """A training row's id and its first section."""
    rows = [json.loads(line) for part, line in export_of(settings).values() if part == "train"]
    row = next(row for row in rows if row["metadata"]["source_sections"])
    return row["id"], row["metadata"]["source_sections"][0]


def make_run(settings: RetrievalSettings, data_sha256: str) -> str:
    """A training run on the last export, as its run.json tells."""
    folder = settings.models_dir / "tiny" / "20261121_101500"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"state": "done", "data": {"sha256": data_sha256}}), encoding="utf-8")
    return folder.name


def export_hash(settings: RetrievalSettings) -> str:
    path = settings.build_dir / "tiny" / "export" / "provenance.json"
    return str(json.loads(path.read_text("utf-8"))["data_sha256"])


def test_a_row_leads_to_its_section_and_document_and_these_lead_back(
    domain: Domain, settings: RetrievalSettings
) -> None:
    tracer, (row, section) = Tracer(domain, settings), learned_row(settings)
    found = tracer.trace(row)
    assert found["sections"][0] == {"id": section, "state": "same"} and found["made_by"] == "generate"
    document = found["documents"][0]
    assert row in [line["id"] for line in tracer.trace(section)["rows"]]
    assert row in [line["id"] for line in tracer.trace(document)["rows"]]
    assert tracer.trace(f"{document}.md")["id"] == document


def test_a_passage_leads_to_its_section(domain: Domain, settings: RetrievalSettings) -> None:
    tracer = Tracer(domain, settings)
    (passage,) = tracer.trace("plantas/ruda#usos")["passages"]
    assert tracer.trace(passage)["section"] == "plantas/ruda#usos"


def test_an_edited_and_a_removed_section_say_so(domain: Domain, settings: RetrievalSettings) -> None:
    edit(domain, "los frailes", "los soldados")
    (domain.corpus / "plantas" / "copal.md").unlink()
    tracer = Tracer(domain, settings)
    assert tracer.trace("plantas/ruda#historia")["state"] == "changed"
    assert tracer.trace("plantas/copal#usos")["state"] == "removed"
    assert tracer.trace("plantas/ruda#usos")["state"] == "same"


def test_a_row_left_out_says_where_and_why(domain: Domain, settings: RetrievalSettings) -> None:
    from training.decisions import Decision, write_decision

    row, _ = learned_row(settings)
    build = new_build(domain, settings)
    write_decision(build.layout.decisions, Decision(row, "rejected", "too vague"))
    run_build(build)
    found = Tracer(domain, settings).trace(row)
    assert found["state"] == "left out by combine" and found["left_out"]["reason"] == "review: too vague"


def test_a_run_leads_to_its_documents_and_to_what_changed_since(domain: Domain, settings: RetrievalSettings) -> None:
    name = make_run(settings, export_hash(settings))
    row, _ = learned_row(settings)
    assert Tracer(domain, settings).trace(row)["runs"] == [name]
    edit(domain, "El té de ruda", "El cocimiento de ruda")
    run_build(new_build(domain, settings))
    found = Tracer(domain, settings).trace(name)
    assert found["known"] and "plantas/ruda" in found["documents"]
    assert found["changed_since"] == ["plantas/ruda#usos"]


def test_a_run_on_other_data_says_that_its_documents_are_not_known(domain: Domain, settings: RetrievalSettings) -> None:
    found = Tracer(domain, settings).trace(make_run(settings, "0" * 64))
    assert found["known"] is False and found["documents"] == []


@pytest.mark.parametrize("identity", ["plantas/nada", "0123456789abcdef", "plantas/ruda#nada"])
def test_an_id_that_nothing_carries_is_refused(identity: str, domain: Domain, settings: RetrievalSettings) -> None:
    with pytest.raises(UsageError, match="Nothing of tiny is called"):
        Tracer(domain, settings).trace(identity)
