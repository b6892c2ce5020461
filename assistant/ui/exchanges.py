"""A question with its answer, or with two answers side by side, as the chat shows them.

show_exchange(Exchange(answer), place=0, page=ChatPage(assistant, say), newest=True)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from assistant.answer import Answer, Assistant
from assistant.feedback import append_feedback, rate
from assistant.messages import Source
from assistant.safety import Notice
from assistant.ui.safe_markdown import safe_markdown, safe_text
from assistant.ui.sources import heading, show_sources
from assistant.ui.strings import Words, number
from retrieval.errors import SaviaError

AVATARS = {"user": ":material/person:", "assistant": ":material/eco:"}
COLUMNS = (11, 8)  # the answer and, beside it, its passages


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question with its answer, whole or as far as it came; `problem` says why it broke off.

    `asked` is the local time in ISO 8601; `other` is the second answer of a comparison.
    """

    answer: Answer
    problem: str = ""
    asked: str = ""
    other: "Exchange | None" = None


@dataclass(frozen=True)
class ChatPage:
    """What every part of the chat needs: the domain, the words, and where ratings are kept (None: answers are not rated)."""

    assistant: Assistant
    say: Words
    ratings: Path | None = None


def show_exchange(exchange: Exchange, place: int, page: ChatPage, newest: bool) -> None:
    if exchange.other is not None:
        _show_compared(exchange, exchange.other, place, page)
        return
    left, right = st.columns(COLUMNS, gap="large")
    with left:
        show_question(exchange.answer.question)
        with st.chat_message("assistant", avatar=AVATARS["assistant"]):
            show_search(exchange.answer, page.say)
            show_notices(exchange.answer.red_flags, page)
            show_reasoning(exchange.answer.reasoning, page.say)
            show_answer(exchange, page.say)
            show_footer(exchange, str(place), page)
    with right:
        show_sources(exchange.answer, page.say, page.assistant.domain.name, place, folded=not newest)


def show_question(question: str) -> None:
    with st.chat_message("user", avatar=AVATARS["user"]):
        st.markdown(safe_markdown(question))


def show_search(answer: Answer, say: Words) -> None:
    """The finished search as a step."""
    with st.status(count(len(answer.sources), say), state="complete", type="compact"):
        show_found(answer.question, answer.searched, answer.sources, say)


def count(found: int, say: Words) -> str:
    return say["found_none"] if not found else say["found_one"] if found == 1 else say["found"].format(count=found)


def show_found(question: str, searched: str, sources: Sequence[Source], say: Words) -> None:
    if searched != question:
        st.caption(say["searched_as"].format(searched=safe_text(searched)))
    if sources:
        st.caption("\n".join(f"{source.n}. {heading(source, say)}" for source in sources))


def show_notices(notices: Sequence[Notice], page: ChatPage) -> None:
    """Red flags of the question in red; warnings of documents, which bear the document's name, in yellow."""
    flags = {flag.name for flag in page.assistant.domain.config.red_flags}
    urgent = [safe_text(notice.message) for notice in notices if notice.name in flags]
    if urgent:
        st.error("\n\n".join([f"**{page.say['urgent']}**", *urgent]), icon=":material/emergency_home:")
    for notice in notices:
        if notice.name not in flags:
            text = f"**{safe_text(notice.name)}.** {safe_text(notice.message)}"
            st.warning(text, icon=":material/warning:")


def show_reasoning(reasoning: str, say: Words) -> None:
    if reasoning:
        with st.status(say["reasoning"], state="complete", type="compact"):
            st.markdown(safe_markdown(reasoning))


def show_answer(exchange: Exchange, say: Words) -> None:
    answer = exchange.answer
    if answer.abstained:
        text = f"**{say['refused']}.** {safe_text(answer.text)}\n\n{say['refused_more']}"
        st.info(text, icon=":material/search_off:")
    elif answer.text:
        marks: dict[int, list[bool]] = {}
        for citation in answer.citations:
            marks.setdefault(citation.n, []).append(citation.supported)
        st.markdown(safe_markdown(answer.text, marks=marks))
    if exchange.problem:
        st.error(f"{say['failed']} {safe_markdown(exchange.problem)}", icon=":material/error:")
    elif answer.stopped:
        st.caption(f":material/stop_circle: {say['stopped']}")


def show_footer(exchange: Exchange, place: str, page: ChatPage) -> None:
    """The disclaimer, who wrote the answer, how far it can be trusted, and two thumbs."""
    answer = exchange.answer
    if answer.lexical_only:
        st.caption(f":material/spellcheck: {page.say['lexical_only']}")
    st.caption(f"{safe_text(answer.disclaimer)}  \n{_made_by(answer, page)}")
    if page.ratings and exchange.asked:
        st.fragment(_rate)(exchange, place, page)


def _made_by(answer: Answer, page: ChatPage) -> str:
    say, language = page.say, page.assistant.domain.config.language
    seconds = number(answer.timings.get("total", 0.0), language)
    parts = [say["made_by"].format(backend=safe_text(answer.backend), model=safe_text(answer.model))]
    if answer.adapter:
        parts.append(say["made_by_adapter"].format(adapter=safe_text(answer.adapter)))
    if not answer.abstained and answer.text:
        parts.append(say["made_by_confidence"].format(percent=round(answer.confidence * 100)))
    if "rerank" in answer.timings:
        parts.append(say["made_by_rerank"].format(seconds=safe_text(number(answer.timings["rerank"], language))))
    return " · ".join([*parts, f"{safe_text(seconds)} s"])


def _rate(exchange: Exchange, place: str, page: ChatPage) -> None:
    """In a fragment of its own: a click must not stop an answer that is being written."""
    name = f"rating {page.assistant.domain.name} {place} {exchange.asked}"
    st.feedback("thumbs", key=name, on_change=_keep_rating, args=(name, exchange, page), persist_state="session")
    if problem := st.session_state.pop(f"{name} problem", ""):
        st.error(safe_markdown(problem), icon=":material/error:")


def _keep_rating(name: str, exchange: Exchange, page: ChatPage) -> None:
    value = st.session_state.get(name)
    good = None if value is None else bool(value)
    try:
        if page.ratings:
            append_feedback(page.ratings, rate(exchange.answer, exchange.asked, good))
    except SaviaError as error:
        st.session_state[f"{name} problem"] = str(error)


def _show_compared(first: Exchange, second: Exchange, place: int, page: ChatPage) -> None:
    show_question(first.answer.question)
    show_search(first.answer, page.say)
    show_notices(first.answer.red_flags, page)
    for column, exchange, side in zip(st.columns(2, gap="large"), (first, second), "ab", strict=True):
        with column:
            with st.chat_message("assistant", avatar=AVATARS["assistant"]):
                show_reasoning(exchange.answer.reasoning, page.say)
                show_answer(exchange, page.say)
                show_footer(exchange, f"{place}{side}", page)
            show_sources(exchange.answer, page.say, page.assistant.domain.name, f"{place}{side}", folded=True)
