"""What `savia adapt` brings on documents that it did not learn from, and how long it takes.

    python -m benchmarks adaptation adaptation_large

Collections are adapted on the judgements of some subjects and measured on those of the others, in a home of its own: no model of
the person's is touched. A candidate is measured whether or not it would be kept.
"""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.dataset import LARGE, unpack_large
from benchmarks.quality import FOREIGN_LABELS, LEAST_GAIN, mixed_collection
from benchmarks.report import Row, missing
from benchmarks.workspace import ROOT, Workspace
from retrieval.adapt import best_of, mean, measure
from retrieval.adapt_beir import held_out_documents
from retrieval.beir import read_beir
from retrieval.embedders import PACKAGED, load_embedder
from retrieval.significance import LEVEL, compare
from retrieval.tasks import beir_task
from retrieval.variants import build_variant, parse_variant

SECTIONS, HALF = "medquad_gard/beir_sections", 0.5
ARTICLES, ARTICLES_HELD_OUT = "xquad_es", 0.4
LEAST_DENSE = 0.80
RERANKED_MS = 600
PACK_SECONDS, LARGE_SECONDS = 6 * 60, 40 * 60


def run(workspace: Workspace) -> Iterator[Row]:
    own = _own_home(workspace)
    if not workspace.quick:
        yield from _sections(own)
    yield from _articles(own)
    if not workspace.quick:
        yield from _pack(own)


def run_large(workspace: Workspace) -> Iterator[Row]:
    """How long a corpus of thousands of files takes."""
    yield _timed_large(_own_home(workspace))


def _own_home(workspace: Workspace) -> Workspace:
    """Indexes are found again, what was trained is not; the packaged embedder's export is shared."""
    own = replace(workspace, folder=workspace.folder / "adaptation")
    models, exported = own.home / "models", ROOT / "models" / "embedder"
    (own.home / "data" / "domains").mkdir(parents=True, exist_ok=True)
    models.mkdir(exist_ok=True)
    made = (*own.home.glob("data/build/*/adapt"), *own.home.glob("data/build/*/rerank"))
    for trained in (models / "embedders", models / "rerankers", *made):
        shutil.rmtree(trained, ignore_errors=True)
    if exported.is_dir() and not (models / "embedder").exists():
        (models / "embedder").symlink_to(exported)
    return own


def _adapt(workspace: Workspace, *arguments: str) -> Any:
    quick = ("--steps", "1") if workspace.quick else ()
    return workspace.savia("adapt", "--json", *quick, *arguments).json


def _sections(workspace: Workspace) -> Iterator[Row]:
    what, bound = f"{SECTIONS}, adapted on one half, nDCG@10 of the best retriever on the other", "1 - nDCG@10 halved"
    folder = workspace.datasets / SECTIONS
    if not folder.is_dir():
        yield missing(what, bound, f"no {SECTIONS} in SAVIA_DATASETS")
        return
    found = _adapt(workspace, "--beir", str(folder), "--held-out", str(HALF), "--reranker")
    best = found["best"]
    before, now = found["before"][best["before"]], found["now"][best["now"]]
    yield Row(
        what,
        f"{before:.4f} ({best['before']}) -> {now:.4f} ({best['now']}); 1 - nDCG@10 times {(1 - now) / max(1 - before, 1e-9):.2f}, "
        f"p {best['probability']:.4f}, {found['questions']} questions",
        f"{bound}, significant",
        (1 - now) * 2 <= 1 - before and best["probability"] <= LEVEL,
        _figures(found),
    )
    yield _reranker(SECTIONS, found["reranker"])


def _articles(workspace: Workspace) -> Iterator[Row]:
    what, bound = f"{ARTICLES}, adapted on 60 % of the articles, the rest", f">= {LEAST_DENSE:.2f}; hybrid no loss"
    folder = workspace.datasets / ARTICLES
    if not folder.is_dir():
        yield missing(what, bound, f"no {ARTICLES} in SAVIA_DATASETS")
        return
    found = _adapt(workspace, "--beir", str(folder), "--held-out", str(ARTICLES_HELD_OUT))
    before, now, hybrid = found["before"], found["now"], found["hybrid"]
    lost = hybrid["difference"] < 0 and hybrid["probability"] <= LEVEL
    yield Row(
        f"{what}: nDCG@10, dense; hybrid",
        f"{before['dense']:.4f} -> {now['dense']:.4f}; {before['hybrid']:.4f} -> {now['hybrid']:.4f} "
        f"(p {hybrid['probability']:.4f}), {found['questions']} questions",
        bound,
        now["dense"] >= LEAST_DENSE and not lost,
        _figures(found),
    )
    if mixed := mixed_collection(workspace):
        yield _foreign(workspace, mixed, "packaged", PACKAGED)
        yield _foreign(workspace, mixed, "adapted", found["candidate"])


