"""What a domain teaches and what judges where nobody has asked anything; refusals before anything is trained."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from retrieval.adapt_pairs import choose_held_out
from retrieval.adapt_sources import calibration_queries, held_out_queries, training_pairs
from retrieval.commands_adapt import AdaptOptions, adapt_collection, adapt_domain, check_output, check_together
from retrieval.embedders import Embedder
from retrieval.errors import UsageError
from retrieval.index import Index
from retrieval.rerank_train import RerankPlan
from tests.conftest import ROOT
from tests.fakes import HashEmbedder
from tests.retrieval.conftest import MakeIndex
from tests.retrieval.test_adapt_beir import write_collection

TEXT = (
    "---\ntitle: Planta{n}\n---\n\n## Usos\n\nSe toma en té para la panza número {n}. Alivia los gases después de comer mucho. "
    "También quita el hipo de los niños.\n\n## Riesgos\n\nIrrita el estómago vacío del enfermo {n}.\n"
)
OPTIONS = AdaptOptions(held_out=0.25, steps=1, reranker=None, as_json=True)
WITH_RERANKER = replace(OPTIONS, reranker=RerankPlan(steps=2, batch=4, tokens=24))


@pytest.fixture
def index(make_index: MakeIndex) -> Index:
    made = make_index({f"p{n}.md": TEXT.format(n=n) for n in range(24)})
    made.sync(HashEmbedder())
    return made


@pytest.fixture
def home(index: Index) -> Path:
    """The index's home, with the packaged embedder's export where it already is."""
    models, exported = index.settings.models_dir, ROOT / "models" / "embedder"
    models.mkdir()
    if exported.is_dir():
        (models / "embedder").symlink_to(exported)
    return index.settings.home


def test_headings_judge_where_there_are_no_questions(index: Index, capsys: pytest.CaptureFixture[str]) -> None:
    view = index.view()
    hidden = choose_held_out(view, 0.5)
    queries = held_out_queries(index, view, hidden)
    assert {query.kind for query in queries} == {"heading"} and len(queries) == 2 * len(hidden)
    assert all(unit.partition("#")[0] in hidden for query in queries for unit in query.relevant)
    assert "headings and names judge" in " ".join(capsys.readouterr().err.split())


def test_gold_questions_calibrate_only_outside_the_held_out_documents(index: Index) -> None:
    lines = [
        f'{{"id": "q{n}", "question": "¿p{n}?", "kind": "direct", "relevant": ["p{n}#usos"], "split": "{split}"}}'
        for n, split in ((1, "calibration"), (2, "calibration"), (3, "test"))
    ]
    (index.domain.folder / "questions.jsonl").write_text("\n".join(lines))
    assert [query.id for query in calibration_queries(index, index.view(), frozenset({"p2"}))] == ["q1"]


def test_headings_and_sentences_teach_where_there_are_no_rows(index: Index) -> None:
    hidden = choose_held_out(index.view(), 0.5)
    pairs = training_pairs(index, index.view(), hidden)
    assert {pair.document for pair in pairs} == {f"p{n}" for n in range(24)} - hidden
    assert any(pair.question.startswith("Riesgos Planta") for pair in pairs)  # a heading with a name
    assert any(
        pair.question.startswith("Alivia los gases") for pair in pairs
    )  # a sentence against the rest of its section


@pytest.mark.parametrize(
    ("embedder", "reason"), [("packaged", "SAVIA_EMBEDDER=packaged is set"), ("auto", "up to date")]
)
def test_an_adaptation_that_would_not_be_used_is_refused(
    index: Index, monkeypatch: pytest.MonkeyPatch, embedder: str, reason: str, home: Path
) -> None:
    monkeypatch.setenv("SAVIA_HOME", str(home))
    monkeypatch.setenv("SAVIA_EMBEDDER", embedder)
    with pytest.raises(UsageError, match=reason):
        adapt_domain("tiny", OPTIONS)


def test_a_folder_with_anything_else_than_an_adapted_embedder_is_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    thesis = tmp_path / "work" / "thesis.md"
    thesis.parent.mkdir()
    thesis.write_text("years")
    with pytest.raises(UsageError, match="exists and is no folder of an adapted embedder"):
        adapt_collection(tmp_path / "set", thesis.parent, OPTIONS)
    with pytest.raises(UsageError, match="exists and is no folder"):
        check_output(thesis)
    monkeypatch.chdir(thesis.parent)
    for inside in (".", "..", str(thesis.parent)):
        with pytest.raises(UsageError, match="holds the folder that you are in"):
            check_output(Path(inside))
    assert thesis.read_text() == "years"


def test_a_new_an_empty_and_an_adapted_embedders_folder_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("empty", "adapted"):
        (tmp_path / name).mkdir()
    (tmp_path / "adapted" / "adapted.json").write_text("{}")
    for name in ("new", "empty", "adapted"):
        assert check_output(Path(name)) == tmp_path.resolve() / name


def test_options_that_would_be_passed_over_are_refused() -> None:
    for domain, beir, output, reason in (
        (None, None, Path("x"), "--output x is for a BEIR folder"),
        ("tiny", Path("set"), None, "--domain tiny and --beir set are two things"),
    ):
        with pytest.raises(UsageError, match=reason):
            check_together(domain, beir, output)
    check_together("tiny", None, None)
    check_together(None, Path("set"), Path("x"))


@pytest.mark.slow
def test_a_collection_is_adapted_with_a_reranker(
    home: Path,
    embedder: Embedder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SAVIA_HOME", str(home))
    folder = write_collection(tmp_path / "set", by_title=True, words=[f"dice {n} veces" for n in range(8)])
    output = tmp_path / "kept"
    adapt_collection(folder, output, replace(WITH_RERANKER, held_out=0.3))
    found = json.loads(capsys.readouterr().out)
    assert (found["pairs"], found["questions"], found["reranker"]["questions"]) == (112, 48, 48)
    assert (output / "adapted.json").is_file() == found["kept"]
    lies_in = found["reranker"]["folder"]
    assert Path(lies_in).is_dir() if found["reranker"]["kept"] else lies_in is None


@pytest.mark.slow
def test_a_domain_is_adapted_with_a_reranker_from_its_headings_and_sentences(
    make_index: MakeIndex,
    home: Path,
    embedder: Embedder,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    index = make_index({f"p{n}.md": TEXT.format(n=n) for n in range(72)})
    index.sync(embedder)
    monkeypatch.setenv("SAVIA_HOME", str(home))
    adapt_domain("tiny", WITH_RERANKER)
    found = json.loads(capsys.readouterr().out)
    assert found["pairs"] >= 100 and found["questions"] >= 20 and found["reranker"]["groups"] == 8
    assert set(found["before"]) == set(found["now"]) == {"bm25", "dense", "hybrid"}
    now = index.view().meta["embedder"]["fingerprint"]
    assert now == (found["fingerprint"] if found["kept"] else embedder.fingerprint)
