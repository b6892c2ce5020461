"""Retrieval quality on the shared test collections: nDCG@10 by document, best passage counts, weights learnt without labels.

    python -m benchmarks quality

The figures come from `savia evaluate retrieval --beir`; the calibration is made anew for every run.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.report import Row, missing
from benchmarks.workspace import Workspace
from retrieval.beir import beir_domain, document_names, read_beir
from retrieval.embedders import load_embedder
from retrieval.evaluate import DEPTH, document_of
from retrieval.index import Index
from retrieval.metrics import measure
from retrieval.retrievers import Hit, Retriever
from retrieval.significance import compare
from retrieval.wiring import index_retriever

SETS = ("xquad_es", "xquad_en", "covidqa_en", "medquad_gard/beir_sections")
BOUNDS = {"xquad_es": (0.955, 0.960), "xquad_en": (0.960, 0.972)}  # bm25, hybrid
LEAST_MARGIN = -0.005  # hybrid against the better single retriever
LEAST_GAIN = 0.02  # of the question's language over the best fixed weight
LEAST_OVERLAP, MOST_DIFFERENCE = 0.99, 0.001  # hybrid through Chroma against the scan
AGREEMENT_QUERIES = 1200  # asked twice each
QUICK_SETS = 2
FOREIGN_LABELS = ["hybrid", *(f"hybrid:weight={weight},language=off" for weight in (0.5, 0.6, 0.7, 0.8, 0.9))]


def run(workspace: Workspace) -> Iterator[Row]:
    names = SETS[:QUICK_SETS] if workspace.quick else SETS
    for name in names:
        folder = workspace.datasets / name
        if not folder.is_dir():
            yield missing(f"{name}: nDCG@10", "", f"no {name} in SAVIA_DATASETS")
            continue
        yield from _quality(workspace, name, folder)
        yield _agreement(workspace, name, folder)
    if not workspace.quick:
        yield from _foreign(workspace)


def _quality(workspace: Workspace, name: str, folder: Path) -> Iterator[Row]:
    _forget_calibration(workspace, folder)
    retrievers = [part for label in ("bm25", "exact", "hybrid") for part in ("--retriever", label)]
    found = workspace.savia("evaluate", "retrieval", "--beir", str(folder), "--json", *retrievers).json
    scores = {entry["retriever"]: entry["metrics"]["ndcg@10"] for entry in found}
    if name in BOUNDS:
        bm25, hybrid = BOUNDS[name]
        yield Row(
            f"{name}, nDCG@10: bm25 / hybrid",
            f"{scores['bm25']:.4f} / {scores['hybrid']:.4f}",
            f">= {bm25:.3f} / >= {hybrid:.3f}",
            scores["bm25"] >= bm25 and scores["hybrid"] >= hybrid,
            {"queries": found[0]["queries"], **scores},
        )
    margin = scores["hybrid"] - max(scores["bm25"], scores["exact"])
    yield Row(
        f"{name}: hybrid, calibrated without labels, against the better single retriever",
        f"{margin:+.4f} (bm25 {scores['bm25']:.4f}, dense {scores['exact']:.4f}, hybrid {scores['hybrid']:.4f})",
        f">= {LEAST_MARGIN}",
        margin >= LEAST_MARGIN,
        {"queries": found[0]["queries"], "margin": margin, **scores},
    )


def _foreign(workspace: Workspace) -> Iterator[Row]:
    """English questions on the Spanish paragraphs: the hybrid that reads the question's language against fixed weights."""
    mixed, labels = mixed_collection(workspace), FOREIGN_LABELS
    if mixed is None:
        yield missing("English questions on Spanish paragraphs", f">= +{LEAST_GAIN}", "no xquad in SAVIA_DATASETS")
        return
    retrievers = [part for label in labels for part in ("--retriever", label)]
    rows = workspace.folder / "foreign-rows.jsonl"
    workspace.savia("evaluate", "retrieval", "--beir", str(mixed), "--rows", str(rows), "--json", *retrievers)
    found: dict[str, list[float]] = {label: [] for label in labels}
    for line in rows.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        found[row["retriever"]].append(row["metrics"]["ndcg@10"])
    best = max(labels[1:], key=lambda label: sum(found[label]))
    gain = compare(found["hybrid"], found[best])
    now, before = float(np.mean(found["hybrid"])), float(np.mean(found[best]))
    yield Row(
        f"xquad_en questions on xquad_es paragraphs, nDCG@10: hybrid against the best fixed weight ({best[14:17]})",
        f"{now:.4f} against {before:.4f} ({gain.difference:+.4f}, p {gain.probability:.4f})",
        f">= +{LEAST_GAIN}, significant",
        gain.significant and gain.difference >= LEAST_GAIN,
        {"queries": len(found["hybrid"]), "hybrid": now, "best_fixed": before, "probability": gain.probability},
    )


