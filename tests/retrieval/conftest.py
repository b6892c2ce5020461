"""Fixtures of the ground floor: an index of a few documents, written and opened in one call."""

from collections.abc import Callable

import pytest

from retrieval.domain import load_domain
from retrieval.index import Index
from retrieval.settings import RetrievalSettings
from tests.conftest import WritePack

MakeIndex = Callable[[dict[str, str]], Index]


@pytest.fixture
def make_index(settings: RetrievalSettings, write_pack: WritePack) -> MakeIndex:
    """`make_index({"ruda.md": "# Ruda"})` writes (or adds to) the pack `tiny` and returns its index, not synced."""

    def make(documents: dict[str, str]) -> Index:
        write_pack(documents)
        return Index(load_domain("tiny", settings.domains_dir), settings)

    return make