def _foreign(workspace: Workspace, mixed: Path, name: str, model: str) -> Row:
    """English questions on the held-out Spanish articles: the hybrid that reads the question's language against fixed weights."""
    settings = workspace.settings()
    embedder = load_embedder(model, settings.models_dir)
    task = beir_task(mixed, settings, embedder)
    hidden = held_out_documents(read_beir(mixed), ARTICLES_HELD_OUT)
    queries, view = [query for query in task.queries if set(query.relevant) <= hidden], task.index.view()
    variants = [parse_variant(label) for label in FOREIGN_LABELS]
    rows = {one.label: measure(build_variant(one, task.index, view, embedder), queries, task.unit) for one in variants}
    hybrid = rows.pop("hybrid")
    best = best_of(rows)
    gain = compare(hybrid, rows[best])
    return Row(
        f"xquad_en questions on held-out {ARTICLES} articles, {name} embedder, nDCG@10: hybrid against the best fixed weight",
        f"{mean(hybrid):.4f} against {mean(rows[best]):.4f} ({gain.difference:+.4f}, p {gain.probability:.4f}; {best})",
        f">= +{LEAST_GAIN}, significant",
        gain.significant and gain.difference >= LEAST_GAIN,
        {
            "queries": len(hybrid),
            "hybrid": mean(hybrid),
            "best_fixed": mean(rows[best]),
            "probability": gain.probability,
        },
    )


def _pack(workspace: Workspace) -> Iterator[Row]:
    workspace.copy_herbolaria()
    workspace.savia("dataset", "build", "--domain", "herbolaria", "--json")
    yield _timed("herbolaria", _adapt(workspace, "--domain", "herbolaria"), PACK_SECONDS)
    yield _reranker("herbolaria", _adapt(workspace, "--domain", "herbolaria", "--reranker")["reranker"])


def _reranker(name: str, found: Any) -> Row:
    """Kept only where it gains: a reranker that does not gain is no fault, one that answers late would be."""
    return Row(
        f"{name}, held-out documents: nDCG@10 of the hybrid -> reranked; a reranked question, warm",
        f"{found['before']:.4f} -> {found['now']:.4f} (p {found['gain']['probability']:.4f}, "
        f"{'kept' if found['kept'] else 'not kept'}); p50 {found['milliseconds']:.0f} ms",
        f"p50 <= {RERANKED_MS} ms",
        found["milliseconds"] <= RERANKED_MS,
        _figures(found),
    )


def _figures(found: Any) -> dict[str, Any]:
    """What is kept of a result: no place of this machine."""
    return {name: value for name, value in found.items() if name not in ("candidate", "folder", "reranker")}


def _timed_large(workspace: Workspace) -> Row:
    try:
        documents = unpack_large(workspace)
    except FileNotFoundError as error:
        return missing("`savia adapt` on 2,684 files", f"<= {LARGE_SECONDS} s", str(error))
    workspace.savia("index", "sync", "--domain", LARGE)
    return _timed(f"{documents:,} files", _adapt(workspace, "--domain", LARGE), LARGE_SECONDS)


def _timed(name: str, found: Any, bound: int) -> Row:
    low, high = found["hybrid"]["interval"]
    return Row(
        f"`savia adapt` on {name}, two cores",
        f"{found['seconds']:.0f} s ({'kept' if found['kept'] else 'not kept'}: hybrid nDCG@10 on {found['questions']} "
        f"questions about held-out documents {found['hybrid']['difference']:+.4f}, {low:+.4f} to {high:+.4f})",
        f"<= {bound} s",
        found["seconds"] <= bound,
        _figures(found),
    )
