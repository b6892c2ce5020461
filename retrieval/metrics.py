"""Retrieval measures of one ranking, as trec_eval defines them; averages are folds over the per-query rows.

measure(["d2", "d1"], {"d1": 1}, "mrr@10")        # 1/2
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from retrieval.errors import UsageError

METRICS = ("ndcg@10", "mrr@10", "map@100", "precision@5", "success@5", "recall@1", "recall@5", "recall@10")


def measure(ranking: Sequence[str], relevant: Mapping[str, int], metric: str) -> float:
    """The value of `metric` (`name@cutoff`) for a ranking of distinct ids and graded judgements (0: not relevant)."""
    name, cutoff = metric.split("@")
    return _MEASURES[name](ranking[: int(cutoff)], relevant, int(cutoff))


def check_metric(metric: str) -> str:
    """The metric itself. Raises `UsageError` for one that is not measured."""
    if metric not in METRICS:
        raise UsageError(f"There is no metric {metric!r}.", f"Choose one of {', '.join(METRICS)}.")
    return metric


def measure_all(ranking: Sequence[str], relevant: Mapping[str, int]) -> dict[str, float]:
    return {metric: measure(ranking, relevant, metric) for metric in METRICS}


def average(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean of each metric over the queries."""
    return {metric: float(np.mean([row[metric] for row in rows])) if rows else 0.0 for metric in METRICS}


def _ndcg(ranking: Sequence[str], relevant: Mapping[str, int], cutoff: int) -> float:
    """Järvelin & Kekäläinen 2002 with trec_eval's linear gain and log2(rank + 1) discount."""
    gain = sum(max(relevant.get(name, 0), 0) / math.log2(rank + 1) for rank, name in enumerate(ranking, 1))
    ideal = sorted((grade for grade in relevant.values() if grade > 0), reverse=True)[:cutoff]
    best = sum(grade / math.log2(rank + 1) for rank, grade in enumerate(ideal, 1))
    return gain / best if best else 0.0


def _mrr(ranking: Sequence[str], relevant: Mapping[str, int], cutoff: int) -> float:
    return next((1 / rank for rank, name in enumerate(ranking, 1) if relevant.get(name, 0) > 0), 0.0)


def _recall(ranking: Sequence[str], relevant: Mapping[str, int], cutoff: int) -> float:
    wanted = {name for name, grade in relevant.items() if grade > 0}
    return len(wanted & set(ranking)) / len(wanted) if wanted else 0.0


def _precision(ranking: Sequence[str], relevant: Mapping[str, int], cutoff: int) -> float:
    return sum(relevant.get(name, 0) > 0 for name in ranking) / cutoff


def _success(ranking: Sequence[str], relevant: Mapping[str, int], cutoff: int) -> float:
    return float(any(relevant.get(name, 0) > 0 for name in ranking))


def _average_precision(ranking: Sequence[str], relevant: Mapping[str, int], cutoff: int) -> float:
    """trec_eval's map_cut: the precisions at the relevant places within the cutoff, over all that is relevant."""
    wanted = sum(grade > 0 for grade in relevant.values())
    places = [rank for rank, name in enumerate(ranking, 1) if relevant.get(name, 0) > 0]
    return sum(found / rank for found, rank in enumerate(places, 1)) / wanted if wanted else 0.0


_MEASURES = {
    "ndcg": _ndcg,
    "mrr": _mrr,
    "map": _average_precision,
    "precision": _precision,
    "success": _success,
    "recall": _recall,
}
