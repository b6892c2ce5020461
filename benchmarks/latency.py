"""A warm hybrid query on the archive's index: both engines, without and with a metadata filter.

    python -m benchmarks latency

One process, as the page is; embedding the question is part of the time.
"""

import time
from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.archive import archive_index
from benchmarks.report import Row, missing
from benchmarks.workspace import Workspace
from retrieval.retrievers import Engine, Retriever
from retrieval.view import View
from retrieval.wiring import build_embedder, index_retriever

QUESTIONS, WARM_UP = 200, 20
LIMIT = 8  # passages: what an answer is made from
P50_MS, FILTERED_P50_MS = 15, 20
ENGINES: dict[str, Engine] = {"the scan": "exact", "Chroma": "dense"}


def run(workspace: Workspace) -> Iterator[Row]:
    try:
        index = archive_index(workspace)
    except FileNotFoundError as error:
        yield missing("warm hybrid query", "", str(error))
        return
    view, embedder = index.view(), build_embedder(workspace.settings())
    asked = questions(view)
    filters = {"type": _commonest_type(view)}
    for name, engine in ENGINES.items():
        retriever = index_retriever("hybrid", index, view, embedder, engine=engine)
        yield _measure(f"warm hybrid query at {len(view):,} passages, {name}", retriever, asked, None, P50_MS)
    yield _measure(
        f"warm hybrid query at {len(view):,} passages, metadata filter (always the scan)",
        retriever,
        asked,
        filters,
        FILTERED_P50_MS,
    )


def questions(view: View) -> list[str]:
    """Questions on documents spread over the corpus."""
    step = max(1, len(view.documents) // QUESTIONS)
    return [f"¿Para qué sirve {view.document(row).title}?" for row in range(0, len(view.documents), step)][:QUESTIONS]


def _commonest_type(view: View) -> str:
    types = [view.document(row).type for row in range(len(view.documents))]
    return max(sorted(set(types)), key=types.count)


def _measure(what: str, retriever: Retriever, asked: Sequence[str], where: dict[str, str] | None, bound: float) -> Row:
    for question in asked[:WARM_UP]:
        retriever.search(question, LIMIT, where)
    times = []
    for question in asked:
        started = time.perf_counter()
        retriever.search(question, LIMIT, where)
        times.append((time.perf_counter() - started) * 1000)
    p50, p95 = (float(np.percentile(times, share)) for share in (50, 95))
    return Row(
        what,
        f"p50 {p50:.1f} ms, p95 {p95:.1f} ms",
        f"p50 <= {bound} ms",
        p50 <= bound,
        {"p50_ms": p50, "p95_ms": p95, "questions": len(times)},
    )
