"""The assistants that the API keeps open: one for each domain over its current view, and one model backend for all domains.

    pool.ask("herbolaria", "extractive", "¿Qué es el susto?", [], Options())

A domain is opened anew when a sync published another view, once no search is running on the old one: a Chroma client that was
open while another process wrote keeps a stale nearest-neighbour index.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from assistant.answer import AnswerStream, Assistant
from assistant.backends.base import ChatBackend
from assistant.messages import Options
from assistant.settings import AssistantSettings, BackendName
from assistant.wiring import build_assistant, build_model_backend
from retrieval.domain import list_domains, load_domain
from retrieval.embedders import Embedder
from retrieval.errors import UsageError
from retrieval.followups import Turn
from retrieval.index import Index
from retrieval.lock import is_being_written
from retrieval.rerank import RECORD, close_retriever, reranker_folder
from retrieval.settings import RetrievalSettings
from retrieval.view import current_view_name
from retrieval.wiring import build_embedder

MOST_DOMAINS = 8  # kept open at once; each holds a memory map and a Chroma client

Stamp = tuple[str | None, bool, int, int, int]


@dataclass
class _Open:
    """An open domain, how many searches use it, and the state of its files when it was opened."""

    assistant: Assistant
    stamp: Stamp
    users: int = 0


class AssistantPool:
    """Opened domains and model backends. Safe to use from several threads; `backends` overrides the settings' ones."""

    def __init__(
        self,
        retrieval: RetrievalSettings,
        settings: AssistantSettings,
        backends: Mapping[BackendName, ChatBackend] | None = None,
    ) -> None:
        self.retrieval = retrieval
        self.settings = settings
        self.offered: tuple[BackendName, ...] = tuple(dict.fromkeys((*settings.offered_backends, *(backends or {}))))
        self._backends: dict[BackendName, ChatBackend] = dict(backends or {})
        self._domains: OrderedDict[str, _Open] = OrderedDict()
        self._changed = threading.Condition()
        self._loading = threading.Lock()
        self._embedder: tuple[Embedder | None] | None = None

    def domains(self) -> list[str]:
        return list_domains(self.retrieval.domains_dir)

    def ask(
        self, domain: str, backend: BackendName, question: str, history: Sequence[Turn], options: Options
    ) -> AnswerStream:
        """Search at once; the answer is written while the stream is read.

        Raises `DomainNotFound`, `IndexProblem`, `UsageError`.
        """
        with self.leased(domain) as assistant:
            writer = assistant.backend if backend == "extractive" else self.backend(backend)
            return replace(assistant, backend=writer, options=options).ask(question, history)

    @contextmanager
    def leased(self, name: str) -> Iterator[Assistant]:
        """A domain's extractive assistant, kept open while it is used. Raises `DomainNotFound`, `IndexProblem`."""
        entry = self._enter(name)
        try:
            yield entry.assistant
        finally:
            with self._changed:
                entry.users -= 1
                self._changed.notify_all()

    def backend(self, name: BackendName) -> ChatBackend:
        """The one backend of that name. Raises `UsageError`."""
        if name not in self.offered:
            raise UsageError(f"The backend {name} is not offered.", f"Offered: {', '.join(self.offered)}.")
        with self._loading:
            if name not in self._backends:
                self._backends[name] = build_model_backend(name, self.settings)
            return self._backends[name]

    def close(self) -> None:
        """Let go of Chroma and of the models."""
        with self._changed:
            for entry in self._domains.values():
                _close(entry.assistant)
            self._domains.clear()
        for backend in self._backends.values():
            release = getattr(backend, "close", None)
            if release:
                release()

    def _enter(self, name: str) -> _Open:
        index = Index(load_domain(name, self.retrieval.domains_dir), self.retrieval)
        stamp = _stamp(index)
        with self._changed:
            old = self._domains.get(name)
            if old is not None and old.stamp != stamp:
                self._changed.wait_for(lambda: old.users == 0)
                if self._domains.get(name) is old:
                    _close(self._domains.pop(name).assistant)
            entry = self._domains.get(name)
            if entry is None:
                entry = self._domains[name] = _Open(self._build(name), stamp)
                self._forget_one()
            self._domains.move_to_end(name)
            entry.users += 1
            return entry

    def _forget_one(self) -> None:
        """Close the idle domain that was used longest ago when there are too many."""
        idle = [name for name, entry in self._domains.items() if entry.users == 0]
        if len(self._domains) > MOST_DOMAINS and len(idle) > 1:
            _close(self._domains.pop(idle[0]).assistant)

    def _build(self, name: str) -> Assistant:
        if self._embedder is None:
            self._embedder = (build_embedder(self.retrieval),)
        settings = self.settings.model_copy(update={"backend": "extractive"})
        return build_assistant(name, self.retrieval, settings, self._embedder[0], engine="dense")


def _stamp(index: Index) -> Stamp:
    """Changes whenever an open assistant would answer otherwise than a fresh one."""
    reranker = reranker_folder(index.settings.models_dir, index.domain.name) / RECORD
    files = [index.domain.folder / "domain.yaml", index.folder / "calibration.json", reranker]
    pack, calibration, kept = (path.stat().st_mtime_ns if path.exists() else 0 for path in files)
    return current_view_name(index.folder), is_being_written(index.folder), pack, calibration, kept


def _close(assistant: Assistant) -> None:
    """Let go of Chroma; everything else is memory."""
    close_retriever(assistant.retriever)
