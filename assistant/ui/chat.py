"""The chat: sample questions when it is empty, then for each question the search as a step, the answer, and its passages.

show_chat(assistant, words("es"))
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator as Slot

from assistant.answer import MAX_QUESTION, Answer, AnswerStream, Assistant
from assistant.messages import Source
from assistant.safety import Notice
from assistant.ui.safe_markdown import safe_markdown, safe_text
from assistant.ui.sources import heading, show_sources
from assistant.ui.strings import Words, number
from retrieval.errors import SaviaError
from retrieval.followups import Turn

AVATARS = {"user": ":material/person:", "assistant": ":material/eco:"}
COLUMNS = (11, 8)  # the answer and, beside it, its passages


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question with its answer, whole or as far as it came; `problem` says why it broke off."""

    answer: Answer
    problem: str = ""


def show_chat(assistant: Assistant, say: Words) -> None:
    """The whole page for one domain."""
    name = assistant.domain.name
    exchanges: list[Exchange] = st.session_state.setdefault(_key(name), [])
    typed = st.chat_input(say["ask"], key="question", submit_mode="stop", max_chars=MAX_QUESTION)
    question = (str(typed).strip() if typed else "") or st.session_state.pop("sample", "")
    welcome = st.empty()  # always there, so that the welcome is gone at once, not when the first answer is complete
    if not exchanges and not question:
        with welcome.container():
            _show_welcome(assistant, say)
    for place, exchange in enumerate(exchanges):
        _show_exchange(exchange, place, assistant, say, newest=not question and place == len(exchanges) - 1)
    if question:
        _answer(question, assistant, exchanges, say)


def start_new_chat(name: str) -> None:
    """Forget the conversation on a domain."""
    st.session_state.pop(_key(name), None)


def turns_of(exchanges: Sequence[Exchange]) -> list[Turn]:
    """The conversation as the next question needs it."""
    turns: list[Turn] = []
    for exchange in exchanges:
        turns.extend([("user", exchange.answer.question), ("assistant", exchange.answer.text)])
    return turns


def _key(name: str) -> str:
    return f"chat {name}"


def _show_welcome(assistant: Assistant, say: Words) -> None:
    config = assistant.domain.config
    with st.container(key="welcome"):
        st.markdown(f"# {safe_text(config.title)}\n\n### {say['welcome']}", anchors=False)
        st.markdown(say["welcome_more"].format(documents=len(assistant.view.documents)))
        if config.sample_questions:
            st.caption(say["samples"])
        with st.container(horizontal=True, key="samples"):
            for place, question in enumerate(config.sample_questions):
                st.button(safe_text(question), key=f"sample {place}", on_click=_ask_sample, args=(question,))
        st.caption(safe_text(config.disclaimer))


def _ask_sample(question: str) -> None:
    st.session_state["sample"] = question


def _show_exchange(exchange: Exchange, place: int, assistant: Assistant, say: Words, newest: bool) -> None:
    answer = exchange.answer
    left, right = st.columns(COLUMNS, gap="large")
    with left:
        _show_question(answer.question)
        with st.chat_message("assistant", avatar=AVATARS["assistant"]):
            with st.status(_count(len(answer.sources), say), state="complete", type="compact"):
                _show_found(answer.question, answer.searched, answer.sources, say)
            _show_notices(answer.red_flags, assistant, say)
            _show_reasoning(answer.reasoning, say)
            _show_answer(exchange, say)
            _show_footer(answer, assistant.domain.config.language, say)
    with right:
        show_sources(answer, say, assistant.domain.name, place, folded=not newest)


