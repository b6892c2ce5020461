"""Retrieval measures by hand, and against ir_measures."""

import math

import ir_measures
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.errors import UsageError
from retrieval.metrics import METRICS, average, check_metric, measure, measure_all

NAMES = [f"d{number}" for number in range(25)]
ORACLE = {
    "ndcg@10": ir_measures.nDCG @ 10,
    "mrr@10": ir_measures.RR @ 10,
    "map@100": ir_measures.AP @ 100,
    "precision@5": ir_measures.P @ 5,
    "success@5": ir_measures.Success @ 5,
    "recall@1": ir_measures.R @ 1,
    "recall@5": ir_measures.R @ 5,
    "recall@10": ir_measures.R @ 10,
}


def test_the_first_relevant_place_counts() -> None:
    assert measure(["d2", "d1"], {"d1": 1}, "mrr@10") == 1 / 2
    assert measure(["d2"] * 1 + ["d3", "d1"], {"d1": 1}, "mrr@10") == 1 / 3
    assert measure(["d2", "d1"], {"d1": 1}, "ndcg@10") == 1 / math.log2(3)


def test_recall_counts_relevant_ones_within_the_cutoff() -> None:
    relevant = {"a": 1, "b": 2, "c": 0}
    assert measure(["a", "x", "b"], relevant, "recall@1") == 1 / 2
    assert measure(["a", "x", "b"], relevant, "recall@5") == 1
    assert measure(["c"], relevant, "recall@5") == 0


def test_precision_success_and_average_precision_by_eye() -> None:
    ranking, relevant = ["a", "x", "b"], {"a": 1, "b": 1, "c": 1}
    assert measure(ranking, relevant, "precision@5") == 2 / 5
    assert (measure(ranking, relevant, "success@5"), measure(["x"], relevant, "success@5")) == (1, 0)
    assert measure(ranking, relevant, "map@100") == pytest.approx((1 / 1 + 2 / 3) / 3)


def test_a_metric_that_is_not_measured_is_refused() -> None:
    assert check_metric("recall@5") == "recall@5"
    with pytest.raises(UsageError, match="no metric 'bleu'"):
        check_metric("bleu")


def test_grades_are_gains() -> None:
    best, worst = {"a": 2, "b": 1}, (1 + 2 / math.log2(3)) / (2 + 1 / math.log2(3))
    assert measure(["a", "b"], best, "ndcg@10") == 1
    assert measure(["b", "a"], best, "ndcg@10") == pytest.approx(worst, abs=1e-12)


def test_nothing_relevant_or_nothing_found_is_zero() -> None:
    assert set(measure_all(["a"], {}).values()) == set(measure_all([], {"a": 1}).values()) == {0.0}


def test_averages_are_over_queries() -> None:
    rows = [dict.fromkeys(METRICS, 1.0), dict.fromkeys(METRICS, 0.0)]
    assert average(rows) == dict.fromkeys(METRICS, 0.5)
    assert average([]) == dict.fromkeys(METRICS, 0.0)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(NAMES), unique=True, min_size=1),
    st.dictionaries(st.sampled_from(NAMES), st.integers(-1, 4), min_size=1),
)
def test_the_measures_are_those_of_ir_measures(ranking: list[str], grades: dict[str, int]) -> None:
    run = [ir_measures.ScoredDoc("q", name, float(-place)) for place, name in enumerate(ranking)]
    qrels = [ir_measures.Qrel("q", name, grade) for name, grade in grades.items()]
    theirs = ir_measures.calc_aggregate(list(ORACLE.values()), qrels, run)
    for metric, value in measure_all(ranking, grades).items():
        assert value == pytest.approx(theirs[ORACLE[metric]], abs=1e-9), metric
