"""The page "Training": what it says of runs, what it starts, stops and hands on; runs are folders as training leaves them."""

import json
import os
import sys
import time
from pathlib import Path

import pytest

from assistant.backends.model_files import hash_adapter
from retrieval.domain import Domain
from retrieval.errors import UsageError
from retrieval.settings import RetrievalSettings
from tests.training.ui.conftest import PATIENCE, MakeRun, OpenPage, make_checkpoint, said
from training.chosen_model import read_chosen_model
from training.data_preparation.parse_documents import parse_documents
from training.export_history import keep_export
from training.jobs import Job
from training.layout import BuildLayout
from training.run_folder import RunFolder
from training.ui.run_start import Wish
from training.ui.runs import (
    Run,
    changes_since,
    curves,
    figures_of,
    list_known_runs,
    model_of,
    read_metrics,
    recipe_differences,
)

NAME = "20261121_101500"


def runs_of(settings: RetrievalSettings, layout: BuildLayout) -> list[Run]:
    return list_known_runs(settings.models_dir, layout, "tiny")


def end_of(job: Job) -> str:
    deadline = time.monotonic() + PATIENCE
    while (state := job.read()) and state.going and time.monotonic() < deadline:
        time.sleep(0.1)
    return state.phase if state else ""


def test_without_runs_the_page_offers_to_start_one(open_page: OpenPage) -> None:
    page = open_page("training")
    assert not page.exception
    assert page.button(key="train").disabled
    assert not page.button(key="dry run").disabled


def test_training_waits_for_a_dry_run_of_the_same_choice(open_page: OpenPage, layout: BuildLayout) -> None:
    page = open_page("training").button(key="dry run").click().run()
    job = Job(layout.root / "jobs" / "dry-run")
    assert end_of(job) == "failed"  # nothing is exported yet
    page.run()
    assert not page.exception
    assert "No se pudo terminar." in page.error[0].value
    assert page.button(key="train").disabled
    (job.folder / "result.json").write_text('{"code": 0}')
    assert not page.run().button(key="train").disabled
    assert page.selectbox(key="preset").set_value("fast_test").run().button(key="train").disabled


def test_a_choice_cannot_become_another_option() -> None:
    wish = Wish("qlora", "fast_test", "--push-to-hub", 1.5, 100)
    assert list(wish.arguments()) == [
        "--config=qlora", "--preset=fast_test", "--model-name=--push-to-hub", "--epochs=1.5", "--max-samples=100",
    ]  # fmt: skip


def test_a_run_shows_its_state_figures_card_and_curve(open_page: OpenPage, make_run: MakeRun) -> None:
    make_run(NAME, figures={"eval_loss": 2.75}, tiny=True)
    page = open_page("training")
    assert not page.exception
    assert page.metric[0].value == "2.75"
    assert page.success[0].value == "Terminado"
    assert "Modelo diminuto" in said(page)
    assert len(page.get("vega_lite_chart")) == 1
    assert r"\<script\>" in said(page)


def test_a_run_whose_process_is_gone_was_interrupted(
    make_run: MakeRun, settings: RetrievalSettings, layout: BuildLayout
) -> None:
    alive = make_run("a", state="running", pid=os.getpid())
    gone = make_run("b", state="running", pid=os.getpid())
    os.utime(
        gone.state, (1_000_000_000, 1_000_000_000)
    )  # written long before this process began: the number was used again
    assert alive.state.is_file()
    assert [(run.name, run.phase) for run in runs_of(settings, layout)] == [("b", "interrupted"), ("a", "running")]


def test_a_run_that_failed_before_it_wrote_anything_is_listed(
    settings: RetrievalSettings, layout: BuildLayout, pack: Domain
) -> None:
    job = Job(layout.root / "jobs" / f"train-{NAME}")
    job.start(["-c", "raise SystemExit('Error: no data')"], program=(sys.executable,))
    assert end_of(job) == "failed"
    (run,) = runs_of(settings, layout)
    assert (run.name, run.phase, run.job.last_words()) == (NAME, "failed", "no data")


def test_a_running_job_can_be_stopped_from_the_page(
    open_page: OpenPage, make_run: MakeRun, settings: RetrievalSettings, layout: BuildLayout
) -> None:
    run = make_run(NAME, state="running", total_steps=10)
    make_checkpoint(run, 2)
    job = Job(layout.root / "jobs" / f"train-{NAME}")
    job.start(["import time; print('begun', flush=True); time.sleep(600)"], program=(sys.executable, "-c"))
    deadline = time.monotonic() + PATIENCE
    while "begun" not in job.read_log() and time.monotonic() < deadline:
        time.sleep(0.05)
    page = open_page("training")
    assert page.button(key="stop run")
    page.button(key="stop run").click().run()
    assert end_of(job) == "stopped"
    page.run()
    assert not page.exception
    assert page.button(key="resume").label == "Continuar"


def test_going_on_starts_the_command_again(open_page: OpenPage, make_run: MakeRun, layout: BuildLayout) -> None:
    run = make_run(NAME, state="stopped")
    make_checkpoint(run, 2)
    page = open_page("training").button(key="resume").click().run()
    assert not page.exception
    job = Job(layout.root / "jobs" / f"train-{NAME}")
    state = job.read()
    assert state and state.command[-1] == f"--resume-from={run.root.resolve()}"
    job.kill()
    end_of(job)


def test_using_a_model_hands_it_to_the_local_backend(
    open_page: OpenPage, make_run: MakeRun, layout: BuildLayout
) -> None:
    run = make_run(NAME)
    page = open_page("training").button(key="use model").click().run()
    assert read_chosen_model(layout.root) == {
        "model": "acme/base", "adapter": str(run.final.resolve()), "run": NAME,
    }  # fmt: skip
    page.button(key="forget model").click().run()
    assert read_chosen_model(layout.root) == {}


