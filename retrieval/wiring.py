"""Settings to objects, as far as the ground floor goes: embedder, index, retriever.

embedder = build_embedder(settings)
retriever = index_retriever("hybrid", Index(domain, settings), view, embedder)
"""

from collections.abc import Callable

from retrieval.asking import Asking
from retrieval.calibrate import Calibration, read_calibration
from retrieval.domain import Domain, load_domain
from retrieval.embedders import Embedder, load_embedder
from retrieval.errors import EmbedderUnavailable, IndexDamaged, UsageError
from retrieval.followups import Names, Rewriter
from retrieval.index import Index
from retrieval.lock import is_being_written
from retrieval.prior import Prior, PriorWeights
from retrieval.rerank import build_reranker, reranker_folder
from retrieval.retrievers import Engine, Fusion, Method, Retriever, build_retriever
from retrieval.settings import RetrievalSettings
from retrieval.view import View

Say = Callable[[str], None]
"""Told in one sentence what is not as good as it could be."""


def open_index(settings: RetrievalSettings) -> Index:
    """The index of the settings' domain. Raises `DomainError`."""
    return Index(load_domain(settings.domain, settings.domains_dir), settings)


def fusion_method(name: str) -> Method:
    """`zscore` or `rrf`. Raises `UsageError` for anything else."""
    if name == "zscore" or name == "rrf":
        return "zscore" if name == "zscore" else "rrf"
    raise UsageError(f"--fusion {name!r} is none of zscore, rrf.")


def build_embedder(settings: RetrievalSettings, say: Say | None = None) -> Embedder | None:
    """The settings' embedder, or None (BM25 alone) where it is switched off or unavailable; `say` is told why."""
    if settings.embedder == "none":
        return None
    try:
        return load_embedder(settings.embedder, settings.models_dir, domain=settings.domain)
    except EmbedderUnavailable as error:
        if say:
            say(f"Lexical search only. {error}")
        return None


def usable_embedder(view: View, embedder: Embedder | None) -> Embedder | None:
    """The embedder if the view's vectors are its own; vectors of two models are never compared."""
    made_with = view.meta["embedder"]
    if embedder is None or made_with is None or view.state == "lexical":
        return None
    return embedder if made_with["fingerprint"] == embedder.fingerprint else None


def index_retriever(
    name: str,
    index: Index,
    view: View,
    embedder: Embedder | None,
    method: Method = "zscore",
    engine: Engine = "exact",
    names: Names | None = None,
) -> Retriever:
    """A retriever over an index with what was calibrated for it; `names` are the pack's, made here where they are not at hand.

    Chroma serves `dense` (and hybrid where `engine` is dense) unless a sync is writing to it just now: the scan serves then.
    `adapted` is the hybrid that insists on an adapted embedder, `rerank` the hybrid with the kept reranker: `UsageError` where there
    is none.
    """
    embedder = usable_embedder(view, embedder)
    if name == "rerank":
        return _reranked(index, index_retriever("hybrid", index, view, embedder, method, engine, names), embedder)
    if name == "adapted":
        _check_adapted(index, embedder)
        name = "hybrid"
    calibration = read_calibration(index.folder, embedder.fingerprint if embedder else "")
    fusion = Fusion(calibration.weight, method)
    prior = domain_prior(index.domain, view, calibration, names) if name == "hybrid" else None
    scanning = "exact" if name == "dense" else name
    if embedder is None or not (name == "dense" or engine == "dense") or is_being_written(index.folder):
        return build_retriever(scanning, view, embedder, fusion, prior=prior)
    try:
        return build_retriever(
            name, view, embedder, fusion, lambda: index.store(view), engine, prior, calibration.candidates
        )
    except IndexDamaged:
        # A question is worth more than the engine it is answered by; `index verify` names the damage.
        return build_retriever(scanning, view, embedder, fusion, prior=prior)


def _check_adapted(index: Index, embedder: Embedder | None) -> None:
    if embedder is None or embedder.name != "adapted":
        raise UsageError(
            f"The domain {index.domain.name} is not indexed with an adapted embedder.",
            f"Train one: savia adapt --domain {index.domain.name}",
        )


def answering_retriever(
    name: str,
    index: Index,
    view: View,
    embedder: Embedder | None,
    method: Method = "zscore",
    engine: Engine = "exact",
    names: Names | None = None,
    say: Say | None = None,
) -> Retriever:
    """What answers people where `name` is set: the hybrid's hits are reranked where a reranker was kept, unless the settings say no.

    One that cannot be used, damaged or made for another embedder, is left out, and `say` is told.
    """
    base = index_retriever(name, index, view, embedder, method, engine, names)
    if name != "hybrid" or index.settings.reranker == "none":
        return base
    try:
        return _reranked(index, base, usable_embedder(view, embedder)) if has_reranker(index) else base
    except UsageError as error:
        if say:
            say(f"Answers are not reranked. {error}")
        return base


def has_reranker(index: Index) -> bool:
    return reranker_folder(index.settings.models_dir, index.domain.name).is_dir()


def _reranked(index: Index, base: Retriever, embedder: Embedder | None) -> Retriever:
    folder = reranker_folder(index.settings.models_dir, index.domain.name)
    return build_reranker(folder, index.domain.name, base, embedder.fingerprint if embedder else "")


def domain_rewriter(domain: Domain, view: View) -> Rewriter:
    """Follow-up questions and names of a domain."""
    config = domain.config
    return Rewriter(view, config.name_fields, config.sections, config.fields)


def domain_prior(domain: Domain, view: View, calibration: Calibration, names: Names | None = None) -> Prior | None:
    """What questions say about where to look; None where the pack does not say what its subjects are called and nothing was learnt
    about the headings that questions ask for."""
    names = names or subject_names(domain, view)
    asking = Asking.from_json(calibration.asking) if calibration.asking else None
    if names is None and asking is None:
        return None
    weights = PriorWeights(**calibration.prior) if calibration.prior else PriorWeights()
    return Prior(view, names, domain.config.sections, weights, asking)


def subject_names(domain: Domain, view: View) -> Names | None:
    """The names for the subject bonus: only where the pack declares what its documents' subjects are called."""
    return domain_rewriter(domain, view).names if domain.config.name_fields else None
