"""What stands in the page's place when something is missing or broken: one clear sentence and what mends it.

try: ...
except SaviaError as error: show_problem(error, say, place)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from assistant.ui.building import offer_build
from assistant.ui.safe_markdown import safe_markdown, safe_text
from assistant.ui.strings import Words
from retrieval.corpus import scan
from retrieval.domain import Domain
from retrieval.errors import DomainInvalid, DomainNotFound, IndexDamaged, IndexMissing, SaviaError, SettingsError
from retrieval.index import Index
from retrieval.settings import RetrievalSettings


@dataclass(frozen=True)
class Place:
    """Where it went wrong, as far as it is known."""

    name: str = ""
    known: Sequence[str] = ()
    domain: Domain | None = None
    settings: RetrievalSettings | None = None


def show_problem(error: SaviaError, say: Words, place: Place) -> None:
    """Draw an error of the family as a sentence in the page's language, with its remedy."""
    name = safe_text(place.name)
    match error:
        case IndexMissing() | IndexDamaged() if place.domain and place.settings:
            _show_no_index(error, say, Index(place.domain, place.settings))
        case DomainInvalid():
            faults = "\n".join(f"- {safe_text(fault)}" for fault in error.faults)
            _say(f"{say['broken_domain'].format(domain=name)}\n\n{faults}")
            st.caption(say["broken_domain_more"])
        case DomainNotFound():
            _say(say["unknown_domain"].format(domain=name))
            st.caption(say["unknown_domain_more"])
            if place.known:
                st.caption(say["known_domains"].format(names=safe_text(", ".join(place.known))))
            else:
                st.code(f"savia init {place.name} --from FOLDER", language=None)
        case SettingsError():
            _say(f"{say['bad_settings']} {safe_text(error.message)}")
        case _:
            _say(f"{say['problem']} {safe_markdown(str(error))}")


def show_empty(index: Index, say: Words) -> None:
    """The domain has no documents: what it can do without, where to put them, and the command that reads them."""
    if index.domain.datasets.is_dir():
        _show_rows_only(index, say)
        return
    st.info(say["empty_corpus"].format(domain=safe_text(index.domain.name)), icon=":material/folder_open:")
    st.caption(say["empty_corpus_more"])
    st.code(f"{index.domain.corpus}\nsavia index sync --domain {index.domain.name}", language=None)


def _show_rows_only(index: Index, say: Words) -> None:
    name = index.domain.name
    st.info(say["rows_only"].format(domain=safe_text(name)), icon=":material/school:")
    st.caption(say["rows_only_more"])
    commands = (f"savia dataset build --domain {name}", index.domain.corpus, f"savia index sync --domain {name}")
    st.code("\n".join(map(str, commands)), language=None)


def has_documents(domain: Domain) -> bool:
    """Whether the corpus holds any file that could be indexed."""
    return domain.corpus.is_dir() and any(not file.refused for file in scan(domain.corpus))


def _show_no_index(error: SaviaError, say: Words, index: Index) -> None:
    if not has_documents(index.domain):
        show_empty(index, say)
        return
    damaged = isinstance(error, IndexDamaged)
    text = say["damaged_index" if damaged else "no_index"].format(domain=safe_text(index.domain.name))
    st.warning(text, icon=":material/inventory_2:")
    offer_build(index, say, "rebuild" if damaged else "sync")


def _say(text: str) -> None:
    st.error(text, icon=":material/error:")
