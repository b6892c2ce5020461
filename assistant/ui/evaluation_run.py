"""Runs `savia evaluate retrieval` from the page and follows it to its end.

offer_run(settings, questions=219, say=words("es"))      # retrievers, questions, a button; then the progress
"""

import re
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator as Slot

from assistant.ui.child import last_words, read_tail, start_child
from assistant.ui.safe_markdown import safe_text
from assistant.ui.strings import Words
from retrieval.retrievers import NAMES
from retrieval.settings import RetrievalSettings

POLL = 0.25  # seconds between two looks at the log
SPLITS = ("test", "calibration", "all")
_PROGRESS = re.compile(r"(\d+)/(\d+)")


def offer_run(settings: RetrievalSettings, questions: Mapping[str, int], say: Words) -> None:
    """The form; while an evaluation runs, its progress instead. `questions` counts the gold questions of each split."""
    running = runs().get(settings.domain)
    left, middle, right = st.columns((3, 2, 1), vertical_alignment="bottom")
    retrievers = left.multiselect(say["retrievers"], NAMES, default=["bm25", "hybrid"], key="retrievers")
    split = middle.selectbox(
        say["split"], SPLITS, format_func=lambda name: f"{say[f'split_{name}']} ({questions[name]})", key="split"
    )
    usable = bool(retrievers and questions[split] and running is None)
    arguments = _arguments(settings.domain, retrievers, split)
    right.button(
        say["run_evaluation"], type="primary", icon=":material/play_arrow:", key="evaluate", disabled=not usable,
        on_click=start_run, args=(settings, arguments),
    )  # fmt: skip
    place = st.empty()
    st.caption(f"{say['by_command']} `savia {' '.join(arguments)}`")
    if running is not None:
        _follow(settings, running, place, say)


def start_run(settings: RetrievalSettings, arguments: list[str]) -> None:
    """Start it, unless one is running on this domain."""
    if settings.domain not in runs():
        runs()[settings.domain] = start_child(arguments, _log(settings), settings.home)


@st.cache_resource(show_spinner=False)
def runs() -> dict[str, "subprocess.Popen[bytes]"]:
    """The children by domain, for every session of the page."""
    return {}


def _arguments(domain: str, retrievers: list[str], split: str) -> list[str]:
    chosen = [part for name in retrievers for part in ("--retriever", name)]
    return ["evaluate", "retrieval", "--domain", domain, "--split", split, *chosen]


def _follow(settings: RetrievalSettings, process: "subprocess.Popen[bytes]", place: Slot, say: Words) -> None:
    place.progress(0.0, text=say["evaluating"])
    while process.poll() is None:
        found = _PROGRESS.findall(read_tail(_log(settings)))
        if found and int(found[-1][1]):
            done, total = map(int, found[-1])
            place.progress(min(1.0, done / total), text=f"{say['evaluating']} {done} / {total}")
        else:
            place.progress(0.0, text=say["evaluating"])
        time.sleep(POLL)
    runs().pop(settings.domain, None)
    if process.returncode:
        place.error(f"{say['evaluation_failed']} {safe_text(last_words(_log(settings)))}", icon=":material/error:")
        return
    st.session_state.pop("evaluation", None)  # the newest is shown
    st.rerun()


def _log(settings: RetrievalSettings) -> Path:
    return settings.build_dir / settings.domain / "evaluation.log"
