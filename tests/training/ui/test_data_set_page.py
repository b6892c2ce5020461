"""The page "Data set": the plan and its button, a real build as a child process, plots, and review that lasts."""

import time

import pytest
from streamlit.testing.v1 import AppTest

from retrieval.lock import writer_lock
from tests.training.data_preparation.exporting import uses_row
from tests.training.ui.conftest import PATIENCE, OpenPage, said
from training.build import LOCK
from training.decisions import Decision, read_decisions
from training.jobs import Job
from training.layout import BuildLayout
from training.ui.data_set_build import Model
from training.ui.data_set_figures import join_rare
from training.ui.data_set_rows import choose_rows, count_by, count_by_section, count_lengths, read_rows, status_of

REVIEW = {"data set view": "review"}


def wait_for_build(layout: BuildLayout) -> Job:
    job = Job(layout.root / "jobs" / "dataset-build")
    deadline = time.monotonic() + PATIENCE
    while (state := job.read()) and state.going and time.monotonic() < deadline:
        time.sleep(0.1)
    return job


def test_a_pack_that_was_not_built_offers_to_build(open_page: OpenPage) -> None:
    page = open_page("data set")
    assert not page.exception
    assert "Todavía no se ha construido" in said(page)
    assert page.metric[0].value == "8"  # documents, all of them new
    assert page.button(key="build data set").label == "Construir los datos"


def test_one_button_builds_in_a_child_process(open_page: OpenPage, layout: BuildLayout) -> None:
    page = open_page("data set").button(key="build data set").click().run()
    assert not page.exception
    job = wait_for_build(layout)
    state = job.read()
    assert state and (state.phase, state.command[:3]) == ("done", ("savia", "dataset", "build")), job.read_log()
    assert layout.exported("train").is_file()
    assert "El conjunto de datos está al día." in said(page.run())
    assert page.button(key="build data set").disabled


def test_a_build_elsewhere_is_said_and_not_doubled(open_page: OpenPage, layout: BuildLayout) -> None:
    with writer_lock(layout.root / LOCK, "savia dataset build"):
        page = open_page("data set")
    assert "Otro proceso está construyendo" in said(page)
    assert "build data set" not in [button.key for button in page.button]


def test_a_models_options_cannot_become_other_options() -> None:
    model = Model(base_url="--push-to-hub", name="m", rows=5, budget="5usd")
    assert list(model.arguments()) == [
        "--llm", "--base-url=--push-to-hub", "--model=m", "--budget=5usd", "--augmented-samples=5",
    ]  # fmt: skip


def test_rows_are_counted_by_part(built: BuildLayout) -> None:
    rows = read_rows(built)
    assert count_by(rows, "task") == [
        {"part": "train", "name": "uses", "rows": 2},
        {"part": "validation", "name": "uses", "rows": 1},
    ]
    assert [bar["name"] for bar in count_by_section(rows)] == ["usos", "usos"]
    assert sum(one["rows"] for one in count_lengths(rows)) == 3


def test_rare_names_are_joined() -> None:
    bars = [{"part": "train", "name": name, "rows": rows} for name, rows in (("a", 5), ("b", 2), ("c", 1))]
    assert [(bar["name"], bar["rows"]) for bar in join_rare(bars, "rest", 1)] == [("a", 5), ("rest", 3)]


def test_plots_are_drawn_without_an_error(built: BuildLayout, open_page: OpenPage) -> None:
    page = open_page("data set", **{"data set view": "figures"})
    assert not page.exception
    assert "3 filas en los datos · 1 descartadas" in said(page)
    assert len(page.get("vega_lite_chart")) == 6


def test_rows_are_found_without_accents_and_by_what_was_decided(built: BuildLayout) -> None:
    rows = read_rows(built)
    ruda = uses_row("ruda")
    decisions = {ruda.id: Decision(ruda.id, "accepted")}
    assert [row.example.id for row in choose_rows(rows, decisions, text="TE ruda")] == [ruda.id]
    assert [status_of(row, decisions) for row in rows] == ["accepted", "open", "open", "left_out"]
    assert len(choose_rows(rows, decisions, status="open")) == 2


def test_a_row_stands_beside_its_source_section(built: BuildLayout, open_page: OpenPage) -> None:
    page = open_page("data set", **REVIEW)
    assert not page.exception
    assert "**¿Para qué se toma el té de ruda?**" in said(page)
    assert "**Ruda › Usos**" in said(page)


def accept(page: AppTest, name: str) -> AppTest:
    return page.button(key=f"accept {uses_row(name).id}").click().run()


def test_accepting_keeps_the_decision_and_goes_on(built: BuildLayout, open_page: OpenPage) -> None:
    page = accept(open_page("data set", **REVIEW), "ruda")
    assert read_decisions(built.decisions)[uses_row("ruda").id].decision == "accepted"
    assert "**¿Para qué se toma el té de nopal?**" in said(page)


def test_a_rejection_needs_a_reason(built: BuildLayout, open_page: OpenPage) -> None:
    identity = uses_row("ruda").id
    page = open_page("data set", **REVIEW)
    reject = next(button for button in page.button if button.label == "Rechazar")
    page = reject.click().run()
    assert page.error[0].value == "Escriba el motivo del rechazo."
    page.text_input(key=f"reason {identity}").set_value("la dosis no está en la fuente")
    next(button for button in page.button if button.label == "Rechazar").click().run()
    decision = read_decisions(built.decisions)[identity]
    assert (decision.decision, decision.reason) == ("rejected", "la dosis no está en la fuente")


def test_a_corrected_row_keeps_its_source(built: BuildLayout, open_page: OpenPage) -> None:
    identity = uses_row("ruda").id
    page = open_page("data set", **REVIEW)
    page.text_area(key=f"edit answer {identity}").set_value("El té de ruda se toma para las barridas.")
    next(button for button in page.button if button.label == "Guardar la corrección").click().run()
    edited = read_decisions(built.decisions)[identity].example
    assert edited and edited.answer == "El té de ruda se toma para las barridas."
    assert (edited.sections, edited.parents) == (("plantas/ruda#usos",), (identity,))


@pytest.mark.slow
def test_a_rejected_row_stays_out_of_the_next_build(open_page: OpenPage, layout: BuildLayout) -> None:
    page = open_page("data set").button(key="build data set").click().run()
    wait_for_build(layout)
    row = read_rows(layout)[0].example
    page = open_page("data set", **REVIEW, **{"review row": row.id})
    page.text_input(key=f"reason {row.id}").set_value("mala")
    next(button for button in page.button if button.label == "Rechazar").click().run()
    page = open_page("data set")
    assert "Hubo cambios desde la última construcción." in said(page)
    page.button(key="build data set").click().run()
    wait_for_build(layout)
    found = {found.example.id: found for found in read_rows(layout)}[row.id]
    assert (found.part, found.left_out) == ("", "review: mala")


def test_hostile_rows_and_sections_are_shown_as_text(built: BuildLayout, open_page: OpenPage) -> None:
    path = built.split("train")
    line = '{"id": "0123456789abcdef", "question": "<script>alert(1)</script> $x$", "answer": ":red[hola] ![a](http://e/x.png)"}\n'
    path.write_text(path.read_text("utf-8") + line, "utf-8")
    page = open_page("data set", **REVIEW, **{"review row": "0123456789abcdef"})
    texts = "\n".join(element.value for element in page.markdown)
    assert not page.exception
    assert "<script>" not in texts and ":red[hola]" not in texts and "http://e/x.png" not in texts
