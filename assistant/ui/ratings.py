"""What people thought of answers: each rating with a line for the gold questions that can be copied.

show_ratings(build_folder, "herbolaria", words("es"))
"""

from pathlib import Path

import streamlit as st

from assistant.feedback import Feedback, feedback_path, gold_line, read_feedback, share_liked
from assistant.ui.safe_markdown import safe_text
from assistant.ui.strings import Words

MOST_SHOWN = 100


def show_ratings(build: Path, domain: str, say: Words) -> None:
    """The newest ratings first, bad ones alone where that is wished; all of them as a file."""
    feedback = read_feedback(feedback_path(build))
    if not feedback:
        st.info(say["no_ratings"], icon=":material/thumbs_up_down:")
        return
    st.caption(say["ratings_more"])
    st.markdown(say["ratings_state"].format(count=len(feedback), percent=round(100 * share_liked(feedback))))
    if st.toggle(say["only_bad"], key="only bad"):
        feedback = [one for one in feedback if not one.good]
    for one in feedback[:MOST_SHOWN]:
        _show_rating(one, say)
    st.download_button(
        say["download_gold"],
        data="".join(f"{gold_line(one)}\n" for one in feedback).encode("utf-8", "replace"),
        file_name=f"questions-{domain}-candidates.jsonl",
        mime="application/x-ndjson",
        icon=":material/download:",
        on_click="ignore",
    )


def _show_rating(feedback: Feedback, say: Words) -> None:
    thumb = ":green[:material/thumb_up:]" if feedback.good else ":red[:material/thumb_down:]"
    writer = " · ".join(safe_text(text) for text in (feedback.asked.replace("T", " "), feedback.model) if text)
    with st.container(border=True):
        st.markdown(f"{thumb} {safe_text(feedback.question)}")
        st.caption(f"{writer}  \n{say['gold_line']}")
        st.code(gold_line(feedback), language=None, wrap_lines=True)
        if not feedback.good:
            st.caption(say["fill_relevant"])
