"""The stored evaluations of one kind of question over time, a line for each retriever.

show_over_time(read_evaluations(folder), words("es"))
"""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from assistant.ui.strings import Words
from retrieval.evaluation import Evaluation
from retrieval.metrics import METRICS

HEIGHT = 320  # pixels


def show_over_time(evaluations: Sequence[Evaluation], say: Words) -> None:
    """A chart and its numbers; evaluations of different splits are never in one line."""
    if not evaluations:
        st.info(say["no_evaluation"], icon=":material/query_stats:")
        return
    left, right = st.columns((1, 1))
    splits = list(dict.fromkeys(evaluation.split for evaluation in evaluations))
    split = left.selectbox(say["split"], splits, key="time split")
    metric = right.selectbox(say["metric"], METRICS, key="time metric")
    rows = over_time([one for one in evaluations if one.split == split], metric)
    st.altair_chart(_chart(rows, metric))
    columns = {"made": say["made"], "retriever": say["retriever"], "questions": say["questions"], "value": metric}
    st.dataframe([{columns[name]: value for name, value in row.items()} for row in rows], hide_index=True)


def over_time(evaluations: Sequence[Evaluation], metric: str) -> list[dict[str, Any]]:
    """A row for each retriever of each evaluation, oldest first."""
    return [
        {
            "made": evaluation.made,
            "retriever": entry["retriever"],
            "questions": entry["queries"],
            "value": round(entry["metrics"][metric], 4),
        }
        for evaluation in sorted(evaluations, key=lambda one: one.made)
        for entry in evaluation.summaries()
    ]


def _chart(rows: list[dict[str, Any]], metric: str) -> Any:
    import altair as alt

    return (
        alt.Chart(alt.InlineData(values=rows))
        .mark_line(point=True)
        .encode(
            x=alt.X("made:T", title=None),
            y=alt.Y("value:Q", title=metric, scale=alt.Scale(zero=False)),
            color=alt.Color("retriever:N", sort=None),
            tooltip=["made:N", "retriever:N", "questions:Q", "value:Q"],
        )
        .properties(height=HEIGHT)
    )
