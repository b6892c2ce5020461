"""The page "Evaluation": run an evaluation of retrieval, read its result, compare it over time, try a question, read ratings.

show_evaluation(assistant, settings, words("es"))
"""

from collections import Counter
from pathlib import Path

import streamlit as st

from assistant.answer import Assistant
from assistant.ui.evaluation_result import show_result
from assistant.ui.evaluation_run import offer_run
from assistant.ui.evaluation_time import show_over_time
from assistant.ui.ratings import show_ratings
from assistant.ui.safe_markdown import safe_text
from assistant.ui.search_lab import PART, show_lab
from assistant.ui.strings import Words
from retrieval.domain import Domain
from retrieval.errors import SaviaError
from retrieval.evaluation import Evaluation, list_evaluations, read_evaluation
from retrieval.settings import RetrievalSettings

PARTS = ("result", "time", "lab", "ratings")
MOST_READ = 40  # evaluations, the newest ones
MOST_KEPT = 60  # read evaluations in memory


def show_evaluation(assistant: Assistant, settings: RetrievalSettings, say: Words) -> None:
    """The whole page; `settings` are those of the assistant's domain."""
    st.markdown(f"## {say['page_evaluation']}", anchors=False)
    try:
        questions = _count_questions(assistant.domain)
    except SaviaError as error:
        st.error(safe_text(str(error)), icon=":material/error:")
        return
    if questions["all"]:
        offer_run(settings, questions, say)
    else:
        st.info(say["no_gold"], icon=":material/quiz:")
        st.code(f"savia evaluate propose --domain {assistant.domain.name}", language=None)
    build = settings.build_dir / assistant.domain.name
    evaluations = read_evaluations(build / "evaluations")
    st.session_state.setdefault(PART, PARTS[0])
    part = st.segmented_control(
        say["page_evaluation"], PARTS, format_func=lambda name: say[f"part_{name}"], key=PART,
        label_visibility="collapsed", required=True,
    )  # fmt: skip
    match part:
        case "time":
            show_over_time(evaluations, say)
        case "lab":
            show_lab(assistant, settings, evaluations, say)
        case "ratings":
            show_ratings(build, assistant.domain.name, say)
        case _:
            show_result(evaluations, say)


def read_evaluations(folder: Path) -> list[Evaluation]:
    """The stored ones, newest first; files that are no evaluation of retrieval are left out."""
    found = []
    for path in list_evaluations(folder)[:MOST_READ]:
        try:
            found.append(_read(path, path.stat().st_mtime_ns))
        except (SaviaError, OSError):
            continue
    return [evaluation for evaluation in found if evaluation.runs and all(evaluation.runs.values())]


@st.cache_resource(max_entries=MOST_KEPT, show_spinner=False)
def _read(path: Path, changed: int) -> Evaluation:
    return read_evaluation(path)


def _count_questions(domain: Domain) -> dict[str, int]:
    """Gold questions by split. Raises `DomainInvalid`."""
    counts = Counter(question.split for question in domain.questions())
    return {"test": counts["test"], "calibration": counts["calibration"], "all": counts.total()}
