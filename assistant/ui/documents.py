"""The reading room: the domain's documents as a list with a filter, and the chosen one section by section.

show_documents(assistant, words("es"))          # ?document=plantas/sabila opens that one
"""

import re

import streamlit as st

from assistant.answer import Assistant
from assistant.safety import WARNING_FIELD
from assistant.ui.links import link_resolver, linked_document
from assistant.ui.safe_markdown import safe_markdown, safe_text
from assistant.ui.strings import Words, field_name
from retrieval.corpus import find_document
from retrieval.documents import Document
from retrieval.text import fold_accents
from retrieval.view import DocumentInfo, View

MOST_LISTED = 200  # buttons in the list; beyond, the filter helps more than scrolling
LIST_HEIGHT = 520  # pixels
_LINK = re.compile(r"\]\(([^()\s]+)\)")
_HIDDEN = ("title", WARNING_FIELD)
"""Front matter that the page shows in its own way."""


def show_documents(assistant: Assistant, say: Words) -> None:
    """List on the left, document on the right."""
    infos = _infos(assistant.view)
    chosen = st.query_params.get("document", "")
    left, right = st.columns((1, 2), gap="large")
    with left:
        _show_list(assistant.domain.name, infos, chosen, say)
    with right:
        if chosen:
            _show_chosen(assistant, chosen, infos, say)
        else:
            st.info(say["choose_document"], icon=":material/menu_book:")


def filter_documents(infos: dict[str, DocumentInfo], text: str, kind: str) -> list[DocumentInfo]:
    """Documents of a type (all if empty) whose title, id or fields hold every word of `text`; accents are ignored."""
    wanted = fold_accents(text.lower()).split()
    found = [info for info in infos.values() if not kind or info.type == kind]
    return [info for info in found if all(word in _searchable(info) for word in wanted)]


def _searchable(info: DocumentInfo) -> str:
    values = [value if isinstance(value, str) else " ".join(value) for value in info.fields.values()]
    return fold_accents(" ".join([info.title, info.id, *values]).lower())


def _infos(view: View) -> dict[str, DocumentInfo]:
    found = [view.document(number) for number in range(len(view.documents))]
    return {info.id: info for info in sorted(found, key=lambda info: fold_accents(info.title.lower()))}


def _show_list(domain: str, infos: dict[str, DocumentInfo], chosen: str, say: Words) -> None:
    text = st.text_input(say["filter"], key="document filter", icon=":material/search:")
    kinds = sorted({info.type for info in infos.values() if info.type})
    kind = ""
    if len(kinds) > 1:
        kind = st.selectbox(say["type"], ["", *kinds], format_func=lambda kind: _type_name(kind) or say["all_types"])
    found = filter_documents(infos, text, kind)
    shown = found[:MOST_LISTED]
    st.caption(say["shown_of"].format(shown=len(shown), total=len(infos)) if found else say["none_match"])
    if not found:
        return
    with st.container(height=LIST_HEIGHT, border=False, key="document-list", gap="xxsmall"):
        for info in shown:
            title = safe_text(info.title)
            st.button(
                f"**:green[{title}]**" if info.id == chosen else title,
                key=f"document {info.id}",
                on_click=_choose,
                args=(domain, info.id),
                type="tertiary",
                help=safe_text(info.path),
            )
    if len(found) > MOST_LISTED:
        st.caption(say["narrow"].format(shown=MOST_LISTED))


def _type_name(kind: str) -> str:
    return kind.replace("-", " ").replace("_", " ").capitalize()


def _choose(domain: str, document: str) -> None:
    """Put the choice into the address, which can then be kept and shared."""
    st.query_params.from_dict({"domain": domain, "document": document})


def _show_chosen(assistant: Assistant, chosen: str, infos: dict[str, DocumentInfo], say: Words) -> None:
    document = find_document(assistant.domain.corpus, chosen) if chosen in infos else None
    if document is None:
        st.warning(say["document_gone"].format(document=safe_text(chosen)), icon=":material/draft:")
        return
    _show_head(document, assistant.domain.config.language)
    link = link_resolver(assistant.domain.name, document.id, infos)
    for section in document.sections:
        body = document.text[section.start : section.end].strip()
        if section.heading_path:
            level = min(2 + len(section.heading_path), 5)
            st.markdown(f"{'#' * level} {safe_text(section.heading_path[-1])}")
        if body:
            st.markdown(safe_markdown(body, link=link))
    _show_related(assistant.domain.name, document, infos, say)


def _show_head(document: Document, language: str) -> None:
    st.markdown(f"## {safe_text(document.title)}")
    warning = document.fields.get(WARNING_FIELD, "")
    if isinstance(warning, str) and warning:
        st.warning(safe_text(warning), icon=":material/warning:")
    lines = []
    for name, value in document.fields.items():
        if name not in _HIDDEN:
            shown = value if isinstance(value, str) else ", ".join(value)
            lines.append(f"**{safe_text(field_name(name, language))}:** {safe_text(shown)}")
    if lines:
        st.caption("  \n".join(lines))


def _show_related(domain: str, document: Document, infos: dict[str, DocumentInfo], say: Words) -> None:
    """Buttons to the documents that this one links to: they open in place."""
    linked = [linked_document(document.id, href) for href in _LINK.findall(document.text)]
    related = [name for name in dict.fromkeys(linked) if name and name in infos and name != document.id]
    if not related:
        return
    st.divider()
    st.caption(say["related"])
    with st.container(horizontal=True):
        for name in related:
            st.button(safe_text(infos[name].title), key=f"related {name}", on_click=_choose, args=(domain, name))
