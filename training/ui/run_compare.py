"""Runs beside each other: their losses in one plot, their figures, and the settings in which they differ.

show_comparison(runs, say)
"""

from collections.abc import Sequence

import streamlit as st

from training.ui.runs import Run, curves, figures_of, read_metrics, recipe_differences
from training.ui.strings import Words

AT_FIRST = 3  # runs compared until others are chosen
MOST = 8  # lines that can still be told apart
HEIGHT = 340  # pixels
RUN_COLORS = ["#2f7d4f", "#e0a13c", "#5b7fb8", "#a8574a", "#7a5ea8", "#3b9c9c", "#8a8f3c", "#6b6b6b"]  # as many as MOST


def show_comparison(runs: Sequence[Run], say: Words) -> None:
    """Choose runs, then plot and tables."""
    names = [run.name for run in runs]
    chosen = st.multiselect(say["runs"], names, names[:AT_FIRST], max_selections=MOST, key="compared runs")
    picked = [run for run in runs if run.name in chosen]
    if len(picked) < 2:
        st.info(say["choose_two"], icon=":material/compare_arrows:")
        return
    _show_curves(picked, say)
    st.markdown(f"#### {say['figures']}", anchors=False)
    st.dataframe(
        [{"": run.name, **{k: round(v, 4) for k, v in figures_of(run).items()}} for run in picked], hide_index=True
    )
    st.markdown(f"#### {say['differences']}", anchors=False)
    differences = recipe_differences(picked)
    if differences:
        st.dataframe(differences, hide_index=True)
    else:
        st.caption(say["no_differences"])


def _show_curves(runs: Sequence[Run], say: Words) -> None:
    import altair

    names = {"loss": say["loss"], "eval_loss": say["eval_loss"]}
    points = curves((run.name, read_metrics(run.folder)) for run in runs)
    shown = [{**point, "curve": names[point["curve"]]} for point in points]
    if not shown:
        st.caption(say["no_curve"])
        return
    chart = altair.Chart(altair.InlineData(values=shown)).mark_line()
    chart = chart.encode(
        x=altair.X("step:Q", title=say["step"], axis=altair.Axis(tickMinStep=1, format="d")),
        y=altair.Y("loss:Q", title=say["loss"], scale=altair.Scale(zero=False)),
        color=altair.Color(
            "run:N", title=None, scale=altair.Scale(range=RUN_COLORS), legend=altair.Legend(orient="top")
        ),
        strokeDash=altair.StrokeDash("curve:N", title=None, legend=altair.Legend(orient="top")),
        tooltip=["run:N", "curve:N", "step:Q", "loss:Q"],
    ).properties(height=HEIGHT)
    st.altair_chart(chart)
