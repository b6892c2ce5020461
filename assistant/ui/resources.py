"""What the page keeps open between two clicks: the embedder, and for each domain the assistant over its current view.

    opened = open_assistant(domain, read_settings(), read_assistant_settings())
    opened.assistant.ask("¿Qué es el susto?")

An assistant is opened anew when a sync published another view. The old one is closed first: a Chroma client that was open
while another process wrote keeps a stale nearest-neighbour index.
"""

from dataclasses import dataclass, field
from pathlib import Path

import streamlit as st

from assistant.answer import Assistant
from assistant.settings import AssistantSettings
from assistant.wiring import build_assistant
from retrieval.domain import Domain
from retrieval.embedders import AUTO, Embedder, adapted_folder
from retrieval.index import Index
from retrieval.lock import is_being_written
from retrieval.rerank import RECORD, close_retriever, reranker_folder
from retrieval.settings import RetrievalSettings
from retrieval.view import current_view_name
from retrieval.wiring import build_embedder

MOST_DOMAINS = 4  # kept open at once; each holds a memory map and a Chroma client

Stamp = tuple[str | None, bool, int, int, int]


@dataclass(frozen=True)
class Opened:
    """An assistant with what has to be said about it."""

    assistant: Assistant
    stamp: Stamp
    notes: tuple[str, ...] = field(default=())


def open_assistant(domain: Domain, retrieval: RetrievalSettings, settings: AssistantSettings) -> Opened:
    """The domain's assistant over its current view, which quotes; the chat puts other backends in its place.

    Raises `IndexProblem`, `UsageError`.
    """
    retrieval = retrieval.model_copy(update={"domain": domain.name})
    settings = settings.model_copy(update={"backend": "extractive"})
    index = Index(domain, retrieval)
    stamp = _stamp(index)
    key = (
        domain.name,
        str(retrieval.home),
        retrieval.embedder,
        _adapted(retrieval),
        settings.retriever,
        retrieval.reranker,
    )
    opened = _open(*key, retrieval, settings, stamp)
    if opened.stamp != stamp:
        _open.clear(*key, retrieval, settings, stamp)
        opened = _open(*key, retrieval, settings, stamp)
    return opened


def _stamp(index: Index) -> Stamp:
    """Changes whenever an open assistant would answer otherwise than a fresh one."""
    pack, calibration = index.domain.folder / "domain.yaml", index.folder / "calibration.json"
    reranker = reranker_folder(index.settings.models_dir, index.domain.name) / RECORD
    changed = (_changed(pack), _changed(calibration), _changed(reranker))
    return current_view_name(index.folder), is_being_written(index.folder), *changed


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _close(opened: Opened) -> None:
    """Let go of Chroma; everything else is memory."""
    close_retriever(opened.assistant.retriever)


@st.cache_resource(max_entries=MOST_DOMAINS, on_release=_close, show_spinner=False)
def _open(
    name: str,
    home: str,
    embedder_name: str,
    adapted: str,
    retriever: str,
    reranker: str,
    _retrieval: RetrievalSettings,
    _settings: AssistantSettings,
    _stamp: Stamp,
) -> Opened:
    embedder, notes = _embedder(embedder_name, str(_retrieval.models_dir), adapted, _retrieval)
    assistant = build_assistant(name, _retrieval, _settings, embedder, engine="dense")
    return Opened(assistant, _stamp, notes)


def open_embedder(retrieval: RetrievalSettings) -> Embedder | None:
    """The embedder of the settings' domain, shared with its assistant; None where words alone are searched."""
    return _embedder(retrieval.embedder, str(retrieval.models_dir), _adapted(retrieval), retrieval)[0]


def _adapted(retrieval: RetrievalSettings) -> str:
    """The domain and the time of its own embedder, where it has one; domains without one share the packaged one."""
    folder = adapted_folder(retrieval.models_dir, retrieval.domain)
    return f"{retrieval.domain} {_changed(folder)}" if retrieval.embedder == AUTO and folder.is_dir() else ""


@st.cache_resource(max_entries=2, show_spinner=False)
def _embedder(
    name: str, models: str, adapted: str, _retrieval: RetrievalSettings
) -> tuple[Embedder | None, tuple[str, ...]]:
    notes: list[str] = []
    return build_embedder(_retrieval, notes.append), tuple(notes)
