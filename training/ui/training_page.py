"""The page "Training": start a run after a dry run, follow and stop it, go on, compare runs, use what came out.

show_training(open_place())
"""

import streamlit as st

from retrieval.errors import SaviaError
from training.ui.place import Place, show_error
from training.ui.run_compare import show_comparison
from training.ui.run_start import show_start
from training.ui.run_view import CHOSEN, show_run
from training.ui.runs import Run, list_known_runs

VIEWS = ("runs", "start", "compare")
ICONS = {"runs": ":material/show_chart:", "start": ":material/play_circle:", "compare": ":material/compare_arrows:"}
VIEW = "training view"
PHASE_ICONS = {
    "starting": ":material/hourglass_top:",
    "running": ":material/play_circle:",
    "stopping": ":material/hourglass_bottom:",
    "finished": ":material/check_circle:",
    "stopped": ":material/stop_circle:",
    "interrupted": ":material/power_off:",
    "failed": ":material/error:",
}


def show_training(place: Place) -> None:
    """The whole page for one domain; only the chosen part is drawn."""
    say = place.say
    st.markdown(f"## {say['page_training']}", anchors=False)
    runs = list_known_runs(place.settings.models_dir, place.layout, place.domain.name)
    wanted = st.session_state.pop("training view wanted", None)
    if wanted:
        st.session_state[VIEW] = wanted
    elif VIEW not in st.session_state:
        st.session_state[VIEW] = "runs" if runs else "start"
    chosen = st.segmented_control(
        say["view"],
        VIEWS,
        required=True,
        format_func=lambda view: f"{ICONS[view]} {say['view_' + view]}",
        key=VIEW,
        label_visibility="collapsed",
    )
    try:
        if chosen == "start":
            show_start(place)
        elif not runs:
            st.info(say["no_runs"], icon=":material/model_training:")
        elif chosen == "compare":
            show_comparison(runs, say)
        else:
            _show_runs(place, runs)
    except SaviaError as error:
        show_error(error)


def _show_runs(place: Place, runs: list[Run]) -> None:
    """The list on the left, the chosen run on the right."""
    say = place.say
    names = [run.name for run in runs]
    if st.session_state.get(CHOSEN) not in names:
        st.session_state[CHOSEN] = names[0]
    phases = {run.name: run.phase for run in runs}
    left, right = st.columns((1, 3), gap="large")
    with left:
        name = st.radio(
            say["runs"],
            names,
            format_func=lambda name: f"{PHASE_ICONS[phases[name]]} {name}",
            captions=[say["phase_" + run.phase] for run in runs],
            key=CHOSEN,
        )
    with right:
        show_run(place, runs[names.index(name or names[0])])
