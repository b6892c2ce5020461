"""How well retrievers find what they should: a pack's gold questions by section, a BEIR folder by document.

rows = evaluate(retriever, questions, unit=section_of)
summarise("hybrid", rows)["metrics"]["ndcg@10"]
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from retrieval.domain import GoldQuestion
from retrieval.metrics import average, measure_all
from retrieval.retrievers import Hit, Retriever

DEPTH = 100  # passages asked for: ten documents or sections are in them even where each has many passages
RANKED = 100  # units kept per query: the deepest cutoff of the metrics
SHOWN = 10  # units of a row in reports and result files


@dataclass(frozen=True, slots=True)
class Query:
    """A question with judgements: `relevant` maps unit ids (sections or documents) to grades."""

    id: str
    text: str
    relevant: Mapping[str, int]
    kind: str = ""
    type: str = ""  # of the document that answers, where the corpus has types


@dataclass(frozen=True, slots=True)
class Row:
    """One query's result: the first `RANKED` distinct units, the metrics, the time."""

    query: str
    text: str
    kind: str
    ranking: tuple[str, ...]
    metrics: dict[str, float]
    milliseconds: float
    type: str = ""
    relevant: tuple[str, ...] = ()


def evaluate(
    retriever: Retriever,
    queries: Iterable[Query],
    unit: Callable[[Hit], str],
    progress: Callable[[int], None] | None = None,
) -> list[Row]:
    """Ask every query; a unit ranks where its best passage does."""
    rows = []
    for done, query in enumerate(queries):
        started = time.perf_counter()
        hits = retriever.search(query.text, DEPTH)
        elapsed = (time.perf_counter() - started) * 1000
        ranking = tuple(dict.fromkeys(unit(hit) for hit in hits))[:RANKED]
        rows.append(make_row(query, ranking, elapsed))
        if progress:
            progress(done + 1)
    return rows


def make_row(query: Query, ranking: Sequence[str], milliseconds: float) -> Row:
    """A ranking of distinct units with its metrics."""
    return Row(
        query.id,
        query.text,
        query.kind,
        tuple(ranking[:RANKED]),
        measure_all(ranking, query.relevant),
        milliseconds,
        query.type,
        tuple(name for name, grade in query.relevant.items() if grade > 0),
    )


def gold_queries(
    questions: Sequence[GoldQuestion], rewrite: Callable[[GoldQuestion], str] | None = None
) -> list[Query]:
    """The answerable questions of a pack; `rewrite` turns a follow-up with its history into a question of its own."""
    return [
        Query(
            gold.id,
            rewrite(gold) if rewrite else gold.question,
            dict.fromkeys(gold.relevant, 1),
            gold.kind,
            document_type(gold.relevant[0]),
        )
        for gold in questions
        if gold.answerable
    ]


def document_type(unit: str) -> str:
    """The first folder of a document's or section's id, as `Document.type`.

    >>> document_type("plantas/sabila#usos")
    'plantas'
    """
    return unit.split("/", 1)[0] if "/" in unit.partition("#")[0] else ""


def summarise(name: str, rows: Sequence[Row]) -> dict[str, Any]:
    """One retriever's entry of the JSON report."""
    times = [row.milliseconds for row in rows] or [0.0]
    return {
        "retriever": name,
        "queries": len(rows),
        "metrics": average([row.metrics for row in rows]),
        "latency_ms": {"p50": float(np.percentile(times, 50)), "p95": float(np.percentile(times, 95))},
        "by_kind": _groups(rows, [row.kind for row in rows]),
        "by_type": _groups(rows, [row.type for row in rows]),
    }


def worst_rows(rows: Sequence[Row], metric: str, limit: int) -> list[Row]:
    """The questions answered worst, worst first; ties in the order asked."""
    return sorted((row for row in rows if row.metrics[metric] < 1), key=lambda row: row.metrics[metric])[:limit]


def _groups(rows: Sequence[Row], labels: Sequence[str]) -> dict[str, dict[str, Any]]:
    groups: dict[str, list[Row]] = {}
    for row, label in zip(rows, labels, strict=True):
        if label:
            groups.setdefault(label, []).append(row)
    return {
        label: {"queries": len(found), "metrics": average([row.metrics for row in found])}
        for label, found in sorted(groups.items())
    }


def section_of(hit: Hit) -> str:
    return hit.passage.section_id


def document_of(hit: Hit) -> str:
    return hit.passage.document_id
