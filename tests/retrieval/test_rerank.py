"""The first hits in a better order: what an encoder changes, what it leaves alone, and what is said where none is kept."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from retrieval.errors import UsageError
from retrieval.files import write_json
from retrieval.index import Index
from retrieval.rerank import (
    RECORD,
    Logits,
    OnnxCrossEncoder,
    RerankerRecord,
    RerankRetriever,
    TwoStepRetriever,
    reranker_folder,
)
from retrieval.retrievers import Bm25Retriever, HybridRetriever
from retrieval.view import View
from retrieval.wiring import answering_retriever, index_retriever
from tests.fakes import HashEmbedder
from tests.retrieval.conftest import MakeIndex


class WordEncoder:
    """One point for a text with the word; remembers what it read."""

    def __init__(self, word: str) -> None:
        self.word = word
        self.read: list[str] = []

    def score(self, question: str, texts: Sequence[str]) -> Logits:
        self.read = list(texts)
        return np.array([float(self.word in text) for text in texts], np.float32)


@pytest.fixture
def index(make_index: MakeIndex) -> Index:
    """Six herbs that BM25 ranks b to h: the shorter the text, the better."""
    texts = {name: f"# {name.upper()}\n\nDolor{' hoja' * place}. {name * 3}.\n" for place, name in enumerate("bcdfgh")}
    index = make_index({f"{'trees/' if name in 'fh' else ''}{name}.md": text for name, text in texts.items()})
    index.sync(None)
    return index


@pytest.fixture
def view(index: Index) -> View:
    return index.view()


def order(retriever: TwoStepRetriever, limit: int = 6, **where: str) -> str:
    return "".join(hit.document.id[-1] for hit in retriever.search("dolor", limit, where or None))


def test_what_the_encoder_prefers_comes_first_and_the_rest_keeps_its_order(view: View) -> None:
    assert "".join(hit.document.id[-1] for hit in Bm25Retriever(view).search("dolor", 6)) == "bcdfgh"
    assert order(RerankRetriever(Bm25Retriever(view), WordEncoder("fff"), weight=9.0)) == "fbcdgh"


def test_only_the_first_hits_are_read_again(view: View) -> None:
    encoder = WordEncoder("fff")
    assert order(RerankRetriever(Bm25Retriever(view), encoder, weight=9.0, depth=3)) == "bcdfgh"
    assert len(encoder.read) == 3


def test_a_short_list_is_cut_from_the_better_order(view: View) -> None:
    reranked = RerankRetriever(Bm25Retriever(view), WordEncoder("fff"), weight=9.0, depth=4)
    assert (order(reranked, 2), order(reranked, 6)) == ("fb", "fbcdgh")


def test_a_weight_of_nothing_leaves_the_order(view: View) -> None:
    assert order(RerankRetriever(Bm25Retriever(view), WordEncoder("hhh"), weight=0.0)) == "bcdfgh"


def test_a_filter_holds_for_both_steps(view: View) -> None:
    reranked = RerankRetriever(Bm25Retriever(view), WordEncoder("hhh"), weight=9.0)
    assert order(reranked, 6, type="trees") == "hf"
    assert [hit.document.id[-1] for hit in reranked.first("dolor", 6, {"type": "trees"})] == ["f", "h"]


def test_hits_tell_their_logit_and_are_ranked_anew(view: View) -> None:
    hits = RerankRetriever(Bm25Retriever(view), WordEncoder("ccc"), weight=9.0, depth=3).search("dolor", 4)
    assert [hit.rank for hit in hits] == [1, 2, 3, 4]
    assert [hit.scores.get("rerank") for hit in hits] == [1.0, 0.0, 0.0, None]
    assert hits[0].score > hits[1].score > hits[2].score


def test_scores_never_rise_down_the_list(view: View) -> None:
    hits = RerankRetriever(Bm25Retriever(view), WordEncoder("ddd"), weight=9.0, depth=3).search("dolor", 6)
    scores = [hit.score for hit in hits]
    assert [hit.document.id[-1] for hit in hits] == ["d", "b", "c", "f", "g", "h"]
    assert scores == sorted(scores, reverse=True)


def test_the_first_hits_are_the_bases_own(view: View) -> None:
    encoder = WordEncoder("fff")
    reranked = RerankRetriever(Bm25Retriever(view), encoder, weight=9.0)
    assert isinstance(reranked, TwoStepRetriever) and not isinstance(Bm25Retriever(view), TwoStepRetriever)
    assert "".join(hit.document.id[-1] for hit in reranked.first("dolor", 2)) == "bcdfgh" and not encoder.read


def test_a_question_that_finds_nothing_reads_nothing(view: View) -> None:
    assert RerankRetriever(Bm25Retriever(view), WordEncoder("x"), weight=1.0).search("zeppelin", 5) == []


def test_where_no_reranker_was_kept_answers_are_as_before_and_asking_for_one_is_refused(
    index: Index, view: View
) -> None:
    assert isinstance(answering_retriever("hybrid", index, view, None), HybridRetriever)
    with pytest.raises(UsageError, match="No reranker has been kept for the domain tiny"):
        index_retriever("rerank", index, view, None)


def test_an_adapted_hybrid_is_refused_where_nothing_was_adapted(index: Index, view: View) -> None:
    with pytest.raises(UsageError, match="not indexed with an adapted embedder"):
        index_retriever("adapted", index, view, HashEmbedder())


def test_one_made_for_another_embedder_or_damaged_is_said_and_left_out(index: Index, view: View) -> None:
    folder = reranker_folder(index.settings.models_dir, "tiny")
    folder.mkdir(parents=True)
    for embedder, reason in (("hash-1", "judged beside the embedder hash-1, and none"), ("", "missing or damaged")):
        write_json(folder / RECORD, RerankerRecord(0.3, 20, embedder, {}).as_json())
        said: list[str] = []
        assert isinstance(answering_retriever("hybrid", index, view, None, say=said.append), HybridRetriever)
        assert len(said) == 1 and reason in said[0]
        with pytest.raises(UsageError, match=reason):
            index_retriever("rerank", index, view, None)


@pytest.mark.parametrize("record", ["{", '{"weight": "x", "depth": null, "embedder": "", "figures": {}}'])
def test_a_record_that_cannot_be_read_is_one_sentence(index: Index, view: View, record: str) -> None:
    folder = reranker_folder(index.settings.models_dir, "tiny")
    folder.mkdir(parents=True)
    (folder / RECORD).write_text(record, encoding="utf-8")
    with pytest.raises(UsageError, match="cannot be read"):
        index_retriever("rerank", index, view, None)


def test_a_weight_learnt_beside_z_scores_does_not_weigh_reciprocal_ranks(index: Index, view: View) -> None:
    folder = reranker_folder(index.settings.models_dir, "tiny")
    folder.mkdir(parents=True)
    write_json(folder / RECORD, RerankerRecord(0.3, 20, "", {}).as_json())
    with pytest.raises(UsageError, match="the fusion is rrf"):
        index_retriever("rerank", index, view, None, "rrf")


def test_a_damaged_model_file_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"half a model")
    write_json(path.with_suffix(".json"), {"sha256": "0", "size": 99, "mtime_ns": 0})
    with pytest.raises(UsageError, match="missing or damaged"):
        OnnxCrossEncoder(path)
