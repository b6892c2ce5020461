"""What surrounds every page: settings, the domain switch, the assistant, the errors.

workplace = open_workplace()
if workplace: show_chat(workplace.page)
"""

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from assistant.answer import Assistant
from assistant.feedback import feedback_path
from assistant.settings import AssistantSettings, read_assistant_settings
from assistant.ui.backend_choice import choose_writers
from assistant.ui.chat import start_new_chat
from assistant.ui.exchanges import ChatPage
from assistant.ui.problems import Place, show_empty, show_problem
from assistant.ui.resources import Opened, open_assistant
from assistant.ui.safe_markdown import safe_text
from assistant.ui.strings import Words, words
from retrieval.domain import Domain, list_domains, load_domain
from retrieval.errors import SaviaError
from retrieval.index import Index
from retrieval.lock import is_being_written
from retrieval.settings import RetrievalSettings, read_settings


@dataclass(frozen=True)
class Workplace:
    """A domain that can be asked, the settings, and the words to talk about it."""

    assistant: Assistant
    say: Words
    retrieval: RetrievalSettings
    settings: AssistantSettings

    @property
    def build(self) -> Path:
        """Where everything that is generated for the domain lies."""
        return self.retrieval.build_dir / self.assistant.domain.name

    @property
    def page(self) -> ChatPage:
        return ChatPage(self.assistant, self.say, feedback_path(self.build))

    def writers(self) -> list[Assistant]:
        """Draw the switch of backends; who answers the next question."""
        return choose_writers(self.assistant, self.settings, self.build, self.say)


def open_workplace() -> Workplace | None:
    """Draw the sidebar and open the chosen domain. Where that fails, draw the reason and give None."""
    say = words(st.context.locale)
    place = Place()
    try:
        settings, assistant_settings = read_settings(), read_assistant_settings()
        known = list_domains(settings.domains_dir)
        place = Place(_wanted(settings), known, None, settings)
        name = _choose_domain(place.name, known, settings, say)
        place = Place(name, known, None, settings)
        domain = load_domain(name, settings.domains_dir)
        say = words(domain.config.language)
        place = Place(name, known, domain, settings)
        opened = open_assistant(domain, settings, assistant_settings)
    except SaviaError as error:
        show_problem(error, say, place)
        return None
    _show_state(opened, settings, say)
    if not len(opened.assistant.view):
        show_empty(Index(domain, settings), say)
        return None
    settings = settings.model_copy(update={"domain": name})
    return Workplace(opened.assistant, say, settings, assistant_settings)


def _wanted(settings: RetrievalSettings) -> str:
    """The domain chosen before, else the address's, else the settings'."""
    return str(st.session_state.get("chosen domain") or st.query_params.get("domain") or settings.domain)


def _choose_domain(wanted: str, known: list[str], settings: RetrievalSettings, say: Words) -> str:
    titles = {name: _title(name, settings.domains_dir) for name in known}
    with st.sidebar:
        st.markdown("## :green[:material/eco:] Savia")
        if not known:
            return wanted
        chosen = st.selectbox(
            _words_of(wanted, settings, say)["domain"],
            known,
            index=known.index(wanted) if wanted in known else None,
            format_func=lambda name: titles[name],
            placeholder=say["choose_domain"],
            key="domain",
        )
    if chosen and chosen != wanted:
        st.session_state["chosen domain"] = chosen
        st.query_params.clear()
    return chosen or wanted


def _title(name: str, domains: Path) -> str:
    domain = _load(name, domains)
    return domain.config.title if domain else name


def _words_of(name: str, settings: RetrievalSettings, say: Words) -> Words:
    domain = _load(name, settings.domains_dir)
    return words(domain.config.language) if domain else say


def _load(name: str, domains: Path) -> Domain | None:
    """A pack for its title and language only: a broken one is reported where it is used."""
    try:
        changed = (domains / name / "domain.yaml").stat().st_mtime_ns
        return _load_once(name, domains, changed)
    except (SaviaError, OSError):
        return None


@st.cache_resource(max_entries=64, show_spinner=False)
def _load_once(name: str, domains: Path, changed: int) -> Domain:
    return load_domain(name, domains)


def _show_state(opened: Opened, settings: RetrievalSettings, say: Words) -> None:
    """Below the switch: a fresh start, what is indexed, and what is not as good as it could be."""
    assistant = opened.assistant
    view = assistant.view
    with st.sidebar:
        st.button(
            say["new_chat"],
            icon=":material/add_comment:",
            on_click=start_new_chat,
            args=(assistant.domain.name,),
            width="stretch",
        )
        st.caption(say["index_state"].format(documents=len(view.documents), passages=len(view)))
        if opened.notes:
            st.warning(
                f"{say['no_embedder']} {safe_text(' '.join(opened.notes).removeprefix('Lexical search only. '))}",
                icon=":material/warning:",
            )
        elif view.state != "complete" and is_being_written(settings.index_dir(assistant.domain.name)):
            st.caption(f":material/hourglass_top: {say['lexical_building']}")
        elif assistant.lexical_only:
            st.caption(f":material/spellcheck: {say['lexical_only']}")
