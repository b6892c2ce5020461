"""The one place where settings become an assistant.

assistant = build_assistant("herbolaria", read_settings(), AssistantSettings(), embedder)
"""

import os

from assistant.answer import Assistant
from assistant.backends.base import ChatBackend
from assistant.backends.extractive import ExtractiveBackend
from assistant.backends.local import LocalBackend
from assistant.backends.vllm import TimeLimits, VllmBackend
from assistant.messages import Options
from assistant.settings import AssistantSettings, BackendName
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
from retrieval.wiring import Say, answering_retriever, domain_rewriter, usable_embedder


def build_assistant(
    name: str,
    retrieval: RetrievalSettings,
    settings: AssistantSettings,
    embedder: Embedder | None,
    engine: Engine = "exact",
    backend: ChatBackend | None = None,
    say: Say | None = None,
) -> Assistant:
    """Everything that answers questions on a domain. Raises `DomainError`, `IndexProblem`, `UsageError`.

    `engine="dense"` searches through Chroma's own query, as the page and the API do; `backend` overrides the settings' one; `say` is
    told why answers are not as good as they could be.
    """
    domain = load_domain(name, retrieval.domains_dir)
    index = Index(domain, retrieval)
    view = index.view()
    embedder = usable_embedder(view, embedder)
    rewriter = domain_rewriter(domain, view)
    names = rewriter.names if domain.config.name_fields else None
    retriever = answering_retriever(settings.retriever, index, view, embedder, settings.fusion, engine, names, say)
    calibration = read_calibration(index.folder, embedder.fingerprint if embedder else "")
    if backend is None:
        backend = build_backend(settings, domain, view, rewriter, embedder)
    confidence = Confidence.of(calibration.threshold)
    options = default_options(settings)
    return Assistant(domain, view, retriever, backend, rewriter, confidence, embedder is None, options=options)


def default_options(settings: AssistantSettings) -> Options:
    """How answers are generated unless a question says otherwise."""
    return Options(settings.max_tokens, settings.temperature, settings.seed, settings.top_p)


def build_backend(
    settings: AssistantSettings, domain: Domain, view: View, rewriter: Rewriter, embedder: Embedder | None
) -> ChatBackend:
    """The settings' backend. Raises `UsageError`; a model that cannot be used is told when it is asked."""
    if settings.backend == "extractive":
        return ExtractiveBackend(view, domain.config, rewriter.names, embedder)
    return build_model_backend(settings.backend, settings)


def build_model_backend(name: BackendName, settings: AssistantSettings) -> ChatBackend:
    """A backend with a language model: one serves every domain. Nothing is loaded or connected yet. Raises `UsageError`."""
    match name:
        case "local":
            return _build_local(settings)
        case "vllm":
            limits = TimeLimits(
                settings.vllm_connect_seconds, settings.vllm_first_token_seconds, settings.vllm_total_seconds
            )
            return VllmBackend(settings.server_url, settings.vllm_model or None, settings.vllm_api_key, limits)
        case _:
            raise UsageError(f"The backend {name} has no model of its own.", "Choose local or vllm.")


def _build_local(settings: AssistantSettings) -> ChatBackend:
    if settings.hf_token:  # where the hub's client looks for it
        os.environ.setdefault("HF_TOKEN", settings.hf_token.get_secret_value())
    return LocalBackend(
        settings.model,
        settings.adapter or None,
        quantization=settings.quantization,
        dtype=settings.dtype,
        device=settings.device,
        attention=settings.attention,
        allow_base=settings.allow_base,
    )
