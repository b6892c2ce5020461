"""Run and qrels files that other tools read, and theirs that we read."""

from pathlib import Path

import ir_measures
import pytest

from retrieval.errors import UsageError
from retrieval.evaluate import Query, make_row
from retrieval.metrics import average
from retrieval.trec import judged, read_qrels, read_run, write_qrels, write_run

QUERIES = [Query("q1", "ruda", {"ruda#usos": 1, "ruda#top": 1}), Query("q 2", "año", {"notas/año nuevo#top": 1})]
ROWS = [
    make_row(QUERIES[0], ["ruda#top", "x", "ruda#usos"], 1.0),
    make_row(QUERIES[1], ["x", "notas/año nuevo#top"], 1.0),
]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    write_run(tmp_path / "a.run", "hybrid", ROWS)
    write_qrels(tmp_path / "qrels.txt", QUERIES)
    assert read_run(tmp_path / "a.run") == {row.query: list(row.ranking) for row in ROWS}
    assert read_qrels(tmp_path / "qrels.txt") == {query.id: dict(query.relevant) for query in QUERIES}


def test_ir_measures_reads_our_files_and_agrees(tmp_path: Path) -> None:
    write_run(tmp_path / "a.run", "hybrid", ROWS)
    write_qrels(tmp_path / "qrels.txt", QUERIES)
    measures = [ir_measures.nDCG @ 10, ir_measures.AP @ 100]
    qrels = list(ir_measures.read_trec_qrels(str(tmp_path / "qrels.txt")))
    run = list(ir_measures.read_trec_run(str(tmp_path / "a.run")))
    theirs = ir_measures.calc_aggregate(measures, qrels, run)
    ours = average([row.metrics for row in ROWS])
    assert [theirs[one] for one in measures] == pytest.approx([ours["ndcg@10"], ours["map@100"]], abs=1e-9)


def test_scores_order_a_run_whatever_its_rank_column_says(tmp_path: Path) -> None:
    (tmp_path / "a.run").write_text("q1 Q0 low 1 0.5 x\nq1 Q0 high 2 0.9 x\nq1 Q0 also 3 0.5 x\n")
    assert read_run(tmp_path / "a.run") == {"q1": ["high", "low", "also"]}


@pytest.mark.parametrize(
    ("text", "reason"), [("q1 Q0 d 1 0.5", "line 1: expected"), ("q1 Q0 d 1 much x", "'much' is no score")]
)
def test_a_line_that_is_none_is_named(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "a.run").write_text(text)
    with pytest.raises(UsageError, match=reason):
        read_run(tmp_path / "a.run")


def test_judgements_of_other_questions_are_refused() -> None:
    assert [query.id for query in judged(QUERIES, {"q1": {"x": 1}})] == ["q1"]
    with pytest.raises(UsageError, match="judges none"):
        judged(QUERIES, {"other": {"x": 1}})
