"""A small indexed pack and the page over it, run by Streamlit's own AppTest."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from retrieval.domain import load_domain
from retrieval.index import Index
from retrieval.settings import RetrievalSettings
from tests.conftest import ROOT, WritePack
from tests.fakes import PACK

PATIENCE = 60  # seconds for one run of the page: the first one imports everything

CONFIG = PACK + (
    "sample_questions: ['¿El gel de la sábila alivia quemaduras?']\n"
    "red_flags: [{name: emergency, patterns: ['no respira'], message: Llame al 911.}]\n"
)
DOCUMENTS = {
    "plantas/sabila.md": (
        "---\nwarning: El látex amarillo es purgante.\nfamily: Asphodelaceae\n---\n# Sábila\n\n"
        "La sábila es una planta carnosa.\n\n## Usos\n\n"
        "El gel de la sábila alivia quemaduras leves. Se parece al [nopal](nopal.md).\n"
    ),
    "plantas/nopal.md": "# Nopal\n\nEl nopal es un cacto que se come asado y en ensalada.\n",
    "diccionario/susto.md": "# Susto\n\nEl susto es un padecimiento del ánimo que causa una impresión fuerte.\n",
}

OpenPage = Callable[[], AppTest]


@pytest.fixture
def open_page(settings: RetrievalSettings, monkeypatch: pytest.MonkeyPatch) -> OpenPage:
    """`open_page()` runs streamlit_app.py with the temporary home and the domain `tiny`."""
    monkeypatch.setenv("SAVIA_HOME", str(settings.home))
    monkeypatch.setenv("SAVIA_DOMAIN", "tiny")
    monkeypatch.setenv("SAVIA_EMBEDDER", "none")

    def run() -> AppTest:
        return AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=PATIENCE).run()

    return run


@pytest.fixture
def tiny_index(settings: RetrievalSettings, write_pack: WritePack) -> Index:
    """Three documents about plants, indexed by words alone."""
    write_pack(DOCUMENTS, config=CONFIG)
    index = Index(load_domain("tiny", settings.domains_dir), settings)
    index.sync(None)
    return index


def said(page: AppTest) -> str:
    """Everything that the page says in Markdown, captions and boxes."""
    kinds = (page.markdown, page.caption, page.error, page.warning, page.info)
    return "\n".join(str(element.value) for kind in kinds for element in kind)
