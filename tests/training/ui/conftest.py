"""A small data set on disk and the pages over it, run by Streamlit's own AppTest."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from retrieval.domain import Domain, load_domain
from retrieval.settings import RetrievalSettings
from tests.conftest import WritePack
from tests.training.data_preparation.exporting import CONFIG, DOCUMENTS, uses_row
from training.data_preparation.parse_documents import parse_documents
from training.data_preparation.quality import Drop, write_filtered
from training.data_preparation.sections import write_sections
from training.example import write_examples
from training.layout import BuildLayout
from training.run_folder import RunFolder

PATIENCE = 60  # seconds for one run of a page: the first one imports everything

OpenPage = Callable[..., AppTest]


def run_page(name: str) -> None:
    """What AppTest runs: one page of this floor for the chosen domain."""
    from training.ui.data_set import show_data_set
    from training.ui.place import open_place
    from training.ui.training_page import show_training

    place = open_place()
    assert place is not None
    (show_data_set if name == "data set" else show_training)(place)


@pytest.fixture
def pack(settings: RetrievalSettings, write_pack: WritePack) -> Domain:
    write_pack(DOCUMENTS, config=CONFIG)
    return load_domain("tiny", settings.domains_dir)


@pytest.fixture
def layout(settings: RetrievalSettings) -> BuildLayout:
    return BuildLayout(settings.build_dir / "tiny")


@pytest.fixture
def built(pack: Domain, layout: BuildLayout) -> BuildLayout:
    """Three rows in the data set, one left out, and the sections they come from."""
    ruda, nopal, tila, chaya = map(uses_row, ("ruda", "nopal", "tila", "chaya"))
    write_sections(layout.sections, parse_documents(pack.corpus))
    for part, rows in (("train", [ruda, nopal]), ("validation", [tila]), ("test", [])):
        write_examples(layout.split(part), rows)
    drops = [Drop(chaya, "near-duplicate (Jaccard 0.97)", ruda.id)]
    write_filtered([ruda, nopal, tila], drops, layout.examples("filter"), layout.rejected("filter"))
    return layout


@pytest.fixture
def open_page(pack: Domain, settings: RetrievalSettings, monkeypatch: pytest.MonkeyPatch) -> OpenPage:
    """`open_page("data set", **{"data set view": "review"})` runs a page with values in its session."""
    monkeypatch.setenv("SAVIA_HOME", str(settings.home))
    monkeypatch.setenv("SAVIA_DOMAIN", "tiny")
    monkeypatch.setenv("SAVIA_EMBEDDER", "none")

    def run(name: str, **session: str) -> AppTest:
        page = AppTest.from_function(run_page, default_timeout=PATIENCE, args=(name,))
        for key, value in session.items():
            page.session_state[key] = value
        return page.run()

    return run


MakeRun = Callable[..., RunFolder]


@pytest.fixture
def make_run(settings: RetrievalSettings) -> MakeRun:
    """`make_run("20261121_101500", state="stopped")`: a run's folder as training leaves it, without weights."""

    def make(name: str, **state: object) -> RunFolder:
        run = RunFolder(settings.models_dir / "tiny" / name)
        run.final.mkdir(parents=True)
        run.write_state(**{"name": name, "state": "finished", "base_model": "acme/base", "step": 2, **state})
        run.recipe.write_text("lora:\n  r: 8\nseed: 42\n", encoding="utf-8")
        rows = [{"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.5, "eval_loss": 2.75}]
        run.metrics.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        (run.final / "adapter_config.json").write_text('{"base_model_name_or_path": "acme/base"}', encoding="utf-8")
        (run.root / "README.md").write_text("# Run\n\n<script>alert(1)</script>\n", encoding="utf-8")
        return run

    return make


def make_checkpoint(run: RunFolder, step: int) -> Path:
    folder = run.root / f"checkpoint-{step}"
    folder.mkdir()
    (folder / "trainer_state.json").write_text("{}", encoding="utf-8")
    return folder


def said(page: AppTest) -> str:
    """Everything that the page says in Markdown, captions, boxes and code."""
    kinds = (page.markdown, page.caption, page.error, page.warning, page.info, page.success, page.code)
    return "\n".join(str(element.value) for kind in kinds for element in kind)