def mixed_collection(workspace: Workspace) -> Path | None:
    """English questions and Spanish paragraphs as one BEIR folder; None where the data are absent."""
    spanish, english = workspace.datasets / "xquad_es", workspace.datasets / "xquad_en"
    if not (spanish.is_dir() and english.is_dir()):
        return None
    mixed = workspace.folder / "english-on-spanish"
    (mixed / "qrels").mkdir(parents=True, exist_ok=True)
    for source, name in ((spanish, "corpus.jsonl"), (english, "queries.jsonl"), (spanish, "qrels/test.tsv")):
        (mixed / name).write_bytes((source / name).read_bytes())
    return mixed


def _forget_calibration(workspace: Workspace, folder: Path) -> None:
    """The index is found again by its content; what was learnt from it is learnt by today's code."""
    settings = workspace.settings()
    domain = beir_domain(read_beir(folder), settings.build_dir)
    (settings.index_dir(domain.name) / "calibration.json").unlink(missing_ok=True)


@dataclass(frozen=True)
class _Compared:
    overlap: float
    scan: float
    chroma: float


def _agreement(workspace: Workspace, name: str, folder: Path) -> Row:
    """Hybrid over Chroma's candidates against hybrid over every vector, on the same queries."""
    settings = workspace.settings()
    data = read_beir(folder)
    domain = beir_domain(data, settings.build_dir)
    index = Index(domain, settings)
    view, embedder = index.view(), load_embedder(settings.embedder, settings.models_dir)
    scan = index_retriever("hybrid", index, view, embedder, engine="exact")
    chroma = index_retriever("hybrid", index, view, embedder, engine="dense")
    names = document_names(domain)
    asked = [query for query in data.queries if query in data.qrels]
    step = max(1, len(asked) // AGREEMENT_QUERIES)
    rows = [_compare(scan, chroma, data.queries[query], data.qrels[query], names) for query in asked[::step]]
    overlap = float(np.mean([row.overlap for row in rows]))
    difference = float(np.mean([row.chroma for row in rows]) - np.mean([row.scan for row in rows]))
    return Row(
        f"{name}: hybrid through Chroma against the scan ({len(rows)} queries)",
        f"top-10 overlap {overlap:.4f}, nDCG@10 {difference:+.5f}",
        f"overlap >= {LEAST_OVERLAP}, nDCG@10 within {MOST_DIFFERENCE}",
        overlap >= LEAST_OVERLAP and abs(difference) <= MOST_DIFFERENCE,
        {"queries": len(rows), "overlap": overlap, "ndcg_difference": difference},
    )


def _compare(
    scan: Retriever, chroma: Retriever, query: str, relevant: dict[str, int], names: dict[str, str]
) -> _Compared:
    first, second = scan.search(query, DEPTH), chroma.search(query, DEPTH)
    wanted = {hit.passage.id for hit in first[:10]}
    shared = len(wanted & {hit.passage.id for hit in second[:10]}) / max(1, len(wanted))
    return _Compared(shared, _ndcg(first, relevant, names), _ndcg(second, relevant, names))


def _ndcg(hits: list[Hit], relevant: dict[str, int], names: dict[str, str]) -> float:
    ranking = list(dict.fromkeys(names[document_of(hit)] for hit in hits))
    return measure(ranking, relevant, "ndcg@10")
