"""What the commands that measure retrieval do. Their options: retrieval/cli.py."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from retrieval.console import output, print_json, print_table, progress_bar, say
from retrieval.errors import GateRefused, UsageError
from retrieval.evaluate import SHOWN, Row, evaluate, make_row, worst_rows
from retrieval.evaluation import Change, Evaluation, as_json, compare_with, losses, read_evaluation, write_evaluation
from retrieval.evaluation_report import build_report
from retrieval.files import write_atomically, write_json
from retrieval.metrics import check_metric
from retrieval.settings import RetrievalSettings, read_settings
from retrieval.significance import bootstrap_interval
from retrieval.tasks import Task, beir_task, gold_task
from retrieval.trec import judged, read_qrels, read_run, write_qrels, write_run
from retrieval.variants import build_variant, default_variants, needs_vectors, parse_variant
from retrieval.wiring import build_embedder, fusion_method

TABLE = ("mrr@10", "map@100", "precision@5", "success@5", "recall@1", "recall@5", "recall@10")
WORST = 5


@dataclass(frozen=True)
class EvaluateOptions:
    """The options of `savia evaluate retrieval`; see its help."""

    domain: str | None
    beir: Path | None
    retrievers: Sequence[str]
    split: str
    fusion: str
    metric: str
    baseline: Path | None
    gate: bool
    report: Path | None
    output: Path | None
    rows: Path | None
    runs: Sequence[Path]
    qrels: Path | None
    write_trec: Path | None
    worst: int
    as_json: bool


def evaluate_retrieval(options: EvaluateOptions) -> None:
    """Measure retrievers on a pack's gold questions (by section) or on a BEIR folder (by document).

    Raises `GateRefused` where `--gate` was asked for and a retriever lost significantly against the baseline.
    """
    check_metric(options.metric)
    if options.gate and not options.baseline:
        raise UsageError("--gate needs --baseline FILE.", "Make one first: savia evaluate retrieval --output FILE")
    baseline = read_evaluation(options.baseline) if options.baseline else None
    settings = read_settings(domain=options.domain)
    evaluation, task = _evaluate(options, settings)
    changes = compare_with(baseline, evaluation, options.metric) if baseline else []
    _write_files(options, settings, evaluation, task, changes)
    if options.as_json:
        print_json(evaluation.summaries())
    else:
        _print_tables(evaluation, options, changes)
    if options.gate and (lost := losses(changes)):
        names = "; ".join(f"{one.retriever} {one.before:.4f} -> {one.now:.4f}, p {one.loss:.4f}" for one in lost)
        raise GateRefused(
            f"{options.metric} is significantly lower than in the baseline: {names}.",
            "See the worst questions: --report FILE.",
        )


def _evaluate(options: EvaluateOptions, settings: RetrievalSettings) -> tuple[Evaluation, Task]:
    variants = [parse_variant(text) for text in options.retrievers] or ([] if options.runs else default_variants())
    embedder = build_embedder(settings, say) if needs_vectors(variants) else None
    task = beir_task(options.beir, settings, embedder) if options.beir else gold_task(settings, options.split)
    queries = judged(task.queries, read_qrels(options.qrels)) if options.qrels else task.queries
    view = task.index.view()
    runs: dict[str, Sequence[Row]] = {}
    # All are built before the first is asked: one that there is not is told at once.
    method = fusion_method(options.fusion)
    retrievers = {one.label: build_variant(one, task.index, view, embedder, method) for one in variants}
    for label, retriever in retrievers.items():
        with progress_bar() as progress:
            found = evaluate(retriever, queries, task.unit, lambda done: progress("ask", done, len(queries)))
        runs[label] = found
    for path in options.runs:
        rankings = read_run(path)
        runs[path.stem] = [make_row(query, rankings.get(query.id, []), 0.0) for query in queries]
    made = datetime.now().isoformat(timespec="seconds")
    return Evaluation(task.name, task.split, made, runs, task.unasked), task


def _write_files(
    options: EvaluateOptions, settings: RetrievalSettings, evaluation: Evaluation, task: Task, changes: Sequence[Change]
) -> None:
    if not options.beir:
        write_evaluation(settings.build_dir / task.name / "evaluations", evaluation)
    if options.output:
        write_json(options.output, as_json(evaluation))
    if options.report:
        build_report(evaluation, options.metric, changes).write(options.report)
    if options.rows:
        lines = [
            json.dumps({"retriever": name, **asdict(row), "ranking": row.ranking[:SHOWN]}, ensure_ascii=False)
            for name, rows in evaluation.runs.items()
            for row in rows
        ]
        write_atomically(options.rows, ("\n".join(lines) + "\n").encode())
    if options.write_trec:
        write_qrels(options.write_trec / "qrels.txt", task.queries)
        for name, rows in evaluation.runs.items():
            write_run(options.write_trec / f"{name.replace(':', '-').replace(',', '-')}.run", name, rows)


def _print_tables(evaluation: Evaluation, options: EvaluateOptions, changes: Sequence[Change]) -> None:
    metric = options.metric
    columns = [name for name in ("ndcg@10", *TABLE) if name != metric]
    table = [
        [entry["retriever"], entry["queries"], f"{entry['metrics'][metric]:.4f}", _interval(rows, metric),
         *(f"{entry['metrics'][name]:.4f}" for name in columns), *(f"{v:.1f}" for v in entry["latency_ms"].values())]
        for entry, rows in zip(evaluation.summaries(), evaluation.runs.values(), strict=True)
    ]  # fmt: skip
    print_table(["retriever", "queries", metric, "95 % interval", *columns, "p50 ms", "p95 ms"], table)
    _print_groups(evaluation.summaries(), metric)
    for change in changes:
        low, high = change.comparison.interval
        output().print(
            f"{change.retriever}: {metric} {change.before:.4f} -> {change.now:.4f} on {change.questions} questions "
            f"({change.comparison.difference:+.4f}, {low:+.4f} to {high:+.4f}, p {change.comparison.probability:.4f})",
            soft_wrap=True,
            markup=False,
        )
    if options.worst:
        _print_worst(evaluation, metric, options.worst)
    if evaluation.unasked:
        output().print(f"{len(evaluation.unasked)} sections are asked about by no gold question (--report lists them).")


def _interval(rows: Sequence[Row], metric: str) -> str:
    low, high = bootstrap_interval([row.metrics[metric] for row in rows])
    return f"{low:.4f}-{high:.4f}"


def _print_groups(summaries: Sequence[dict[str, Any]], metric: str) -> None:
    for label, key in (("kind", "by_kind"), ("type", "by_type")):
        groups = list(summaries[0][key])
        if len(groups) < 2:
            continue
        output().print()
        rows = [
            [
                group,
                summaries[0][key][group]["queries"],
                *(f"{s[key][group]['metrics'][metric]:.4f}" for s in summaries),
            ]
            for group in groups
        ]
        print_table([label, "queries", *(f"{s['retriever']} {metric}" for s in summaries)], rows)


def _print_worst(evaluation: Evaluation, metric: str, limit: int) -> None:
    name, rows = list(evaluation.runs.items())[-1]
    output().print(f"\nWorst of {name}:", markup=False)
    for row in worst_rows(rows, metric, limit):
        output().print(f"  {row.metrics[metric]:.2f}  {row.text}", soft_wrap=True, markup=False)
        output().print(
            f"        wanted {', '.join(row.relevant)}; found {', '.join(row.ranking[:3]) or 'nothing'}",
            soft_wrap=True,
            markup=False,
        )
