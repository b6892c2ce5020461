"""What `savia adapt` brings on documents that it did not learn from, and how long it takes.

    python -m benchmarks adaptation adaptation_large

Collections are adapted on the judgements of some subjects and measured on those of the others, in a home of its own: no model of
the person's is touched. A candidate is measured whether or not it would be kept.
"""

import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
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
from retrieval.evaluate import evaluate
from retrieval.reembedded import ReembeddedView, embed_all
from retrieval.retrievers import ExactRetriever
from retrieval.significance import LEVEL, compare
from retrieval.tasks import beir_task, gold_task
from retrieval.variants import build_variant, parse_variant

SECTIONS, HALF = "medquad_gard/beir_sections", 0.5
ARTICLES, ARTICLES_HELD_OUT = "xquad_es", 0.4
LEAST_DENSE = 0.80
RERANKED_MS = 600
MOST_MISSES = 0.8  # of those before
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
    found = _adapt(workspace, "--domain", "herbolaria")
    yield _timed("herbolaria", found, PACK_SECONDS)
    yield _misses(workspace, found["candidate"])
    yield _reranker("herbolaria", _adapt(workspace, "--domain", "herbolaria", "--reranker")["reranker"])


def _misses(workspace: Workspace, model: str) -> Row:
    """Every answerable gold question, asked of the vectors alone; none of them was learnt from, a quarter of the documents neither."""
    settings = workspace.settings("herbolaria")
    task, embedder = gold_task(settings, "all"), load_embedder(PACKAGED, settings.models_dir)
    adapted = load_embedder(model, settings.models_dir)
    view = task.index.view()
    changed = ReembeddedView(view.folder, embed_all(view, adapted, lambda *_: None))
    before, now = (
        evaluate(ExactRetriever(where, by), task.queries, task.unit)
        for where, by in ((view, embedder), (changed, adapted))
    )
    kinds = {row.kind: [n for n, other in enumerate(before) if other.kind == row.kind] for row in before}
    recall = {
        kind: ([before[n].metrics["recall@5"] for n in chosen], [now[n].metrics["recall@5"] for n in chosen])
        for kind, chosen in kinds.items()
    }
    changes = {kind: compare(after, first) for kind, (first, after) in recall.items()}
    first, after = (1 - mean(values) for values in recall["other_words"])
    change = changes["other_words"]
    low, high = change.interval
    lost = [kind for kind, one in changes.items() if one.significant and one.difference < 0]
    return Row(
        f"herbolaria, vectors alone, misses at recall@5: {len(kinds['other_words'])} gold questions in other words",
        f"{first:.3f} -> {after:.3f} (times {after / first:.2f}; {-change.difference:+.3f}, {-high:+.3f} to {-low:+.3f}); significantly worse: "
        f"{', '.join(lost) or 'no kind'}",
        f"times <= {MOST_MISSES}, no kind worse",
        after <= MOST_MISSES * first and not lost,
        {
            kind: {"before": mean(one), "now": mean(other), **asdict(changes[kind])}
            for kind, (one, other) in recall.items()
        },
    )


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
