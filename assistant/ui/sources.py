"""The passages behind an answer: the cited ones as cards with the quoted sentence highlighted, the others folded away.

show_sources(answer, words("es"), "herbolaria", key=0)
"""

from collections import defaultdict
from collections.abc import Sequence

import streamlit as st

from assistant.answer import Answer
from assistant.citations import Citation, stray_marks
from assistant.messages import Source
from assistant.ui.links import document_address, link_resolver
from assistant.ui.safe_markdown import safe_markdown, safe_text
from assistant.ui.strings import Words

MAX_CLAIM = 160  # characters of an unsupported statement that are repeated


def show_sources(answer: Answer, say: Words, domain: str, key: int | str, folded: bool = False) -> None:
    """Cards of the cited passages, then the rest. `folded` puts all of it behind a click (older answers)."""
    with st.container(key=f"passages {key}"):
        _show(answer, say, domain, folded)


def _show(answer: Answer, say: Words, domain: str, folded: bool) -> None:
    cited = _by_source(answer.citations)
    used = [source for source in answer.sources if source.n in cited]
    rest = [source for source in answer.sources if source.n not in cited]
    if used and folded:
        with st.expander(f"{say['cited']} ({len(used)})", icon=":material/format_quote:"):
            _show_cards(used, cited, say, domain)
    elif used:
        st.markdown(f"##### {say['cited']}")
        _show_cards(used, cited, say, domain)
    for number in stray_marks(answer.text, answer.sources) if not answer.abstained else ():
        st.warning(safe_text(say["stray"].format(n=number)), icon=":material/help:")
    if rest:
        label = say["nearest" if answer.abstained else "other_sources"].format(count=len(rest))
        with st.expander(label, icon=":material/library_books:"):
            for place, source in enumerate(rest):
                if place:
                    st.divider()
                _show_source(source, (), say, domain)


def heading(source: Source, say: Words) -> str:
    """`Document › Section` as Markdown."""
    section = " › ".join(source.heading_path) or say["introduction"]
    return f"**{safe_text(source.title)}** › {safe_text(section)}"


def _show_cards(sources: Sequence[Source], cited: dict[int, list[Citation]], say: Words, domain: str) -> None:
    for source in sources:
        with st.container(border=True):
            _show_source(source, cited[source.n], say, domain)


def _show_source(source: Source, citations: Sequence[Citation], say: Words, domain: str) -> None:
    badge = f":green-badge[\\[{source.n}\\]]" if citations else f":gray-badge[\\[{source.n}\\]]"
    st.markdown(f"{badge} {heading(source, say)}")
    quotes = [citation.quote for citation in citations if citation.supported]
    st.markdown(safe_markdown(source.text, quotes, link_resolver(domain, source.document_id)))
    for citation in citations:
        if not citation.supported:
            claim = safe_text(citation.sentence[:MAX_CLAIM])
            st.markdown(f":orange[:material/warning: {say['unsupported'].format(claim=claim)}]")
    st.caption(f"[{say['open_document']}](<{document_address(domain, source.document_id)}>)")


def _by_source(citations: Sequence[Citation]) -> dict[int, list[Citation]]:
    found: dict[int, list[Citation]] = defaultdict(list)
    for citation in citations:
        found[citation.n].append(citation)
    return dict(found)
