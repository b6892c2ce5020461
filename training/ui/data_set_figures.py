"""What the data set holds, in plots: rows by type, section, task and origin, lengths, and what was left out and why.

show_figures(rows, say)
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import streamlit as st

from training.data_preparation.quality import Drop, reason_counts
from training.ui.data_set_rows import Row, count_by, count_by_section, count_lengths
from training.ui.strings import Words

MOST_BARS = 20  # names in one plot; the rest is joined in one bar
BAR = 20  # pixels of one bar
LABEL = 170  # pixels of its name
COLORS = ["#2f7d4f", "#e0a13c", "#5b7fb8"]  # train, validation, test


def show_figures(rows: Sequence[Row], say: Words) -> None:
    """All plots, two beside each other."""
    left_out = [row for row in rows if row.left_out]
    st.caption(say["figures_of"].format(rows=len(rows) - len(left_out), left_out=len(left_out)))
    plots = [(name, count_by(rows, name)) for name in ("type", "task", "origin")]
    plots.insert(1, ("section", count_by_section(rows)))
    columns = st.columns(2, gap="large")
    for place, (name, bars) in enumerate(plots):
        with columns[place % 2]:
            _show_bars(say["by_" + name], bars, say)
    with columns[0]:
        _show_lengths(count_lengths(rows), say)
    with columns[1]:
        _show_drops(left_out, say)


def join_rare(bars: Sequence[dict[str, Any]], rest: str, most: int = MOST_BARS) -> list[dict[str, Any]]:
    """Bars whose names beyond the `most` frequent are joined under `rest`."""
    totals: Counter[str] = Counter()
    for bar in bars:
        totals[bar["name"]] += bar["rows"]
    kept = {name for name, _ in totals.most_common(most)}
    joined: Counter[tuple[str, str]] = Counter()
    for bar in bars:
        joined[bar["part"], bar["name"] if bar["name"] in kept else rest] += bar["rows"]
    return [{"part": part, "name": name, "rows": count} for (part, name), count in joined.items()]


def _show_bars(title: str, bars: list[dict[str, Any]], say: Words) -> None:
    import altair

    st.markdown(f"##### {title}", anchors=False)
    if not bars:
        st.caption(say["nothing"])
        return
    shown = [{**bar, "part": say["part_" + bar["part"]]} for bar in join_rare(bars, say["rest"])]
    chart = altair.Chart(altair.InlineData(values=shown)).mark_bar()
    chart = chart.encode(
        x=altair.X("rows:Q", title=say["rows"]),
        y=altair.Y("name:N", sort="-x", title=None, axis=altair.Axis(labelLimit=LABEL, labelOverlap=False)),
        color=_part_color(say),
        tooltip=["name:N", "part:N", "rows:Q"],
    ).properties(height=altair.Step(BAR))
    st.altair_chart(chart)


def _show_lengths(bins: list[dict[str, Any]], say: Words) -> None:
    import altair

    st.markdown(f"##### {say['lengths']}", anchors=False)
    shown = [{**one, "part": say["part_" + one["part"]]} for one in bins]
    chart = altair.Chart(altair.InlineData(values=shown)).mark_bar(size=8)
    chart = chart.encode(
        x=altair.X("tokens:Q", title=say["tokens"]),
        y=altair.Y("rows:Q", title=say["rows"]),
        color=_part_color(say),
        tooltip=["tokens:Q", "part:N", "rows:Q"],
    ).properties(height=260)
    st.altair_chart(chart)


def _show_drops(left_out: Sequence[Row], say: Words) -> None:
    import altair

    st.markdown(f"##### {say['drops']}", anchors=False)
    counts = reason_counts(Drop(row.example, row.left_out) for row in left_out)
    if not counts:
        st.caption(say["no_drops"])
        return
    bars = [{"reason": reason, "rows": count} for reason, count in list(counts.items())[:MOST_BARS]]
    chart = altair.Chart(altair.InlineData(values=bars)).mark_bar(color="#a8574a")
    chart = chart.encode(
        x=altair.X("rows:Q", title=say["rows"]),
        y=altair.Y("reason:N", sort="-x", title=None, axis=altair.Axis(labelLimit=LABEL, labelOverlap=False)),
        tooltip=["reason:N", "rows:Q"],
    ).properties(height=altair.Step(BAR))
    st.altair_chart(chart)


def _part_color(say: Words) -> Any:
    import altair

    names = [say["part_train"], say["part_validation"], say["part_test"]]
    return altair.Color(
        "part:N", title=None, scale=altair.Scale(domain=names, range=COLORS), legend=altair.Legend(orient="top")
    )
