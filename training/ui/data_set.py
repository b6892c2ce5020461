"""The page "Data set": what changed since the last build and one button, counts and plots, review of rows.

show_data_set(open_place())
"""

import streamlit as st

from retrieval.errors import SaviaError
from training.ui.data_set_build import show_build
from training.ui.data_set_figures import show_figures
from training.ui.data_set_review import show_review
from training.ui.data_set_rows import Row, read_rows
from training.ui.place import Place, show_error, stamp

VIEWS = ("build", "figures", "review")
ICONS = {"build": ":material/build:", "figures": ":material/bar_chart:", "review": ":material/rate_review:"}


def show_data_set(place: Place) -> None:
    """The whole page for one domain; only the chosen part is drawn."""
    say = place.say
    st.markdown(f"## {say['page_data_set']}", anchors=False)
    chosen = st.segmented_control(
        say["view"],
        VIEWS,
        default="build",
        required=True,
        format_func=lambda view: f"{ICONS[view]} {say['view_' + view]}",
        key="data set view",
        label_visibility="collapsed",
    )
    try:
        if chosen == "build":
            show_build(place)
            return
        rows = open_rows(place)
        if not rows:
            st.info(say["no_rows"], icon=":material/dataset:")
        elif chosen == "figures":
            show_figures(rows, say)
        else:
            show_review(place, rows)
    except SaviaError as error:
        show_error(error)


def open_rows(place: Place) -> tuple[Row, ...]:
    """The last build's rows, read again when a build has written others."""
    layout = place.layout
    return _read_once(place, str(layout.root.resolve()), stamp(layout.root / "build.json", layout.split("train")))


@st.cache_resource(max_entries=4, show_spinner=False)
def _read_once(_place: Place, root: str, changed: tuple[int, ...]) -> tuple[Row, ...]:
    return read_rows(_place.layout)
