"""Under which heading the documents themselves use a question's words."""

from collections.abc import Callable

import pytest

from retrieval.domain import load_domain
from retrieval.index import Index
from retrieval.section_kinds import SectionKinds
from retrieval.settings import RetrievalSettings
from retrieval.view import View
from tests.conftest import WritePack

MakeView = Callable[[dict[str, str]], View]


def plant(name: str, botany: str, uses: str) -> str:
    return f"# {name}\n\n## Botánica\n\n{botany}\n\n## Usos\n\n{uses}"


@pytest.fixture
def make_view(write_pack: WritePack, settings: RetrievalSettings) -> MakeView:
    def make(documents: dict[str, str]) -> View:
        write_pack(documents)
        index = Index(load_domain("tiny", settings.domains_dir), settings)
        index.sync(None)
        return index.view()

    return make


def scores(view: View, question: str) -> dict[str, float]:
    found = SectionKinds(view).scores(question)
    return {view.section_of(row)[0]: round(float(value), 3) for row, value in enumerate(found)}


def test_a_section_is_expected_to_say_what_its_fellows_say(make_view: MakeView) -> None:
    view = make_view(
        {
            "ruda.md": plant("Ruda", "Su flor es amarilla.", "Se toma en té."),
            "malva.md": plant("Malva", "Su flor es morada.", "Se toma en té."),
            "nopal.md": plant("Nopal", "Tiene pencas.", "Se come."),
        }
    )
    found = scores(view, "¿de qué color es la flor?")
    # Two of three Botánica sections have the word, no Usos section: one deviation above and one below their mean.
    assert found["nopal#botanica"] == found["ruda#botanica"] == 1.0
    assert found["nopal#usos"] == -1.0


def test_headings_of_few_sections_say_nothing(make_view: MakeView) -> None:
    view = make_view(
        {
            "ruda.md": plant("Ruda", "Su flor es amarilla.", "Se toma en té.") + "\n\n## Historia\n\nLlegó en barco.",
            "malva.md": plant("Malva", "Su flor es morada.", "Se toma en té."),
            "nopal.md": plant("Nopal", "Tiene pencas.", "Se come."),
        }
    )
    found = scores(view, "¿llegó en barco, con flor?")
    assert found["ruda#historia"] == 0.0 and found["ruda#botanica"] == 1.0


def test_unknown_words_and_documents_without_common_headings_say_nothing(make_view: MakeView) -> None:
    view = make_view({"uno.md": "# Uno\n\n## A\n\nagua", "dos.md": "# Dos\n\n## B\n\nfuego"})
    assert set(scores(view, "¿agua o fuego?").values()) == {0.0}
    assert set(scores(view, "¿futbol?").values()) == {0.0}


def test_a_word_under_every_heading_says_nothing(make_view: MakeView) -> None:
    parts = "".join(f"\n\n## Parte {letter}\n\nCon agua." for letter in "ABCDEFGHIJK")
    view = make_view({f"p{n}.md": f"# P{n}\n\nCon agua.{parts}" for n in range(3)})
    assert set(scores(view, "¿agua?").values()) == {0.0}
