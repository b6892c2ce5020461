"""One stored evaluation on the page: scores, kinds of questions, the worst ones, every question, the report as a file.

show_result(read_evaluations(folder), words("es"))
"""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from assistant.ui.safe_markdown import safe_text
from assistant.ui.search_lab import open_lab
from assistant.ui.strings import Words
from retrieval.errors import SaviaError
from retrieval.evaluate import worst_rows
from retrieval.evaluation import Change, Evaluation, compare_with
from retrieval.evaluation_report import build_report, latency_chart, recall_chart, score_chart
from retrieval.metrics import METRICS
from retrieval.significance import bootstrap_interval

WORST = 10
MOST_UNASKED = 200  # sections listed


def show_result(evaluations: Sequence[Evaluation], say: Words) -> None:
    """The chosen evaluation, against an earlier one where that is wished."""
    if not evaluations:
        st.info(say["no_evaluation"], icon=":material/query_stats:")
        return
    evaluation, baseline, metric = _choose(evaluations, say)
    changes = _changes(baseline, evaluation, metric, say) if baseline else []
    _show_scores(evaluation, metric, say)
    if changes:
        _show_changes(changes, metric, say)
    for key in ("by_kind", "by_type"):
        _show_groups(evaluation, metric, key, say)
    _show_worst(evaluation, metric, say)
    _show_questions(evaluation, metric, say)
    _show_unasked(evaluation, say)
    st.download_button(
        say["download_report"],
        data=lambda: build_report(evaluation, metric, changes).as_html().encode("utf-8", "replace"),
        file_name=f"evaluation-{evaluation.task}-{evaluation.made.replace(':', '')}.html",
        mime="text/html",
        icon=":material/download:",
        on_click="ignore",
    )


def name_of(evaluation: Evaluation) -> str:
    """`2026-11-21 10:15 · test · bm25, hybrid`."""
    return f"{evaluation.made.replace('T', ' ')} · {evaluation.split} · {', '.join(evaluation.runs)}"


def _choose(evaluations: Sequence[Evaluation], say: Words) -> tuple[Evaluation, Evaluation | None, str]:
    by_time = {evaluation.made: evaluation for evaluation in evaluations}
    left, middle, right = st.columns((3, 3, 1))
    times = list(by_time)

    def label(made: str) -> str:
        return name_of(by_time[made]) if made in by_time else say["nothing_to_compare"]

    chosen = left.selectbox(say["evaluation"], times, format_func=label, key="evaluation")
    others = ["", *(made for made in times if made != chosen)]
    baseline = middle.selectbox(say["baseline"], others, format_func=label, key="baseline")
    metric = right.selectbox(say["metric"], METRICS, key="metric")
    return by_time[chosen], by_time.get(baseline), metric


def _changes(baseline: Evaluation, evaluation: Evaluation, metric: str, say: Words) -> list[Change]:
    try:
        return compare_with(baseline, evaluation, metric)
    except SaviaError:
        st.warning(say["not_comparable"], icon=":material/compare_arrows:")
        return []


def _show_scores(evaluation: Evaluation, metric: str, say: Words) -> None:
    rows = []
    for entry, found in zip(evaluation.summaries(), evaluation.runs.values(), strict=True):
        low, high = bootstrap_interval([row.metrics[metric] for row in found])
        rows.append(
            {say["retriever"]: entry["retriever"], say["questions"]: entry["queries"],
             metric: round(entry["metrics"][metric], 4), say["interval"]: f"{low:.4f} – {high:.4f}",
             **{name: round(entry["metrics"][name], 4) for name in METRICS if name != metric},
             "p50 ms": round(entry["latency_ms"]["p50"], 1), "p95 ms": round(entry["latency_ms"]["p95"], 1)}
        )  # fmt: skip
    st.dataframe(rows, hide_index=True)
    left, right = st.columns(2, gap="large")
    with left:
        st.altair_chart(score_chart(evaluation, metric))
        st.altair_chart(latency_chart(evaluation))
    right.altair_chart(recall_chart(evaluation))


def _show_changes(changes: Sequence[Change], metric: str, say: Words) -> None:
    st.markdown(f"##### {say['against_baseline']}")
    rows = [
        {say["retriever"]: change.retriever, say["questions"]: change.questions,
         f"{metric} {say['before']}": round(change.before, 4), f"{metric} {say['now']}": round(change.now, 4),
         say["difference"]: round(change.comparison.difference, 4),
         say["interval"]: f"{change.comparison.interval[0]:+.4f} – {change.comparison.interval[1]:+.4f}",
         "p": round(change.comparison.probability, 4)}
        for change in changes
    ]  # fmt: skip
    st.dataframe(rows, hide_index=True)


def _show_groups(evaluation: Evaluation, metric: str, key: str, say: Words) -> None:
    entries = {entry["retriever"]: entry[key] for entry in evaluation.summaries()}
    groups: dict[str, Any] = next(iter(entries.values()))
    if not groups:
        return
    st.markdown(f"##### {say[key]}")
    rows = [
        {say[key]: group, say["questions"]: found["queries"],
         **{name: round(entry[group]["metrics"][metric], 4) for name, entry in entries.items()}}
        for group, found in groups.items()
    ]  # fmt: skip
    st.dataframe(rows, hide_index=True)


def _show_worst(evaluation: Evaluation, metric: str, say: Words) -> None:
    st.markdown(f"##### {say['worst']}")
    names = list(evaluation.runs)
    name = st.selectbox(say["retriever"], names, index=len(names) - 1, key="worst of")
    for row in worst_rows(evaluation.runs[name], metric, WORST):
        left, right = st.columns((7, 1), vertical_alignment="center")
        wanted, found = (safe_text(", ".join(units)) for units in (row.relevant, row.ranking[:3]))
        left.markdown(f"**{row.metrics[metric]:.2f}** · {safe_text(row.text)}")
        left.caption(say["wanted_found"].format(wanted=wanted, found=found or "—"))
        right.button(
            say["try_it"], icon=":material/science:", key=f"try {name} {row.query}", on_click=open_lab, args=(row.text,)
        )


def _show_questions(evaluation: Evaluation, metric: str, say: Words) -> None:
    """Every question with its value for each retriever; a click on a row opens it in the laboratory."""
    st.markdown(f"##### {say['every_question']}")
    st.caption(say["click_row"])
    runs = list(evaluation.runs.values())
    rows = [
        {say["question"]: row.text, say["kind"]: row.kind,
         **{name: round(found[place].metrics[metric], 4) for name, found in evaluation.runs.items()}}
        for place, row in enumerate(runs[0])
    ]  # fmt: skip
    key = f"questions {evaluation.made}"

    def open_row() -> None:
        selected = st.session_state[key].selection.rows
        if selected:
            open_lab(runs[0][selected[0]].text)

    st.dataframe(rows, hide_index=True, key=key, on_select=open_row, selection_mode="single-row", height=320)


def _show_unasked(evaluation: Evaluation, say: Words) -> None:
    if evaluation.unasked:
        with st.expander(say["unasked"].format(count=len(evaluation.unasked)), icon=":material/visibility_off:"):
            st.code("\n".join(evaluation.unasked[:MOST_UNASKED]), language=None)
