"""Evaluations are kept, compared question by question, and gated only on a loss that is no chance; reports hold it all."""

from pathlib import Path

import pytest

from retrieval.errors import UsageError
from retrieval.evaluate import Query, Row, make_row, summarise, worst_rows
from retrieval.evaluation import Evaluation, compare_with, list_evaluations, losses, read_evaluation, write_evaluation
from retrieval.evaluation_report import build_report


def rows(found: int, of: int = 20) -> list[Row]:
    """`found` questions answered first of all, the others not at all."""
    queries = [Query(f"q{n}", f"¿{n}? <b>", {f"plantas/d{n}#top": 1}, "direct", "plantas") for n in range(of)]
    return [make_row(query, [f"plantas/d{n}#top"] if n < found else ["x"], 2.0) for n, query in enumerate(queries)]


def evaluation(found: int, made: str = "2026-01-02T03:04:05") -> Evaluation:
    return Evaluation("tiny", "test", made, {"bm25": rows(20), "hybrid": rows(found)}, ("plantas/d1#historia",))


def test_a_stored_evaluation_is_read_back_and_listed_newest_first(tmp_path: Path) -> None:
    first = write_evaluation(tmp_path, evaluation(20))
    second = write_evaluation(tmp_path, evaluation(10, "2026-02-02T03:04:05"))
    assert read_evaluation(first) == evaluation(20)
    assert list_evaluations(tmp_path) == [second, first]


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"format": 99}')
    with pytest.raises(UsageError, match="no stored evaluation"):
        read_evaluation(tmp_path / "x.json")


def test_a_clear_loss_closes_the_gate_and_names_the_retriever() -> None:
    [lost] = losses(compare_with(evaluation(20), evaluation(10), "ndcg@10"))
    assert (lost.retriever, lost.before, lost.now) == ("hybrid", 1.0, 0.5)


def test_one_question_less_is_no_loss_and_a_gain_never_is() -> None:
    assert losses(compare_with(evaluation(20), evaluation(19), "ndcg@10")) == []
    assert losses(compare_with(evaluation(10), evaluation(20), "ndcg@10")) == []


def test_evaluations_without_a_common_question_cannot_be_compared() -> None:
    other = Evaluation("other", "test", "2026-01-02T03:04:05", {"hybrid": []})
    with pytest.raises(UsageError, match="shares no retriever"):
        compare_with(other, evaluation(20), "ndcg@10")


def test_groups_and_worst_questions() -> None:
    entry = summarise("hybrid", rows(15))
    assert (
        entry["by_kind"]["direct"]["metrics"]["recall@5"] == entry["by_type"]["plantas"]["metrics"]["recall@5"] == 3 / 4
    )
    assert [row.query for row in worst_rows(rows(15), "ndcg@10", 2)] == ["q15", "q16"]


def test_the_report_is_one_page_that_loads_nothing_and_escapes_questions(tmp_path: Path) -> None:
    changes = compare_with(evaluation(20), evaluation(15), "ndcg@10")
    page = build_report(evaluation(15), "ndcg@10", changes).as_html()
    assert page.count("<svg") == 3 and "<script" not in page and "http-equiv" in page
    assert "¿3? &lt;b&gt;" in page and "<b>" not in page
    assert "plantas/d1#historia" in page and "Against the baseline" in page