def test_a_merged_model_is_preferred_and_a_missing_one_refused(
    make_run: MakeRun, settings: RetrievalSettings, layout: BuildLayout
) -> None:
    folder = make_run(NAME)
    (run,) = runs_of(settings, layout)
    (folder.root / "merged").mkdir()
    (folder.root / "merged" / "config.json").write_text("{}")
    assert model_of(run) == (str(folder.root.resolve() / "merged"), None)
    (folder.root / "merged" / "config.json").unlink()
    (folder.final / "adapter_config.json").unlink()
    with pytest.raises(UsageError, match="no model yet"):
        model_of(run)


def test_documents_changed_since_a_run_are_named(
    make_run: MakeRun, pack: Domain, settings: RetrievalSettings, layout: BuildLayout, open_page: OpenPage
) -> None:
    sections = {section.id: section.hash for section in parse_documents(pack.corpus)}
    keep_export(layout.folder("export"), {"data_sha256": "ab" * 32, "sections": sections, "rows": {}})
    make_run(NAME, data={"sha256": "ab" * 32})
    (run,) = runs_of(settings, layout)
    assert changes_since(run, layout, sections) is not None
    assert "no han cambiado" in said(open_page("training"))
    path = pack.corpus / "plantas" / "ruda.md"
    path.write_text(path.read_text("utf-8").replace("paños tibios", "paños fríos"), "utf-8")
    page = open_page("training")
    assert "1 secciones cambiadas, 0 retiradas" in page.warning[0].value
    assert "plantas/ruda#usos" in said(page)


def test_a_run_on_unknown_data_says_so(open_page: OpenPage, make_run: MakeRun) -> None:
    make_run(NAME, data={"sha256": "cd" * 32})
    assert "No se sabe de qué documentos" in said(open_page("training"))


def test_runs_are_compared(
    open_page: OpenPage, make_run: MakeRun, settings: RetrievalSettings, layout: BuildLayout
) -> None:
    make_run("a")
    make_run("b").recipe.write_text("lora:\n  r: 16\nseed: 42\n")
    assert recipe_differences(runs_of(settings, layout)) == [{"": "lora.r", "b": "16", "a": "8"}]
    page = open_page("training", **{"training view": "compare"})
    assert not page.exception
    assert len(page.dataframe) == 2
    assert len(page.get("vega_lite_chart")) == 1


def judged(adapter: Path) -> dict[str, str]:
    """What evaluation.json says of an adapter that was judged."""
    (adapter / "adapter_model.safetensors").write_bytes(b"weights")
    return {
        "label": "finetuned",
        "model": "acme/base",
        "adapter": str(adapter),
        "adapter_sha256": hash_adapter(adapter),
    }


def test_an_evaluation_is_shown_and_its_report_offered(open_page: OpenPage, make_run: MakeRun) -> None:
    run = make_run(NAME)
    folder = run.root / "evaluation"
    folder.mkdir()
    figures = [{"label": "finetuned", "perplexity": 12.5, "rouge_l": {"mean": 0.5}}]
    (folder / "evaluation.json").write_text(json.dumps({"models": [judged(run.final)], "figures": figures}))
    (folder / "report.html").write_text("<!doctype html><title>x</title>")
    page = open_page("training")
    assert not page.exception
    assert page.dataframe[0].value["perplexity"][0] == 12.5
    assert len(page.get("download_button")) == 1


def test_the_report_that_is_offered_is_the_newest_on_this_runs_model(
    open_page: OpenPage, make_run: MakeRun, layout: BuildLayout
) -> None:
    run = make_run(NAME)
    for name, model, perplexity in (("mine", run.final, 3.5), ("anothers", "/elsewhere/final", 9.0)):
        folder = layout.root / "evaluate" / name
        folder.mkdir(parents=True)
        models = [judged(run.final) | {"adapter": str(model)}]
        figures = [{"label": "finetuned", "perplexity": perplexity}]
        (folder / "evaluation.json").write_text(json.dumps({"models": models, "figures": figures}))
        (folder / "report.html").write_text("<!doctype html><title>x</title>")
    page = open_page("training")
    assert not page.exception
    assert page.dataframe[0].value["perplexity"][0] == 3.5
    assert len(page.get("download_button")) == 1


def test_a_run_that_broke_off_says_so(make_run: MakeRun, settings: RetrievalSettings, layout: BuildLayout) -> None:
    make_run(NAME, state="failed")
    assert [run.phase for run in runs_of(settings, layout)] == ["failed"]


def test_a_stopped_run_shows_what_it_logged_not_what_its_last_part_measured(
    make_run: MakeRun, settings: RetrievalSettings, layout: BuildLayout
) -> None:
    make_run(NAME, state="stopped", figures={"train_loss": 0.0})
    (run,) = runs_of(settings, layout)
    assert figures_of(run) == {"loss": 2.5, "eval_loss": 2.75}


def test_a_metrics_line_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.metrics.write_text('{"step": 1, "loss": 3.0}\n[]\n{"step": 2, "lo')
    assert read_metrics(run) == [{"step": 1.0, "loss": 3.0}]
    assert curves([("r", read_metrics(run))]) == [{"run": "r", "curve": "loss", "step": 1.0, "loss": 3.0}]


def test_damaged_run_files_do_not_break_the_page(open_page: OpenPage, make_run: MakeRun) -> None:
    run = make_run(NAME)
    run.state.write_text("{torn")
    run.recipe.write_text(": [")
    page = open_page("training")
    assert not page.exception
    assert "Interrumpido" in said(page)
