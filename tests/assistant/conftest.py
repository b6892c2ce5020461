"""Fixtures of the middle floor: the pack of three documents in tests/data/tiny, indexed by words, and an assistant over it."""

import shutil
from collections.abc import Callable

import pytest

from assistant.answer import Assistant
from assistant.backends.base import ChatBackend
from assistant.settings import AssistantSettings
from assistant.wiring import build_assistant
from retrieval.domain import load_domain
from retrieval.index import Index
from retrieval.settings import RetrievalSettings
from tests.conftest import ROOT

MakeAssistant = Callable[..., Assistant]


@pytest.fixture
def three_remedies(settings: RetrievalSettings) -> Index:
    """tests/data/tiny as the domain `tiny`, indexed by words alone."""
    shutil.copytree(ROOT / "tests" / "data" / "tiny", settings.domains_dir / "tiny")
    index = Index(load_domain("tiny", settings.domains_dir), settings)
    index.sync(None)
    return index


@pytest.fixture
def make_assistant(three_remedies: Index) -> MakeAssistant:
    """`make_assistant(backend)` is an assistant on the three remedies; without a backend it quotes."""

    def make(backend: ChatBackend | None = None) -> Assistant:
        return build_assistant("tiny", three_remedies.settings, AssistantSettings(), None, backend=backend)

    return make