def _answer(question: str, assistant: Assistant, exchanges: list[Exchange], say: Words) -> None:
    """Search, stream, and keep what came, whatever ends it: the last piece, an error, or the stop button."""
    left, right = st.columns(COLUMNS, gap="large")
    with left:
        _show_question(question)
        with st.chat_message("assistant", avatar=AVATARS["assistant"]):
            try:
                stream = _search(question, assistant, turns_of(exchanges), say)
            except SaviaError as error:
                st.error(safe_markdown(str(error)), icon=":material/error:")
                return
            _show_notices(stream.red_flags, assistant, say)
            thinking, text, foot = st.empty(), st.empty(), st.empty()
            foot.caption(safe_text(assistant.domain.config.disclaimer))  # also below an answer that is stopped
            problem = ""
            try:
                _stream(stream, thinking, text, say)
            except SaviaError as error:
                problem = str(error)
            finally:  # the stop button ends the script right here
                exchange = Exchange(stream.answer, problem)
                exchanges.append(exchange)
            with thinking.container():
                _show_reasoning(exchange.answer.reasoning, say)
            with text.container():
                _show_answer(exchange, say)
            with foot.container():
                _show_footer(exchange.answer, assistant.domain.config.language, say)
    with right:
        show_sources(exchange.answer, say, assistant.domain.name, len(exchanges) - 1)


def _search(question: str, assistant: Assistant, history: list[Turn], say: Words) -> AnswerStream:
    with st.status(say["searching"], type="compact") as status:
        stream = assistant.ask(question, history)
        _show_found(question, stream.searched, stream.sources, say)
        status.update(label=_count(len(stream.sources), say), state="complete", expanded=False)
    return stream


def _stream(stream: AnswerStream, thinking: Slot, text: Slot, say: Words) -> None:
    """Draw the pieces as they come. Reasoning has its own fold above the answer."""
    read: dict[str, str] = {"reasoning": "", "answer": ""}
    pieces = iter(stream)
    with closing(pieces):  # type: ignore[type-var]
        for piece in pieces:
            read[piece.kind] += piece.text
            if piece.kind == "reasoning":
                with thinking.status(say["thinking"], type="compact"):
                    st.markdown(safe_markdown(read["reasoning"]))
            else:
                text.markdown(safe_markdown(read["answer"]))


def _show_question(question: str) -> None:
    with st.chat_message("user", avatar=AVATARS["user"]):
        st.markdown(safe_markdown(question))


def _count(count: int, say: Words) -> str:
    return say["found_none"] if not count else say["found_one"] if count == 1 else say["found"].format(count=count)


def _show_found(question: str, searched: str, sources: Sequence[Source], say: Words) -> None:
    if searched != question:
        st.caption(say["searched_as"].format(searched=safe_text(searched)))
    if sources:
        st.caption("\n".join(f"{source.n}. {heading(source, say)}" for source in sources))


def _show_notices(notices: Sequence[Notice], assistant: Assistant, say: Words) -> None:
    """Red flags of the question in red; warnings of documents, which bear the document's name, in yellow."""
    flags = {flag.name for flag in assistant.domain.config.red_flags}
    urgent = [safe_text(notice.message) for notice in notices if notice.name in flags]
    if urgent:
        st.error("\n\n".join([f"**{say['urgent']}**", *urgent]), icon=":material/emergency_home:")
    for notice in notices:
        if notice.name not in flags:
            text = f"**{safe_text(notice.name)}.** {safe_text(notice.message)}"
            st.warning(text, icon=":material/warning:")


def _show_reasoning(reasoning: str, say: Words) -> None:
    if reasoning:
        with st.status(say["reasoning"], state="complete", type="compact"):
            st.markdown(safe_markdown(reasoning))


def _show_answer(exchange: Exchange, say: Words) -> None:
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


def _show_footer(answer: Answer, language: str, say: Words) -> None:
    if answer.lexical_only:
        st.caption(f":material/spellcheck: {say['lexical_only']}")
    seconds = number(answer.timings.get("total", 0.0), language)
    made_by = say["made_by"].format(
        backend=safe_text(answer.backend), model=safe_text(answer.model), seconds=safe_text(seconds)
    )
    st.caption(f"{safe_text(answer.disclaimer)}  \n{made_by}")
