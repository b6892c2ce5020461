"""Which domain the pages of this floor are about, and what they need of it; these pages also serve a pack without documents.

place = open_place(); place.layout.decisions; place.say["page_data_set"]
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from assistant.ui.safe_markdown import safe_markdown
from retrieval.corpus import scan
from retrieval.domain import Domain, load_domain
from retrieval.errors import SaviaError
from retrieval.settings import RetrievalSettings, read_settings
from training.build_state import hash_of
from training.jobs import Job
from training.layout import BuildLayout
from training.ui.strings import Words, words


@dataclass(frozen=True)
class Place:
    """A pack, its build folder, and the words to talk about it."""

    domain: Domain
    settings: RetrievalSettings
    layout: BuildLayout
    say: Words

    def job(self, name: str) -> Job:
        """A job of this domain: `data/build/<domain>/jobs/<name>/`."""
        return Job(self.layout.root / "jobs" / name)

    @property
    def environment(self) -> dict[str, str]:
        """What a child process needs to find the same home."""
        return {"SAVIA_HOME": str(self.settings.home.resolve())}


def open_place() -> Place | None:
    """The domain chosen in the sidebar; None where it cannot be read, which the sidebar's own page part has said."""
    try:
        settings = read_settings()
        wanted = st.session_state.get("domain") or st.session_state.get("chosen domain")
        name = str(wanted or st.query_params.get("domain") or settings.domain)
        domain = load_domain(name, settings.domains_dir)
    except SaviaError:
        return None
    settings = settings.model_copy(update={"domain": name})
    return Place(domain, settings, BuildLayout(settings.build_dir / name), words(domain.config.language))


def stamp(*paths: Path) -> tuple[int, ...]:
    """Changes whenever one of the files does: the key under which what was read is kept."""
    return tuple(_stamp(path) for path in paths)


def corpus_stamp(corpus: Path) -> str:
    """Changes whenever a document does, as far as sizes and times tell."""
    files = scan(corpus) if corpus.is_dir() else ()
    return hash_of([(file.path, stamp(file.location)) for file in files])


def show_error(error: SaviaError) -> None:
    st.error(safe_markdown(str(error)), icon=":material/error:")


def key(*parts: Any) -> str:
    """A widget's key."""
    return " ".join(map(str, parts))


def _stamp(path: Path) -> int:
    try:
        found = path.stat()
    except OSError:
        return 0
    return found.st_mtime_ns ^ found.st_size
