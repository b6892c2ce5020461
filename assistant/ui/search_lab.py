"""The search laboratory: what bm25, exact and hybrid find for one question, side by side, with their scores.

open_lab("¿para qué sirve la sábila?")        # in a callback: the page shows the laboratory with that question
"""

from collections.abc import Sequence

import streamlit as st

from assistant.answer import MAX_QUESTION, Assistant
from assistant.ui.links import document_address, link_resolver
from assistant.ui.resources import open_embedder
from assistant.ui.safe_markdown import safe_markdown, safe_text
from assistant.ui.strings import Words
from retrieval.errors import SaviaError
from retrieval.evaluation import Evaluation
from retrieval.index import Index
from retrieval.retrievers import Hit
from retrieval.settings import RetrievalSettings
from retrieval.variants import build_variant, parse_variant

RETRIEVERS = ("bm25", "exact", "hybrid")
LIMIT = 8  # passages of each
QUESTION, PART = "lab question", "evaluation part"  # keys of the session's state


def open_lab(question: str) -> None:
    """Show a question in the laboratory; for callbacks."""
    st.session_state[QUESTION] = question
    st.session_state[PART] = "lab"


def show_lab(assistant: Assistant, settings: RetrievalSettings, evaluations: Sequence[Evaluation], say: Words) -> None:
    """A question and what each retriever finds for it; the sections that a gold question wants are marked."""
    typed = st.text_input(say["lab_question"], key=QUESTION, max_chars=MAX_QUESTION, persist_state="session")
    question = str(typed or "").strip()
    if not question:
        st.caption(say["lab_more"])
        return
    wanted = _wanted(question, evaluations)
    if wanted:
        st.caption(say["lab_wanted"].format(sections=safe_text(", ".join(wanted))))
    for name, column in zip(RETRIEVERS, st.columns(len(RETRIEVERS), gap="medium"), strict=True):
        with column:
            st.markdown(f"##### {name}")
            try:
                hits = find_hits(name, question, assistant, settings)
            except SaviaError as error:
                st.warning(safe_text(str(error)), icon=":material/warning:")
                continue
            for hit in hits:
                _show_hit(hit, hit.passage.section_id in wanted, assistant, say)
            if not hits:
                st.caption(say["found_none"])


def find_hits(name: str, question: str, assistant: Assistant, settings: RetrievalSettings) -> list[Hit]:
    """The first passages of one retriever over the assistant's own view. Raises `UsageError` where there are no vectors."""
    index = Index(assistant.domain, settings)
    retriever = build_variant(parse_variant(name), index, assistant.view, open_embedder(settings))
    return retriever.search(question, LIMIT)


def _wanted(question: str, evaluations: Sequence[Evaluation]) -> tuple[str, ...]:
    rows = (row for one in evaluations for found in one.runs.values() for row in found)
    return next((row.relevant for row in rows if row.text == question), ())


def _show_hit(hit: Hit, wanted: bool, assistant: Assistant, say: Words) -> None:
    scores = " · ".join(f"{safe_text(name)} {score:.3f}" for name, score in {"": hit.score, **hit.scores}.items())
    mark = ":green[:material/check_circle:] " if wanted else ""
    with st.container(border=True):
        st.markdown(f"{mark}**{hit.rank}.** {safe_text(hit.document.title)}")
        st.caption(f"{safe_text(hit.passage.section_id)}  \n{scores}")
        with st.expander(say["passage"]):
            link = link_resolver(assistant.domain.name, hit.passage.document_id)
            st.markdown(safe_markdown(hit.passage.text, link=link))
            address = document_address(assistant.domain.name, hit.passage.document_id)
            st.caption(f"[{say['open_document']}](<{address}>)")
