"""A retrieval evaluation as one HTML page: scores with intervals, recall by depth, latency, kinds, every question.

build_report(evaluation, "ndcg@10").write(Path("report.html"))
"""

from collections.abc import Sequence
from typing import Any

from retrieval.evaluate import SHOWN, Row, worst_rows
from retrieval.evaluation import Change, Evaluation
from retrieval.metrics import METRICS, measure
from retrieval.report import Report
from retrieval.significance import bootstrap_interval, compare

DEPTHS = (1, 2, 3, 4, 5, 6, 8, 10)
WORST = 15
WIDTH = 460


def build_report(evaluation: Evaluation, metric: str, changes: Sequence[Change] = ()) -> Report:
    """The page; `changes` are those against a baseline, if there is one."""
    report = Report(f"Retrieval on {evaluation.task}, {evaluation.split} questions")
    questions = len(next(iter(evaluation.runs.values())))
    report.text(
        f"{questions} questions, {evaluation.made}. Intervals hold the mean in 95 of 100 resamplings of the questions."
    )
    _scores(report, evaluation, metric)
    if changes:
        _changes(report, changes, metric)
    _groups(report, evaluation, metric)
    _worst(report, evaluation, metric)
    if evaluation.unasked:
        report.heading(f"Sections that no question asks about ({len(evaluation.unasked)})")
        report.verbatim("\n".join(evaluation.unasked))
    _every_question(report, evaluation, metric)
    return report


def score_chart(evaluation: Evaluation, metric: str) -> Any:
    """Means with their intervals, one bar a retriever."""
    import altair as alt

    rows = []
    for name, found in evaluation.runs.items():
        values = [row.metrics[metric] for row in found]
        low, high = bootstrap_interval(values)
        rows.append({"retriever": name, metric: sum(values) / max(1, len(values)), "low": low, "high": high})
    base = alt.Chart(alt.InlineData(values=rows)).encode(y=alt.Y("retriever:N", sort=None, title=None))
    axis = alt.Scale(domain=[0, 1])
    bars = base.mark_bar(color="#7fae86").encode(x=alt.X(f"{metric}:Q", scale=axis, title=metric))
    errors = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title=metric), x2="high:Q")
    return (bars + errors).properties(width=WIDTH)


def recall_chart(evaluation: Evaluation) -> Any:
    """Share of the relevant units among the first k, for k to 10."""
    import altair as alt

    values = [
        {"retriever": name, "k": depth, "recall": _recall(found, depth)}
        for name, found in evaluation.runs.items()
        for depth in DEPTHS
    ]
    return (
        alt.Chart(alt.InlineData(values=values))
        .mark_line(point=True)
        .encode(
            x=alt.X("k:Q", axis=alt.Axis(values=list(DEPTHS))),
            y=alt.Y("recall:Q", scale=alt.Scale(domain=[0, 1])),
            color=alt.Color("retriever:N", sort=None),
        )
        .properties(width=WIDTH, height=220)
    )


def latency_chart(evaluation: Evaluation) -> Any:
    """Milliseconds a question took: the middle half as a box, from the 5th to the 95th percentile as a line."""
    import altair as alt
    import numpy as np

    rows = []
    for name, found in evaluation.runs.items():
        low, first, middle, third, high = np.percentile([row.milliseconds for row in found], [5, 25, 50, 75, 95])
        rows.append({"retriever": name, "p5": low, "p25": first, "p50": middle, "p75": third, "p95": high})
    base = alt.Chart(alt.InlineData(values=rows)).encode(y=alt.Y("retriever:N", sort=None, title=None))
    line = base.mark_rule().encode(x=alt.X("p5:Q", title="milliseconds"), x2="p95:Q")
    box = base.mark_bar(size=14, color="#7fae86").encode(x=alt.X("p25:Q", title="milliseconds"), x2="p75:Q")
    tick = base.mark_tick(color="black", size=14).encode(x=alt.X("p50:Q", title="milliseconds"))
    return (line + box + tick).properties(width=WIDTH)


def _scores(report: Report, evaluation: Evaluation, metric: str) -> None:
    report.heading("Scores")
    report.chart(score_chart(evaluation, metric), f"Mean {metric} and its 95 % interval")
    names = [name for name in METRICS if name != metric]
    rows = []
    first = [row.metrics[metric] for row in next(iter(evaluation.runs.values()))]
    for place, (entry, found) in enumerate(zip(evaluation.summaries(), evaluation.runs.values(), strict=True)):
        values = [row.metrics[metric] for row in found]
        low, high = bootstrap_interval(values)
        against = (
            ""
            if place == 0
            else f"{compare(values, first).difference:+.4f} (p {compare(values, first).probability:.3f})"
        )
        rows.append(
            [entry["retriever"], entry["metrics"][metric], f"{low:.4f} to {high:.4f}", against,
             *(entry["metrics"][name] for name in names), entry["latency_ms"]["p50"], entry["latency_ms"]["p95"]]
        )  # fmt: skip
    report.table(["retriever", metric, "interval", "against the first", *names, "p50 ms", "p95 ms"], rows)
    report.chart(recall_chart(evaluation), "Relevant units found among the first k")
    report.chart(latency_chart(evaluation), "Time a question took")


def _changes(report: Report, changes: Sequence[Change], metric: str) -> None:
    report.heading("Against the baseline")
    rows = [
        [change.retriever, change.questions, change.before, change.now, change.comparison.difference,
         f"{change.comparison.interval[0]:+.4f} to {change.comparison.interval[1]:+.4f}", change.comparison.probability]
        for change in changes
    ]  # fmt: skip
    report.table(["retriever", "questions", f"{metric} before", "now", "difference", "interval", "probability"], rows)


def _groups(report: Report, evaluation: Evaluation, metric: str) -> None:
    for label, key in (("kind of question", "by_kind"), ("type of document", "by_type")):
        entries = {entry["retriever"]: entry[key] for entry in evaluation.summaries()}
        groups = list(next(iter(entries.values())))
        if not groups:
            continue
        report.heading(f"{metric} and recall@5 by {label}")
        rows = [
            [group, next(iter(entries.values()))[group]["queries"],
             *(entry[group]["metrics"][name] for entry in entries.values() for name in (metric, "recall@5"))]
            for group in groups
        ]  # fmt: skip
        report.table([label, "questions", *(f"{name} {m}" for name in entries for m in (metric, "recall@5"))], rows)


def _worst(report: Report, evaluation: Evaluation, metric: str) -> None:
    for name, rows in evaluation.runs.items():
        found = worst_rows(rows, metric, WORST)
        if found:
            report.heading(f"{name}: the worst questions, and what was found instead")
            columns = ["question", "kind", metric, "wanted", "found first"]
            report.table(
                columns,
                [[r.text, r.kind, r.metrics[metric], ", ".join(r.relevant), ", ".join(r.ranking[:3])] for r in found],
            )


def _every_question(report: Report, evaluation: Evaluation, metric: str) -> None:
    report.heading("Every question")
    runs = list(evaluation.runs.values())
    rows = [[row.text, row.kind, *(run[place].metrics[metric] for run in runs)] for place, row in enumerate(runs[0])]
    report.table(["question", "kind", *evaluation.runs], rows)


def _recall(rows: Sequence[Row], depth: int) -> float:
    values = [measure(row.ranking[:SHOWN], dict.fromkeys(row.relevant, 1), f"recall@{depth}") for row in rows]
    return sum(values) / max(1, len(values))
