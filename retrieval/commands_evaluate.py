"""What the commands that measure do. Their options: retrieval/cli.py."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from retrieval.beir import beir_domain, document_names, read_beir
from retrieval.calibrate import calibrate_unlabelled, read_calibration, write_calibration
from retrieval.console import print_json, print_table, progress_bar, say
from retrieval.domain import GoldQuestion
from retrieval.embedders import Embedder
from retrieval.errors import UsageError
from retrieval.evaluate import Query, document_of, evaluate, gold_queries, section_of, summarise
from retrieval.files import write_atomically
from retrieval.index import Index
from retrieval.retrievers import NAMES, Hit
from retrieval.settings import RetrievalSettings, read_settings
from retrieval.wiring import build_embedder, domain_rewriter, fusion_method, index_retriever, open_index, subject_names


def evaluate_retrieval(
    domain: str | None,
    beir: Path | None,
    retriever: list[str] | None,
    split: str,
    rows: Path | None,
    fusion: str,
    as_json: bool,
) -> None:
    """Measure retrievers on a pack's gold questions (by section) or on a BEIR folder (by document)."""
    settings = read_settings(domain=domain)
    chosen = retriever or ["bm25", "hybrid"]
    for name in chosen:
        if name not in NAMES:
            raise UsageError(f"There is no retriever {name!r}.", f"Choose one of {', '.join(NAMES)}.")
    embedder = None if chosen == ["bm25"] else build_embedder(settings, say)
    index, queries, unit = _beir_task(beir, settings, embedder) if beir else _gold_task(settings, split)
    view = index.view()
    names = subject_names(index.domain, view)
    summaries: list[dict[str, Any]] = []
    lines: list[str] = []
    for name in chosen:
        with progress_bar() as progress:
            found = evaluate(
                index_retriever(name, index, view, embedder, fusion_method(fusion), names=names),
                queries,
                unit,
                lambda done: progress("ask", done, len(queries)),
            )
        summaries.append(summarise(name, found))
        lines.extend(json.dumps({"retriever": name, **asdict(row)}, ensure_ascii=False) for row in found)
    if rows:
        write_atomically(rows, ("\n".join(lines) + "\n").encode())
    if as_json:
        print_json(summaries)
        return
    table = [
        [
            s["retriever"],
            s["queries"],
            *(f"{v:.4f}" for v in s["metrics"].values()),
            *(f"{v:.1f}" for v in s["latency_ms"].values()),
        ]
        for s in summaries
    ]
    print_table(["retriever", "queries", *summaries[0]["metrics"], "p50 ms", "p95 ms"], table)


def _gold_task(settings: RetrievalSettings, split: str) -> tuple[Index, list[Query], Any]:
    if split not in ("test", "calibration", "all"):
        raise UsageError(f"--split {split!r} is none of test, calibration, all.")
    index = open_index(settings)
    view = index.view()
    gold = [question for question in index.domain.questions() if split in ("all", question.split)]
    if not gold:
        raise UsageError(
            f"The domain {index.domain.name} has no gold questions for the split {split}.",
            "Write questions.jsonl, or choose --split all.",
        )
    rewriter = domain_rewriter(index.domain, view)

    def rewrite(question: GoldQuestion) -> str:
        return rewriter.rewrite(question.question, question.history)

    return index, gold_queries(gold, rewrite), section_of


def _beir_task(folder: Path, settings: RetrievalSettings, embedder: Embedder | None) -> tuple[Index, list[Query], Any]:
    """Index the collection (cached by content) with a weight calibrated on its text, never on its judgements."""
    data = read_beir(folder)
    domain = beir_domain(data, settings.build_dir)
    index = Index(domain, settings)
    with progress_bar() as progress:
        report = index.sync(embedder, progress)
    if (
        embedder
        and report.state == "complete"
        and read_calibration(index.folder, embedder.fingerprint).source == "default"
    ):
        write_calibration(index.folder, calibrate_unlabelled(index.view(), embedder))
    names = document_names(domain)
    queries = [Query(name, text, data.qrels[name]) for name, text in data.queries.items() if name in data.qrels]

    def unit(hit: Hit) -> str:
        return names[document_of(hit)]

    return index, queries, unit
