"""Retrievers named with settings, as on the command line."""

import pytest

from retrieval.domain import load_domain
from retrieval.errors import UsageError
from retrieval.index import Index
from retrieval.retrievers import HybridRetriever
from retrieval.settings import RetrievalSettings
from retrieval.variants import build_variant, parse_variant
from tests.conftest import WritePack
from tests.fakes import HashEmbedder


def test_settings_given_override_what_was_calibrated(write_pack: WritePack, settings: RetrievalSettings) -> None:
    write_pack({"ruda.md": "# Ruda\n\nLa ruda."})
    index, embedder = Index(load_domain("tiny", settings.domains_dir), settings), HashEmbedder()
    index.sync(embedder)
    found = build_variant(
        parse_variant("hybrid:weight=0.9,fusion=rrf,prior=off,language=off"), index, index.view(), embedder
    )
    assert isinstance(found, HybridRetriever)
    assert (found.fusion.weight, found.fusion.method, found.prior, found.reads_language) == (0.9, "rrf", None, False)


@pytest.mark.parametrize("text", ["fuzzy", "bm25:weight=1", "hybrid:depth=3", "hybrid:weight", "hybrid:weight="])
def test_what_there_is_not_is_refused_at_once(text: str) -> None:
    with pytest.raises(UsageError):
        parse_variant(text)


@pytest.mark.parametrize("text", ["hybrid:weight=2", "hybrid:weight=x", "hybrid:prior=maybe"])
def test_values_that_cannot_be_are_refused(write_pack: WritePack, settings: RetrievalSettings, text: str) -> None:
    write_pack({"ruda.md": "# Ruda\n\nLa ruda."})
    index = Index(load_domain("tiny", settings.domains_dir), settings)
    index.sync(None)
    with pytest.raises(UsageError):
        build_variant(parse_variant(text), index, index.view(), None)
