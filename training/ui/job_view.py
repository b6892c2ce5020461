"""A job on the page: how far it is, the end of its log, and the buttons that stop it; looked at once a second.

show_job(place.job("dataset-build"), say, read_progress)
"""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from assistant.ui.safe_markdown import safe_text
from training.jobs import Job, JobState
from training.ui.strings import Words

POLL = 1.0  # seconds between two looks


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is: a text that is safe in Markdown, and a share from 0 to 1."""

    text: str
    share: float


ReadProgress = Callable[[], Progress | None]


def show_job(job: Job, say: Words, read_progress: ReadProgress, log: bool = True) -> JobState | None:
    """Draw the job; while it is going it is drawn anew every second, and the whole page when it ends. Returns its state."""
    state = job.read()
    if state is None:
        return None
    if state.going:
        st.fragment(_show_going, run_every=POLL)(job, say, read_progress)
    else:
        _show_ended(job, state, say)
        if log:
            show_log(job, say)
    return state


def show_log(job: Job, say: Words) -> None:
    """The command and what it printed, folded away."""
    state = job.read()
    with st.expander(say["log"], icon=":material/terminal:"):
        if state:
            st.code(" ".join(state.command), language=None, wrap_lines=True)
        st.code(job.read_log() or "…", language=None, wrap_lines=True, height=260)


def _show_going(job: Job, say: Words, read_progress: ReadProgress) -> None:
    state = job.read()
    if state is None or not state.going:
        st.rerun()
        return
    progress = read_progress()
    text = say["job_stopping"] if state.phase == "stopping" else say["job_running"].format(began=_clock(state.began))
    st.progress(progress.share if progress else 0.0, text=f"{text} {progress.text if progress else ''}")
    name = job.folder.name
    with st.container(horizontal=True):
        if state.phase == "running":
            st.button(say["stop"], icon=":material/stop_circle:", key=f"stop {name}", on_click=job.stop)
        else:
            st.button(say["kill"], icon=":material/dangerous:", key=f"kill {name}", on_click=job.kill)
        st.caption(say["closing_is_safe"])
    show_log(job, say)


def _show_ended(job: Job, state: JobState, say: Words) -> None:
    match state.phase:
        case "done":
            st.caption(f":material/check_circle: {say['job_done']}")
        case "stopped":
            st.info(say["job_stopped"], icon=":material/stop_circle:")
        case "killed":
            st.warning(say["job_killed"], icon=":material/power_off:")
        case _:
            st.error(f"{say['job_failed']} {safe_text(job.last_words())}", icon=":material/error:")


def _clock(began: str) -> str:
    return safe_text(began.partition("T")[2])
