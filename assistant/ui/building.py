"""Builds an index from the page: a child process runs the command line, the page follows its log.

    offer_build(Index(domain, settings), say)       # a button, then a progress bar, then the page starts again

As soon as a view is published (words only, within seconds) the page can answer; the child goes on embedding.
"""

import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator as Slot

from assistant.ui.child import last_words, read_tail, start_child
from assistant.ui.safe_markdown import safe_text
from assistant.ui.strings import Words
from retrieval.index import Index
from retrieval.lock import is_being_written
from retrieval.view import current_view_name

POLL = 0.25  # seconds between two looks at the log

_STAGES = {
    "Reading documents": "building_read",
    "Embedding passages": "building_embed",
    "Writing to Chroma": "building_add",
    "Removing old passages": "building_delete",
}
_PROGRESS = re.compile(rf"({'|'.join(_STAGES)})\D*?(\d+)/(\d+)")


@dataclass(frozen=True, slots=True)
class Stage:
    """How far a sync is: `name` is a key of the page's strings."""

    name: str
    done: int
    total: int


def offer_build(index: Index, say: Words, verb: str = "sync") -> None:
    """A button that builds the index; while a build runs, its progress instead. Starts the page anew when it can answer."""
    process = builds().get(index.folder)
    running = process is not None or is_being_written(index.folder)
    label, icon = say["build_index"], ":material/build:"
    st.button(label, type="primary", icon=icon, key="build", disabled=running, on_click=_start, args=(index, verb))
    place = st.empty()
    st.caption(say["by_command"])
    st.code(f"savia index {verb} --domain {index.domain.name}", language=None)
    if running:
        _follow(index, process, place, say)


def start_build(index: Index, verb: str = "sync") -> subprocess.Popen[bytes]:
    """Run `savia index sync` as a child whose progress goes to a log beside the index."""
    arguments = ["index", verb, "--domain", index.domain.name]
    process = start_child(arguments, _log(index), index.settings.home)
    builds()[index.folder] = process
    return process


@st.cache_resource(show_spinner=False)
def builds() -> dict[Path, "subprocess.Popen[bytes]"]:
    """The children by index folder, for every session of the page: a build outlives the tab that started it."""
    return {}


def _start(index: Index, verb: str) -> None:
    start_build(index, verb)


def read_stage(log: Path) -> Stage | None:
    """The latest progress that the log shows."""
    found = _PROGRESS.findall(read_tail(log))
    if not found:
        return None
    name, done, total = found[-1]
    return Stage(_STAGES[name], int(done), int(total))


def _follow(index: Index, process: "subprocess.Popen[bytes] | None", place: Slot, say: Words) -> None:
    before = current_view_name(index.folder)
    place.progress(0.0, text=say["building"])
    while process.poll() is None if process else is_being_written(index.folder):
        stage = read_stage(_log(index))
        if stage and stage.total:
            text = f"{say[stage.name]} · {stage.done} / {stage.total}"
            place.progress(min(1.0, stage.done / stage.total), text=text)
        if current_view_name(index.folder) != before:
            st.rerun()
        time.sleep(POLL)
    builds().pop(index.folder, None)
    if process is not None and process.returncode:
        place.error(f"{say['build_failed']} {safe_text(last_words(_log(index)))}", icon=":material/error:")
        return
    st.rerun()


def _log(index: Index) -> Path:
    return index.folder.parent / "index.log"
