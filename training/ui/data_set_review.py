"""Review: choose rows, read one beside its source section, accept it, reject it with a reason, or correct it.

show_review(place, rows)                # decisions go to review/decisions.jsonl and hold for every later build
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from assistant.ui.links import document_address
from assistant.ui.safe_markdown import safe_markdown, safe_text
from retrieval.errors import SaviaError
from training.data_preparation.sections import ParsedSection
from training.decisions import Decision, edit_example, read_decisions, write_decision
from training.example import Example
from training.ui.data_set_rows import STATUSES, Row, choose_rows, fields_of, read_section_texts, status_of
from training.ui.place import Place, key, stamp
from training.ui.strings import Words

MOST_LISTED = 60  # buttons in the list; beyond, the filter helps more than scrolling
LIST_HEIGHT = 560  # pixels
TITLE = 90  # characters of a question in the list
CHOSEN = "review row"  # in the session: the id of the row that is read
PROBLEM = "review problem"
ICONS = {
    "open": ":material/radio_button_unchecked:",
    "accepted": ":material/check_circle:",
    "rejected": ":material/cancel:",
    "edited": ":material/edit:",
    "left_out": ":material/filter_alt_off:",
}


@dataclass(frozen=True, slots=True)
class Step:
    """Where a decision is written, and the row to read next."""

    place: Place
    row: Row
    following: str


def show_review(place: Place, rows: Sequence[Row]) -> None:
    """Filters above, the list on the left, the row with its sources on the right. Raises `DataError`."""
    say = place.say
    decisions = read_decisions(place.layout.decisions)
    found = _filter(rows, decisions, say)
    if problem := st.session_state.pop(PROBLEM, ""):
        st.error(safe_markdown(problem), icon=":material/error:")
    if decisions:
        st.caption(say["decided"].format(count=len(decisions)))
    if not found:
        st.info(say["no_row_matches"], icon=":material/search_off:")
        return
    ids = [row.example.id for row in found]
    chosen = st.session_state.get(CHOSEN)
    number = ids.index(chosen) if chosen in ids else 0
    left, right = st.columns((1, 3), gap="large")
    with left:
        _show_list(found, number, decisions, say)
    with right:
        following = ids[number + 1] if number + 1 < len(ids) else ids[number - 1]
        _show_row(Step(place, found[number], following), decisions, number, len(found))


def decide(step: Step, decision: Decision) -> None:
    """Keep a decision and go on to the next row."""
    try:
        write_decision(step.place.layout.decisions, decision)
    except SaviaError as error:
        st.session_state[PROBLEM] = str(error)
        return
    st.session_state[CHOSEN] = step.following


def _filter(rows: Sequence[Row], decisions: Mapping[str, Decision], say: Words) -> list[Row]:
    columns = st.columns((3, 2, 2, 2, 2))
    text = columns[0].text_input(say["find_row"], key="review text", icon=":material/search:")
    status = columns[1].selectbox(
        say["status"],
        ["", *STATUSES],
        format_func=lambda name: say["status_" + name] if name else say["all"],
        key="review status",
    )
    chosen = {}
    for column, name in zip(columns[2:], ("type", "task", "origin"), strict=True):
        options = ["", *fields_of(rows, name)]
        chosen[name] = column.selectbox(
            say["field_" + name], options, format_func=lambda value: value or say["all"], key=key("review", name)
        )
    return choose_rows(rows, decisions, status, text, chosen["task"], chosen["type"], chosen["origin"])


def _show_list(found: Sequence[Row], number: int, decisions: Mapping[str, Decision], say: Words) -> None:
    first = max(0, min(number - MOST_LISTED // 2, len(found) - MOST_LISTED))
    shown = found[first : first + MOST_LISTED]
    st.caption(say["rows_shown"].format(shown=len(shown), total=len(found)))
    with st.container(height=LIST_HEIGHT, border=False, gap="xxsmall", key="document-list"):
        for place, row in enumerate(shown, first):
            title = safe_text(row.example.question[:TITLE])
            st.button(
                f"**:green[{title}]**" if place == number else title,
                key=key("row", row.example.id),
                icon=ICONS[status_of(row, decisions)],
                on_click=_choose,
                args=(row.example.id,),
                type="tertiary",
            )


def _choose(identity: str) -> None:
    st.session_state[CHOSEN] = identity


def _show_row(step: Step, decisions: Mapping[str, Decision], number: int, total: int) -> None:
    say, row = step.place.say, step.row
    example, status = row.example, status_of(row, decisions)
    left, right = st.columns((1, 1), gap="large")
    with left:
        facts = [f"`{safe_text(example.id)}`", f"{number + 1} / {total}", *map(safe_text, _facts(row, say))]
        st.caption(" · ".join(facts))
        _show_status(row, status, decisions.get(example.id), say)
        _show_texts(example, say)
        _show_buttons(step)
    with right:
        _show_sources(step.place, example)


def _facts(row: Row, say: Words) -> list[str]:
    example = row.example
    part = say["part_" + row.part] if row.part else ""
    return [fact for fact in (part, example.type, example.task, example.origin, example.safety_level) if fact]


def _show_status(row: Row, status: str, decision: Decision | None, say: Words) -> None:
    text = f"**{say['status_' + status]}**"
    reason = decision.reason if decision else row.left_out
    st.markdown(f"{ICONS[status]} {text}{': ' + safe_text(reason) if reason else ''}")
    if decision is not None and decision.example is not None:
        with st.expander(say["edited_row"], icon=":material/edit:"):
            _show_texts(decision.example, say)


def _show_texts(example: Example, say: Words) -> None:
    for role, content in example.history:
        st.caption(say["role_" + role] if "role_" + role in say else safe_text(role))
        st.markdown(safe_markdown(content))
    st.caption(say["question"])
    st.markdown(f"**{safe_text(example.question)}**")
    if example.reasoning:
        st.caption(say["reasoning"])
        st.markdown(safe_markdown(example.reasoning))
    st.caption(say["answer"])
    st.markdown(safe_markdown(example.answer))


def _show_buttons(step: Step) -> None:
    say, identity = step.place.say, step.row.example.id
    st.button(
        say["accept"],
        icon=":material/check:",
        type="primary",
        key=key("accept", identity),
        on_click=decide,
        args=(step, Decision(identity, "accepted")),
    )
    with st.form(key("reject form", identity), border=False):
        reason = key("reason", identity)
        st.text_input(say["reason"], key=reason, max_chars=500)
        st.form_submit_button(say["reject"], icon=":material/close:", on_click=_reject, args=(step, reason))
    with st.expander(say["edit"], icon=":material/edit:"):
        _show_form(step)


def _reject(step: Step, field: str) -> None:
    reason = " ".join(str(st.session_state.get(field, "")).split())
    if not reason:
        st.session_state[PROBLEM] = step.place.say["reason_missing"]
        return
    decide(step, Decision(step.row.example.id, "rejected", reason))


def _show_form(step: Step) -> None:
    say, example = step.place.say, step.row.example
    with st.form(key("edit form", example.id), border=False):
        fields = {name: key("edit", name, example.id) for name in ("question", "reasoning", "answer")}
        for name, field in fields.items():
            st.text_area(say[name], getattr(example, name), key=field, height="content")
        st.form_submit_button(say["save"], icon=":material/save:", on_click=_edit, args=(step, fields))


def _edit(step: Step, fields: Mapping[str, str]) -> None:
    old = step.row.example
    question, reasoning, answer = (
        str(st.session_state.get(fields[n], "")) for n in ("question", "reasoning", "answer")
    )
    if not question.strip() or not answer.strip():
        st.session_state[PROBLEM] = step.place.say["text_missing"]
        return
    edited = edit_example(old, question, answer, reasoning.strip())
    if edited.id != old.id:
        decide(step, Decision(old.id, "edited", "", edited))


def _show_sources(place: Place, example: Example) -> None:
    say, sections = place.say, open_sections(place)
    st.markdown(f"##### {say['sources']}", anchors=False)
    if not example.sections:
        st.caption(safe_text(example.source) if example.source else say["no_sources"])
    for identity in example.sections:
        with st.container(border=True):
            section = sections.get(identity)
            if section is None:
                st.caption(say["section_gone"].format(section=safe_text(identity)))
                continue
            st.markdown(f"**{safe_text(section.source)}**")
            st.markdown(safe_markdown(section.text))
            st.caption(f"[{say['open_document']}](<{document_address(place.domain.name, section.document)}>)")


def open_sections(place: Place) -> dict[str, ParsedSection]:
    """The last build's sections, read again when they were parsed anew."""
    path = place.layout.sections
    return _sections_once(place, str(path.resolve()), stamp(path))


@st.cache_resource(max_entries=4, show_spinner=False)
def _sections_once(_place: Place, path: str, changed: tuple[int, ...]) -> dict[str, ParsedSection]:
    return read_section_texts(_place.layout)
