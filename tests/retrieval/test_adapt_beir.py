"""A collection's judgements in two halves: no subject on both sides, and a model that is trained and found by its folder."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from retrieval.adapt import adapt
from retrieval.adapt_beir import held_out_documents, read_lesson
from retrieval.adapt_train import TrainPlan
from retrieval.beir import BeirData, read_beir
from retrieval.commands_adapt import unlabelled_hybrid
from retrieval.embedders import Embedder, load_embedder
from retrieval.errors import UsageError
from retrieval.settings import RetrievalSettings
from retrieval.tasks import Task, beir_task
from tests.fakes import HashEmbedder

HERBS = ("ruda", "sábila", "epazote", "árnica", "malva", "copal", "chía", "pericón", "tila", "muicle")
PARTS = {"usos": "Se toma en té para la panza y alivia los gases.", "riesgos": "Irrita el estómago vacío del enfermo."}


def silent(stage: str, done: int, total: int) -> None:
    pass


def write_collection(folder: Path, by_title: bool, words: Sequence[str] = ("dice", "cuenta")) -> Path:
    """Ten herbs, a document for each of their two sections, a question on each with each of `words`; qrels as BEIR has them."""
    (folder / "qrels").mkdir(parents=True)
    corpus, queries, qrels = [], [], ["query-id\tcorpus-id\tscore"]
    for herb in HERBS:
        for part, text in PARTS.items():
            about = {} if by_title else {"metadata": {"document": herb}}
            title = herb if by_title else f"{herb}, {part}"
            corpus.append({"_id": f"{herb}-{part}", "title": title, "text": f"{text} Se llama {herb}.", **about})
            for word in words:
                queries.append({"_id": f"{herb}-{part}-{word}", "text": f"¿qué se {word} de {part} de {herb}?"})
                qrels.append(f"{herb}-{part}-{word}\t{herb}-{part}\t1")
    for name, rows in (("corpus", corpus), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    (folder / "qrels" / "test.tsv").write_text("\n".join(qrels))
    return folder


@pytest.fixture(params=[True, False], ids=["title", "metadata"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write_collection(tmp_path / "set", by_title=request.param)


@pytest.fixture
def task(folder: Path, settings: RetrievalSettings) -> Task:
    return beir_task(folder, settings, HashEmbedder())


def test_an_exact_share_of_the_subjects_is_held_out_and_none_is_on_both_sides(folder: Path) -> None:
    hidden = held_out_documents(read_beir(folder), 0.4)
    herbs = {name.partition("-")[0] for name in hidden}
    assert len(herbs) == 4 and len(hidden) == 8
    assert hidden == held_out_documents(read_beir(folder), 0.4) < held_out_documents(read_beir(folder), 0.6)


def test_nothing_of_a_held_out_subject_is_learnt_and_nothing_else_judges(folder: Path, task: Task) -> None:
    data = read_beir(folder)
    herbs = {name.partition("-")[0] for name in held_out_documents(data, 0.4)}
    lesson = read_lesson(data, task, 0.4, silent)
    assert {query.id.partition("-")[0] for query in lesson.queries} == herbs
    assert len(lesson.queries) == 4 * len(herbs) and len(lesson.pairs) == 4 * (10 - len(herbs))
    taught = " ".join(f"{pair.question} {pair.positive} {' '.join(pair.negatives)}" for pair in lesson.pairs)
    assert not [herb for herb in herbs if herb in taught]


def test_the_tempting_passage_is_the_subjects_other_document(folder: Path, task: Task) -> None:
    for pair in read_lesson(read_beir(folder), task, 0.4, silent).pairs:
        herb = next(name for name in HERBS if name in pair.question)
        assert herb in pair.positive and herb in pair.negatives[0] and pair.negatives[0] != pair.positive


def test_a_question_on_documents_of_both_halves_is_left_out(folder: Path, task: Task) -> None:
    data = read_beir(folder)
    hidden = held_out_documents(data, 0.5)
    one, other = min(hidden), min(set(data.documents) - hidden)
    task.queries[0].relevant.update({one: 1, other: 1})  # type: ignore[attr-defined]
    lesson = read_lesson(data, task, 0.5, silent)
    assert task.queries[0] not in lesson.queries and len(lesson.queries) + len(lesson.pairs) == 39


def test_documents_without_title_or_metadata_stand_for_themselves(tmp_path: Path) -> None:
    data = BeirData(tmp_path, {f"d{n}": ("", "x") for n in range(4)}, {}, {}, {f"d{n}": f"d{n}" for n in range(4)})
    assert len(held_out_documents(data, 0.5)) == 2


def test_however_small_the_share_one_subject_judges_and_one_teaches(folder: Path) -> None:
    assert len(held_out_documents(read_beir(folder), 0.01)) == 2
    assert len(held_out_documents(read_beir(folder), 0.99)) == 18


def test_a_collection_of_one_subject_is_refused(tmp_path: Path) -> None:
    data = BeirData(tmp_path, {"a": ("", "x"), "b": ("", "y")}, {}, {}, {"a": "ruda", "b": "ruda"})
    with pytest.raises(UsageError, match="of one group, so none can be held out"):
        held_out_documents(data, 0.4)


def test_of_many_judged_questions_an_even_share_teaches(folder: Path, task: Task) -> None:
    told: list[tuple[int, int]] = []
    data = read_beir(folder)
    every = read_lesson(data, task, 0.4, silent).pairs
    some = read_lesson(data, task, 0.4, lambda stage, done, total: told.append((done, total)), most=8).pairs
    assert len(every) == 24 and [every.index(pair) for pair in some] == [0, 3, 6, 9, 12, 15, 18, 21]
    assert told == [(done, 8) for done in range(1, 9)]


def test_a_small_collection_is_refused_before_anything_is_trained(folder: Path, task: Task, tmp_path: Path) -> None:
    lesson = read_lesson(read_beir(folder), task, 0.4, silent)
    view, plan = task.index.view(), TrainPlan()
    with pytest.raises(UsageError, match="24 pairs to learn from; 100 are needed"):
        adapt(
            view,
            HashEmbedder(),
            lesson.pairs,
            lesson.queries,
            unlabelled_hybrid,
            plan,
            tmp_path,
            lambda *_: None,
            task.unit,
        )


@pytest.mark.slow
def test_an_adapted_model_is_measured_by_documents_and_loaded_by_its_folder(
    settings: RetrievalSettings, embedder: Embedder, tmp_path: Path
) -> None:
    folder = write_collection(tmp_path / "set", by_title=False)
    task = beir_task(folder, settings, embedder)
    lesson, plan = read_lesson(read_beir(folder), task, 0.5, silent), TrainPlan(steps=2, batch=4, tokens=32)
    view, pairs, work = task.index.view(), lesson.pairs * 5, tmp_path / "adapt"
    found = adapt(view, embedder, pairs, lesson.queries, unlabelled_hybrid, plan, work, lambda *_: None, task.unit)
    assert set(found.now) == {"bm25", "dense", "hybrid"} and len(found.now["dense"]) == 20
    again = load_embedder(str(found.candidate), settings.models_dir)
    assert again.fingerprint == found.embedder.fingerprint != embedder.fingerprint
