"""The one place where settings become an assistant.

assistant = build_assistant("herbolaria", read_settings(), AssistantSettings(), embedder)
"""

from assistant.answer import Assistant
from assistant.backends.base import ChatBackend
from assistant.backends.extractive import ExtractiveBackend
from assistant.settings import AssistantSettings
from retrieval.calibrate import read_calibration
from retrieval.confidence import Confidence
from retrieval.domain import Domain, load_domain
from retrieval.embedders import Embedder
from retrieval.errors import UsageError
from retrieval.followups import Rewriter
from retrieval.index import Index
from retrieval.retrievers import Engine
from retrieval.settings import RetrievalSettings
from retrieval.view import View
from retrieval.wiring import domain_rewriter, index_retriever, usable_embedder


def build_assistant(
    name: str,
    retrieval: RetrievalSettings,
    settings: AssistantSettings,
    embedder: Embedder | None,
    engine: Engine = "exact",
    backend: ChatBackend | None = None,
) -> Assistant:
    """Everything that answers questions on a domain. Raises `DomainError`, `IndexProblem`, `UsageError`.

    `engine="dense"` searches through Chroma's own query, as the page and the API do; `backend` overrides the settings' one.
    """
    domain = load_domain(name, retrieval.domains_dir)
    index = Index(domain, retrieval)
    view = index.view()
    embedder = usable_embedder(view, embedder)
    rewriter = domain_rewriter(domain, view)
    names = rewriter.names if domain.config.name_fields else None
    retriever = index_retriever(settings.retriever, index, view, embedder, settings.fusion, engine, names)
    calibration = read_calibration(index.folder, embedder.fingerprint if embedder else "")
    if backend is None:
        backend = build_backend(settings.backend, domain, view, rewriter, embedder)
    confidence = Confidence.of(calibration.threshold)
    return Assistant(domain, view, retriever, backend, rewriter, confidence, embedder is None)


def build_backend(name: str, domain: Domain, view: View, rewriter: Rewriter, embedder: Embedder | None) -> ChatBackend:
    match name:
        case "extractive":
            return ExtractiveBackend(view, domain.config, rewriter.names, embedder)
        case _:
            raise UsageError(f"There is no backend {name!r}.", "Set SAVIA_BACKEND=extractive.")
