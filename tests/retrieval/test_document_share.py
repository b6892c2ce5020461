"""How much of a question a whole document says."""

import pytest

from retrieval.document_share import document_shares
from retrieval.domain import load_domain
from retrieval.index import Index
from retrieval.settings import RetrievalSettings
from retrieval.view import View
from tests.conftest import WritePack


@pytest.fixture
def view(write_pack: WritePack, settings: RetrievalSettings) -> View:
    documents = {
        "partera.md": "# Partera\n\n## Oficio\n\nAtiende el parto.\n\n## Temazcal\n\nBaña a la madre.",
        "ruda.md": "# Ruda\n\n## Usos\n\nContra el espanto.",
    }
    write_pack(documents)
    index = Index(load_domain("tiny", settings.domains_dir), settings)
    index.sync(None)
    return index.view()


def shares(view: View, question: str) -> dict[str, float]:
    found = document_shares(view, question)
    return {view.document(number).id: round(float(share), 3) for number, share in enumerate(found)}


def test_words_in_different_sections_count_together(view: View) -> None:
    assert shares(view, "¿quién baña a la madre después del parto?") == {"partera": 1.0, "ruda": 0.0}


def test_each_document_has_its_part_of_the_question(view: View) -> None:
    found = shares(view, "¿la madre, el espanto?")
    assert found["partera"] == found["ruda"] == 0.5


def test_a_question_in_words_that_no_document_has_says_nothing(view: View) -> None:
    assert shares(view, "¿futbol?") == {"partera": 0.0, "ruda": 0.0}
