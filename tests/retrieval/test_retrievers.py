"""Both engines find the same; filters, ties, wrong names, and what serves while a sync is writing."""

import numpy as np
import pytest

from retrieval.domain import load_domain
from retrieval.embedders import Embedder
from retrieval.errors import UsageError
from retrieval.evaluate import evaluate, gold_queries, section_of, summarise
from retrieval.index import Index
from retrieval.lock import writer_lock
from retrieval.retrievers import (
    Bm25Retriever,
    DenseRetriever,
    Fusion,
    Hit,
    HybridRetriever,
    build_retriever,
    fuse,
    reciprocal_ranks,
    top_rows,
    zscore,
)
from retrieval.settings import RetrievalSettings
from retrieval.wiring import index_retriever, subject_names
from tests.conftest import WritePack
from tests.fakes import PACK, HashEmbedder

USES = {
    "ruda.md": "---\nfamily: Rutaceae\n---\n# Ruda\n\nBarre el espanto y quita el dolor de cabeza.\n",
    "epazote.md": "---\nfamily: Amaranthaceae\n---\n# Epazote\n\nQuita los gases y las lombrices.\n",
    "limon.md": "---\nfamily: Rutaceae\n---\n# Limón\n\nAlivia la tos con miel.\n",
}


@pytest.fixture
def index(write_pack: WritePack, settings: RetrievalSettings) -> Index:
    """Three documents of one passage each, with vectors of hashed words."""
    write_pack(USES, config=f"{PACK}fields: [family]\n")
    index = Index(load_domain("tiny", settings.domains_dir), settings)
    index.sync(HashEmbedder())
    return index


def documents(hits: list[Hit]) -> list[str]:
    return [hit.passage.document_id for hit in hits]


# --- the two engines on the shipped pack ----------------------------------------------------------------------------------


def test_chroma_and_the_scan_find_the_same_passages(shipped: Index, embedder: Embedder) -> None:
    view = shipped.view()
    dense = index_retriever("dense", shipped, view, embedder)
    exact = index_retriever("exact", shipped, view, embedder)
    assert isinstance(dense, DenseRetriever)
    shares = []
    for gold in shipped.domain.questions():
        one, other = (set(documents_and_rows(r.search(gold.question, 10))) for r in (dense, exact))
        shares.append(len(one & other) / 10)
    dense.store.close()
    assert np.mean(shares) >= 0.99


def test_the_hybrid_is_as_good_through_either_engine(shipped: Index, embedder: Embedder) -> None:
    view = shipped.view()
    names = subject_names(shipped.domain, view)
    queries = gold_queries(shipped.domain.questions())
    by_chroma, by_scan = (
        index_retriever("hybrid", shipped, view, embedder, engine=engine, names=names) for engine in ("dense", "exact")
    )
    assert isinstance(by_chroma, HybridRetriever) and by_chroma.dense is not None
    one, other = (evaluate(retriever, queries, section_of) for retriever in (by_chroma, by_scan))
    by_chroma.dense.store.close()
    shares = [
        len({*a.ranking[:10]} & {*b.ranking[:10]}) / max(1, len(a.ranking[:10]))
        for a, b in zip(one, other, strict=True)
    ]
    gap = summarise("dense", one)["metrics"]["ndcg@10"] - summarise("exact", other)["metrics"]["ndcg@10"]
    assert len(queries) > 300 and np.mean(shares) >= 0.99 and abs(gap) <= 0.001


def documents_and_rows(hits: list[Hit]) -> list[tuple[str, int]]:
    return [(hit.passage.document_id, hit.row) for hit in hits]


