"""The whole data set in one go: what runs, what is kept byte for byte, what is withdrawn, what is refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from retrieval.domain import Domain, load_domain
from retrieval.errors import DataError, IndexLocked
from retrieval.lock import writer_lock
from retrieval.settings import RetrievalSettings
from tests.conftest import WritePack
from tests.training.data_preparation.exporting import CONFIG, make_pack
from training.build import LOCK, run_build, summarise
from training.build_plan import make_plan
from training.build_setup import Build
from training.build_state import read_state
from training.build_steps import compare_rows
from training.dataset_config import DatasetConfig
from training.decisions import Decision, write_decision
from training.layout import SPLITS, BuildLayout

STAGES = ["parse", "generate", "augment", "import", "combine", "filter", "split", "export"]


@pytest.fixture
def domain(write_pack: WritePack, settings: RetrievalSettings) -> Domain:
    return make_pack(write_pack, settings)


def new_build(domain: Domain, settings: RetrievalSettings, **config: Any) -> Build:
    """A build as a fresh process would begin it."""
    layout = BuildLayout(settings.build_dir / domain.name)
    return Build(settings, domain, layout, DatasetConfig(**config), read_state(layout))


def export_of(settings: RetrievalSettings) -> dict[str, tuple[str, str]]:
    """(part, line) of each exported row."""
    found = {}
    for name in SPLITS:
        path = BuildLayout(settings.build_dir / "tiny").exported(name)
        found |= {json.loads(line)["id"]: (name, line) for line in path.read_text("utf-8").split("\n") if line}
    return found


def edit(domain: Domain, old: str, new: str, file: str = "ruda") -> None:
    path = domain.corpus / "plantas" / f"{file}.md"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def test_a_build_goes_from_documents_to_an_export(domain: Domain, settings: RetrievalSettings) -> None:
    result = run_build(new_build(domain, settings))
    assert result["ran"] == STAGES
    assert sum(result["stages"]["export"]["rows"].values()) == len(export_of(settings)) > 40
    row = json.loads(next(iter(export_of(settings).values()))[1])
    assert list(row) == ["id", "messages", "metadata"]
    assert {"source_sections", "origin", "task", "type"} <= set(row["metadata"])


def test_a_second_build_runs_nothing(domain: Domain, settings: RetrievalSettings) -> None:
    run_build(new_build(domain, settings))
    before = export_of(settings)
    assert run_build(new_build(domain, settings))["ran"] == []
    assert export_of(settings) == before


def test_one_edited_section_remakes_its_rows_and_no_byte_of_the_others(
    domain: Domain, settings: RetrievalSettings
) -> None:
    run_build(new_build(domain, settings))
    before = export_of(settings)
    edit(domain, "los frailes en el siglo XVI", "los frailes y los soldados en el siglo XVI")
    result = run_build(new_build(domain, settings))
    after = export_of(settings)
    touched = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    sections = [json.loads((after.get(name) or before[name])[1])["metadata"]["source_sections"] for name in touched]
    assert touched and all("plantas/ruda#historia" in found for found in sections)
    assert result["changes"]["same"] == len(after) - result["changes"]["new"] - result["changes"]["changed"]


def test_what_a_removed_document_said_is_in_no_row_any_more(domain: Domain, settings: RetrievalSettings) -> None:
    run_build(new_build(domain, settings))
    (domain.corpus / "plantas" / "copal.md").unlink()
    run_build(new_build(domain, settings))
    lines = [line for _, line in export_of(settings).values()]
    assert lines and not any("sahumar la casa" in line for line in lines)


def test_a_stage_whose_file_is_gone_runs_again_and_gives_the_same(domain: Domain, settings: RetrievalSettings) -> None:
    build = new_build(domain, settings)
    run_build(build)
    before = export_of(settings)
    build.layout.examples("filter").unlink()
    assert run_build(new_build(domain, settings))["ran"] == ["filter"]
    build.layout.exported("train").write_text("torn", encoding="utf-8")
    assert run_build(new_build(domain, settings))["ran"] == ["export"]
    assert export_of(settings) == before


def test_a_build_that_failed_goes_on_where_it_stopped(domain: Domain, settings: RetrievalSettings) -> None:
    with pytest.raises(DataError, match="No row passes the filter"):
        run_build(new_build(domain, settings, min_tokens=1_000, max_tokens=1_001))
    progress = json.loads((settings.build_dir / "tiny" / "progress.json").read_text("utf-8"))
    assert (progress["phase"], progress["stage"]) == ("failed", "filter")
    assert run_build(new_build(domain, settings))["ran"] == ["filter", "split", "export"]


def test_a_second_build_at_the_same_time_is_refused(domain: Domain, settings: RetrievalSettings) -> None:
    build = new_build(domain, settings)
    with (
        writer_lock(build.layout.root / LOCK, "savia dataset build", "data set"),
        pytest.raises(IndexLocked, match=r"The data set at .* is being written by process"),
    ):
        run_build(build)


def write_rows(domain: Domain, name: str, count: int) -> Path:
    folder = domain.folder / "datasets"
    folder.mkdir(exist_ok=True)
    numbers = ("uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve", "diez", "once", "doce")
    rows = [
        {
            "question": f"¿Cuántos dientes de ajo lleva la receta {word} de mi abuela?",
            "answer": f"La receta lleva {word} dientes.",
        }
        for word in numbers[:count]
    ]
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_ready_made_rows_of_the_pack_come_in_and_leave_with_their_file(
    domain: Domain, settings: RetrievalSettings
) -> None:
    path = write_rows(domain, "recetas", 6)
    assert run_build(new_build(domain, settings))["stages"]["import"]["sources"] == {"recetas": 6}
    path.unlink()
    result = run_build(new_build(domain, settings))
    assert result["stages"]["import"]["rows"] == 0 and result["changes"]["withdrawn"] > 0
    assert not any("recetas" in json.loads(line)["metadata"]["origin"] for _, line in export_of(settings).values())


def test_a_pack_of_rows_alone_is_built_without_an_index(write_pack: WritePack, settings: RetrievalSettings) -> None:
    write_pack({}, name="rows", config=CONFIG)
    domain = load_domain("rows", settings.domains_dir)
    write_rows(domain, "recetas", 12)
    result = run_build(new_build(domain, settings))
    assert sum(result["stages"]["export"]["rows"].values()) > 0
    assert not settings.index_dir("rows").exists()


def test_a_weight_for_a_source_that_is_not_there_does_not_stop_a_build(
    domain: Domain, settings: RetrievalSettings
) -> None:
    result = run_build(new_build(domain, settings, weights={"cross-validated": 2.0, "template": 2.0}))
    assert result["stages"]["combine"]["shown"] == 2 * result["stages"]["combine"]["rows"]


def test_a_row_rejected_in_review_leaves_the_export_and_stays_out(domain: Domain, settings: RetrievalSettings) -> None:
    build = new_build(domain, settings)
    run_build(build)
    name = next(iter(export_of(settings)))
    write_decision(build.layout.decisions, Decision(name, "rejected", "too vague"))
    assert run_build(new_build(domain, settings))["ran"] == ["combine", "filter", "split", "export"]
    assert name not in export_of(settings)


def test_the_plan_names_what_changed_and_the_rows_that_hang_on_it(domain: Domain, settings: RetrievalSettings) -> None:
    assert make_plan(new_build(domain, settings)).built is False
    run_build(new_build(domain, settings))
    assert make_plan(new_build(domain, settings)).same
    edit(domain, "los frailes", "los soldados")
    (domain.corpus / "plantas" / "hinojo.md").write_text("# Hinojo\n\nEs una hierba dulce y alta.\n", "utf-8")
    plan = make_plan(new_build(domain, settings))
    assert plan.documents.changed == ["plantas/ruda.md"] and plan.documents.added == ["plantas/hinojo.md"]
    assert plan.sections.changed == ["plantas/ruda#historia"] and plan.rows >= 1
    assert plan.stages == [name for name in STAGES if name not in ("augment", "import")]


def test_a_plan_counts_the_calls_of_a_model_without_asking_it(domain: Domain, settings: RetrievalSettings) -> None:
    run_build(new_build(domain, settings))
    plan = make_plan(new_build(domain, settings), model="tiny", max_samples=4)
    assert plan.calls is None or plan.calls["planned"] <= 4


def test_passages_are_chosen_anew_when_that_is_asked_for(domain: Domain, settings: RetrievalSettings) -> None:
    run_build(new_build(domain, settings))
    edit(domain, "los frailes", "los soldados del rey")
    assert "older" in run_build(new_build(domain, settings))["stages"]["export"]
    result = run_build(replace(new_build(domain, settings), redraw=True))
    assert result["ran"] == ["export"] and result["stages"]["export"]["older"] == 0


def test_changes_are_counted_by_row() -> None:
    assert compare_rows({"a": 1, "b": 2, "c": 3}, {"b": 2, "c": 4, "d": 5}) == {
        "new": 1, "changed": 1, "withdrawn": 1, "same": 1,
    }  # fmt: skip


def test_the_summary_is_one_line_of_counts() -> None:
    stages = {"parse": {"sections": 24}, "generate": {"rows": 60}, "export": {"rows": {"train": 48, "test": 6}}}
    assert summarise(stages).startswith("24 sections -> 60 template + 0 llm") and summarise(stages).endswith("test 6")
