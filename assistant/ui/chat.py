"""The chat: sample questions when it is empty, then for each question the search as a step, the answer, and its passages.

show_chat(ChatPage(assistant, words("es")), writers=[assistant])       # two writers: their answers stand side by side
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime

import streamlit as st
from streamlit.delta_generator import DeltaGenerator as Slot

from assistant.answer import MAX_QUESTION, AnswerStream, Assistant
from assistant.ui.exchanges import (
    AVATARS,
    COLUMNS,
    ChatPage,
    Exchange,
    count,
    show_answer,
    show_exchange,
    show_footer,
    show_found,
    show_notices,
    show_question,
    show_reasoning,
)
from assistant.ui.reading import Reading
from assistant.ui.safe_markdown import safe_markdown, safe_text
from assistant.ui.sources import show_sources
from assistant.ui.strings import Words
from retrieval.errors import SaviaError
from retrieval.followups import Turn

PACE = 0.1  # seconds between two drawings of an answer: nobody reads faster, and a stop is noticed as soon


def show_chat(page: ChatPage, writers: Sequence[Assistant] = ()) -> None:
    """The whole page for one domain; `writers` answer the next question (by default the page's own assistant does)."""
    name = page.assistant.domain.name
    exchanges: list[Exchange] = st.session_state.setdefault(_key(name), [])
    typed = st.chat_input(page.say["ask"], key="question", submit_mode="stop", max_chars=MAX_QUESTION)
    question = (str(typed).strip() if typed else "") or st.session_state.pop("sample", "")
    welcome = st.empty()  # always there, so that the welcome is gone at once, not when the first answer is complete
    if not exchanges and not question:
        with welcome.container():
            _show_welcome(page)
    for place, exchange in enumerate(exchanges):
        show_exchange(exchange, place, page, newest=not question and place == len(exchanges) - 1)
    if question:
        _ask(question, page, list(writers) or [page.assistant], exchanges)


def start_new_chat(name: str) -> None:
    """Forget the conversation on a domain."""
    st.session_state.pop(_key(name), None)


def turns_of(exchanges: Sequence[Exchange]) -> list[Turn]:
    """The conversation as the next question needs it; of two answers the first that says something."""
    turns: list[Turn] = []
    for exchange in exchanges:
        text = exchange.answer.text or (exchange.other.answer.text if exchange.other else "")
        turns.extend([("user", exchange.answer.question), ("assistant", text)])
    return turns


def _key(name: str) -> str:
    return f"chat {name}"


def _show_welcome(page: ChatPage) -> None:
    config, say = page.assistant.domain.config, page.say
    with st.container(key="welcome"):
        st.markdown(f"# {safe_text(config.title)}\n\n### {say['welcome']}", anchors=False)
        st.markdown(say["welcome_more"].format(documents=len(page.assistant.view.documents)))
        if config.sample_questions:
            st.caption(say["samples"])
        with st.container(horizontal=True, key="samples"):
            for place, question in enumerate(config.sample_questions):
                st.button(safe_text(question), key=f"sample {place}", on_click=_ask_sample, args=(question,))
        st.caption(safe_text(config.disclaimer))


def _ask_sample(question: str) -> None:
    st.session_state["sample"] = question


def _ask(question: str, page: ChatPage, writers: list[Assistant], exchanges: list[Exchange]) -> None:
    """Search, stream, and keep what came, whatever ends it: the last piece, an error, or the stop button."""
    place = len(exchanges)
    compared = len(writers) > 1
    left, right = (st.container(), st.container()) if compared else st.columns(COLUMNS, gap="large")
    with left:
        show_question(question)
        message = left if compared else _message()
    with message:
        try:
            streams = _search(question, writers, turns_of(exchanges), page.say)
        except SaviaError as error:
            st.error(safe_markdown(str(error)), icon=":material/error:")
            return
        show_notices(streams[0].red_flags, page)
        columns = st.columns(len(writers), gap="large") if compared else [message]
        slots = [_draw_slots(column, page, compared) for column in columns]
    answered = _write(streams, writers, slots, exchanges, page.say)
    for side, (exchange, (thinking, text, foot)) in enumerate(zip(answered, slots, strict=True)):
        name = f"{place}{'ab'[side]}" if compared else str(place)
        with thinking.container():
            show_reasoning(exchange.answer.reasoning, page.say)
        with text.container():
            show_answer(exchange, page.say)
        with foot.container():
            show_footer(exchange, name, page)
        with columns[side] if compared else right:
            show_sources(exchange.answer, page.say, page.assistant.domain.name, name, folded=compared)


def _search(question: str, writers: Sequence[Assistant], history: list[Turn], say: Words) -> list[AnswerStream]:
    with st.status(say["searching"], type="compact") as status:
        streams = [writer.ask(question, history) for writer in writers]
        first, found = streams[0], st.empty()
        with found.container():
            show_found(question, first.searched, first.first_sources, say)
        if first.reranks:  # the first hits are on the screen meanwhile
            status.update(label=say["reranking"])
            with found.container():
                show_found(question, first.searched, first.sources, say)
        status.update(label=count(len(streams[0].sources), say), state="complete", expanded=False)
    return streams


Slots = tuple[Slot, Slot, Slot]


def _message() -> Slot:
    return st.chat_message("assistant", avatar=AVATARS["assistant"])


def _draw_slots(column: Slot, page: ChatPage, compared: bool) -> Slots:
    """Places for the reasoning, the answer, and what stands below it (the disclaimer also below an answer that is stopped)."""
    with column, _message() if compared else nullcontext():
        thinking, text, foot = st.empty(), st.empty(), st.empty()
        foot.caption(safe_text(page.assistant.domain.config.disclaimer))
    return thinking, text, foot


def _write(
    streams: Sequence[AnswerStream],
    writers: Sequence[Assistant],
    slots: Sequence[Slots],
    exchanges: list[Exchange],
    say: Words,
) -> list[Exchange]:
    """Draw the answers as they come. They are kept in the conversation however this ends."""
    asked = datetime.now().isoformat(timespec="milliseconds")
    readings = [Reading(stream, writer.backend) for stream, writer in zip(streams, writers, strict=True)]
    answered: list[Exchange] = []
    try:
        going = True
        while going:
            going = not all([reading.wait(PACE / len(readings)) for reading in readings])
            for reading, (thinking, text, _) in zip(readings, slots, strict=True):
                _draw(reading, thinking, text, say)
    finally:  # the stop button ends the script right here
        for reading in readings:
            reading.stop()
        answered = [Exchange(reading.answer, reading.problem, asked) for reading in readings]
        exchanges.append(replace(answered[0], other=answered[1]) if len(answered) > 1 else answered[0])
    return answered


def _draw(reading: Reading, thinking: Slot, text: Slot, say: Words) -> None:
    """The answer so far, its reasoning in a fold of its own, or what it is waiting for."""
    if reading.reasoning:
        with thinking.status(say["thinking"], type="compact"):
            st.markdown(safe_markdown(reading.reasoning))
    if reading.text:
        text.markdown(safe_markdown(reading.text))
    elif not reading.reasoning:
        text.caption(f":material/hourglass_top: {_wait_words(reading, say)}")


def _wait_words(reading: Reading, say: Words) -> str:
    if reading.ahead:
        return say["waiting_one" if reading.ahead == 1 else "waiting_line"].format(count=reading.ahead)
    if reading.loading:
        done, total = reading.loading
        return say["waiting_loading"].format(done=done, total=total)
    return say["waiting"]
