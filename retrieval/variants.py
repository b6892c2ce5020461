"""A retriever with settings of its own, as it is named on the command line, so that several can be measured at once.

parse_variant("hybrid:weight=0.3,prior=off").settings      # {'weight': '0.3', 'prior': 'off'}
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from retrieval.embedders import Embedder
from retrieval.errors import UsageError
from retrieval.index import Index
from retrieval.retrievers import NAMES, HybridRetriever, Method, Retriever
from retrieval.view import View
from retrieval.wiring import fusion_method, index_retriever

SETTINGS = ("weight", "fusion", "prior", "language")


@dataclass(frozen=True)
class Variant:
    """`label` is what reports call it: the text as it was given."""

    label: str
    name: str
    settings: Mapping[str, str]


def parse_variant(text: str) -> Variant:
    """`name` or `name:setting=value,...`. Raises `UsageError` for what there is not."""
    name, _, rest = text.partition(":")
    if name not in NAMES:
        raise UsageError(f"There is no retriever {name!r}.", f"Choose one of {', '.join(NAMES)}.")
    settings: dict[str, str] = {}
    for part in filter(None, rest.split(",")):
        key, separator, value = part.partition("=")
        if key not in SETTINGS or not separator or not value:
            raise UsageError(
                f"{part!r} in {text!r} is no setting of a retriever.",
                f"Write {', '.join(f'{key}=...' for key in SETTINGS)}.",
            )
        settings[key] = value
    if settings and name != "hybrid":
        raise UsageError(f"{name} has no settings ({rest}).", f"Only hybrid takes {', '.join(SETTINGS)}.")
    return Variant(text, name, settings)


def build_variant(
    variant: Variant, index: Index, view: View, embedder: Embedder | None, method: Method = "zscore"
) -> Retriever:
    """The retriever over an index; settings given override what was calibrated. Raises `UsageError`."""
    if "fusion" in variant.settings:
        method = fusion_method(variant.settings["fusion"])
    retriever = index_retriever(variant.name, index, view, embedder, method)
    if isinstance(retriever, HybridRetriever):
        if "weight" in variant.settings:
            retriever.fusion = replace(retriever.fusion, weight=_weight(variant.settings["weight"]))
        if _switched_off("prior", variant):
            retriever.prior = None
        retriever.reads_language = not _switched_off("language", variant)
    return retriever


def _weight(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise UsageError(f"weight={text} is no share.", "Write a number from 0 (words alone) to 1 (vectors alone).")
    return value


def _switched_off(setting: str, variant: Variant) -> bool:
    text = variant.settings.get(setting, "on")
    if text not in ("on", "off"):
        raise UsageError(f"{setting}={text} is neither on nor off.")
    return text == "off"


def default_variants() -> list[Variant]:
    return [Variant(name, name, {}) for name in ("bm25", "hybrid")]


def needs_vectors(variants: list[Variant]) -> bool:
    return any(variant.name != "bm25" for variant in variants)