# --- one retriever at a time ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bm25", "dense", "exact", "hybrid"])
def test_every_retriever_ranks_from_one_and_says_its_scores(index: Index, name: str) -> None:
    retriever = index_retriever(name, index, index.view(), HashEmbedder())
    hits = retriever.search("epazote: quita los gases y las lombrices", 3)
    assert documents(hits)[0] == "epazote" and [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert set(hits[0].scores) == {"bm25": {"bm25"}, "hybrid": {"bm25", "dense"}}.get(name, {"dense"})


@pytest.mark.parametrize("name", ["bm25", "dense", "exact", "hybrid"])
def test_a_filter_leaves_only_documents_that_match(index: Index, name: str) -> None:
    retriever = index_retriever(name, index, index.view(), HashEmbedder(), engine="dense")
    hits = retriever.search("quita los gases y el dolor", 3, {"family": "rutaceae"})
    assert set(documents(hits)) <= {"ruda", "limon"} and documents(hits)[0] == "ruda"
    assert retriever.search("gases", 3, {"family": "Lamiaceae"}) == []


@pytest.mark.parametrize("name", ["bm25", "dense", "exact", "hybrid"])
def test_asking_for_more_than_there_is_gives_what_there_is(index: Index, name: str) -> None:
    hits = index_retriever(name, index, index.view(), HashEmbedder(), engine="dense").search("quita la tos", 1000)
    assert 0 < len(hits) <= 3 and len(set(documents(hits))) == len(hits)


def test_bm25_finds_nothing_where_no_word_fits(index: Index) -> None:
    assert Bm25Retriever(index.view()).search("bicicleta", 5) == []
    assert Bm25Retriever(index.view()).search("", 5) == []


def test_an_unknown_retriever_is_refused_with_the_names_there_are(index: Index) -> None:
    with pytest.raises(UsageError, match=r"no retriever 'faiss'.*bm25, dense, exact, hybrid"):
        build_retriever("faiss", index.view(), HashEmbedder(), Fusion())


@pytest.mark.parametrize("name", ["dense", "exact"])
def test_a_dense_retriever_without_vectors_says_what_is_missing(index: Index, name: str) -> None:
    index.sync(None)
    with pytest.raises(UsageError, match=r"needs vectors.*savia index sync"):
        index_retriever(name, index, index.view(), HashEmbedder())


def test_hybrid_without_vectors_answers_by_words(index: Index) -> None:
    index.sync(None)
    retriever = index_retriever("hybrid", index, index.view(), HashEmbedder())
    hits = retriever.search("quita los gases", 5)
    assert documents(hits) == ["epazote", "ruda"] and set(hits[0].scores) == {"bm25"}


def test_while_a_sync_writes_the_scan_serves_instead_of_chroma(index: Index) -> None:
    view = index.view()
    with writer_lock(index.folder, "savia index sync"):
        retriever = index_retriever("dense", index, view, HashEmbedder())
        assert retriever.name == "exact" and documents(retriever.search("gases", 1)) == ["epazote"]
        hybrid = index_retriever("hybrid", index, view, HashEmbedder(), engine="dense")
        assert isinstance(hybrid, HybridRetriever) and hybrid.dense is None
    assert index_retriever("dense", index, view, HashEmbedder()).name == "dense"


def test_rows_that_a_later_sync_added_or_deleted_are_not_found_in_the_old_view(index: Index) -> None:
    old = index.view()
    (index.domain.corpus / "epazote.md").write_text("# Epazote\n\nOtra cosa sobre los gases.\n", encoding="utf-8")
    index.sync(HashEmbedder())
    retriever = build_retriever("dense", old, HashEmbedder(), Fusion(), lambda: index.store(index.view()))
    assert sorted(documents(retriever.search("gases", 10))) == ["limon", "ruda"]


# --- arithmetic -----------------------------------------------------------------------------------------------------------


def test_ties_are_kept_in_row_order() -> None:
    scores = np.array([1, 3, 3, 2, 3], np.float32)
    assert top_rows(scores, 2, None).tolist() == [1, 2]
    assert top_rows(scores, 9, None).tolist() == [1, 2, 4, 3, 0]
    assert top_rows(scores, 2, np.array([True, False, True, True, False])).tolist() == [2, 3]
    assert top_rows(np.zeros(0, np.float32), 5, None).tolist() == []


def test_zscores_have_mean_zero_and_deviation_one() -> None:
    assert zscore(np.array([1, 3], np.float32)).tolist() == [-1, 1]
    assert zscore(np.array([5, 5, 5], np.float32)).tolist() == [0, 0, 0]


def test_the_weight_is_the_dense_sides_share() -> None:
    lexical, dense = np.array([4.0], np.float32), np.array([8.0], np.float32)
    assert [float(fuse(lexical, dense, weight)[0]) for weight in (0, 0.25, 1)] == [4, 5, 8]


def test_reciprocal_ranks_forget_the_margins() -> None:
    assert reciprocal_ranks(np.array([9, 1000, 8], np.float32)) == pytest.approx([1 / 62, 1 / 61, 1 / 63])


@pytest.mark.parametrize(("weight", "first"), [(0.0, "epazote"), (1.0, "epazote")])
def test_a_hybrid_of_one_side_ranks_as_that_side(index: Index, weight: float, first: str) -> None:
    view = index.view()
    hybrid = build_retriever("hybrid", view, HashEmbedder(), Fusion(weight))
    alone = build_retriever("exact" if weight else "bm25", view, HashEmbedder(), Fusion())
    assert documents(hybrid.search("gases", 3))[0] == documents(alone.search("gases", 3))[0] == first
