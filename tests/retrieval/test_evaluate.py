"""Evaluation: a unit ranks where its best passage does, questions are rewritten, rows become one summary."""

import pytest

from retrieval.domain import GoldQuestion, load_domain
from retrieval.evaluate import Query, document_of, evaluate, gold_queries, section_of, summarise
from retrieval.index import Index
from retrieval.metrics import METRICS
from retrieval.retrievers import Bm25Retriever
from retrieval.settings import RetrievalSettings
from tests.conftest import WritePack


@pytest.fixture
def retriever(write_pack: WritePack, settings: RetrievalSettings) -> Bm25Retriever:
    long = "## Usos\n\n" + "La ruda amarga se barre en las limpias. " * 60
    write_pack({"ruda.md": f"# Ruda\n\n{long}", "epazote.md": "# Epazote\n\nEl epazote no es la ruda."})
    index = Index(load_domain("tiny", settings.domains_dir), settings)
    index.sync(None)
    return Bm25Retriever(index.view())


def test_a_section_with_many_passages_ranks_once(retriever: Bm25Retriever) -> None:
    query = Query("q1", "limpias con ruda", {"epazote#top": 1}, "direct")
    [row] = evaluate(retriever, [query], section_of)
    assert row.ranking == ("ruda#usos", "epazote#top")
    assert row.metrics["mrr@10"] == 1 / 2
    assert (row.query, row.kind, row.metrics["recall@1"]) == ("q1", "direct", 0)


def test_documents_can_be_the_unit_and_progress_is_told(retriever: Bm25Retriever) -> None:
    told: list[int] = []
    queries = [Query("a", "ruda limpias", {"ruda": 1}), Query("b", "xyzzy", {"ruda": 1})]
    rows = evaluate(retriever, queries, document_of, told.append)
    assert [row.ranking for row in rows] == [("ruda", "epazote"), ()]
    assert told == [1, 2]


def test_a_summary_averages_the_rows(retriever: Bm25Retriever) -> None:
    queries = [Query("a", "ruda limpias", {"ruda": 1}), Query("b", "xyzzy", {"ruda": 1})]
    entry = summarise("bm25", evaluate(retriever, queries, document_of))
    assert (entry["retriever"], entry["queries"]) == ("bm25", 2)
    assert entry["metrics"] == {**dict.fromkeys(METRICS, 0.5), "precision@5": 1 / 10}
    assert 0 < entry["latency_ms"]["p50"] <= entry["latency_ms"]["p95"]
    assert summarise("bm25", [])["queries"] == 0


def test_only_answerable_questions_are_asked_and_follow_ups_are_rewritten() -> None:
    history = (("user", "¿Y la ruda?"),)
    questions = [
        GoldQuestion("a", "¿se toma?", "follow_up", ("ruda#usos", "ruda#top"), "test", history),
        GoldQuestion("b", "¿quién ganó?", "off_topic", (), "test"),
    ]
    [query] = gold_queries(questions, lambda gold: f"{gold.question} {gold.history[0][1]}")
    assert query == Query("a", "¿se toma? ¿Y la ruda?", {"ruda#usos": 1, "ruda#top": 1}, "follow_up")
