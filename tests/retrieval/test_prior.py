"""What a question says about where to look: the document it names and the kind of section it asks for."""

import pytest

from retrieval.asking import Asking, Sample
from retrieval.domain import SectionRule, load_domain
from retrieval.embedders import Embedder
from retrieval.followups import Names
from retrieval.index import Index
from retrieval.prior import AskedKinds, Prior, PriorWeights, passage_roles, section_role, without_names
from retrieval.retrievers import Fusion, HybridRetriever
from retrieval.section_kinds import SectionKinds
from retrieval.settings import RetrievalSettings
from retrieval.view import View
from retrieval.wiring import index_retriever
from tests.conftest import WritePack

RULES = {
    "Usos": SectionRule(role="uses"),
    "Toxicidad": SectionRule(role="safety"),
    "top": SectionRule(role="definition"),
}
PLANT = "# {name}\n\nLa {name} es una planta.\n\n## Usos\n\nLa {name} se toma en té para la panza.\n\n## Toxicidad\n\nEn exceso irrita.\n"


@pytest.fixture
def view(write_pack: WritePack, settings: RetrievalSettings) -> View:
    write_pack({f"{name.lower()}.md": PLANT.format(name=name) for name in ("Ruda", "Menta", "Malva")})
    index = Index(load_domain("tiny", settings.domains_dir), settings)
    index.sync(None)
    return index.view()


@pytest.fixture
def prior(view: View) -> Prior:
    asked = [
        ("¿es peligrosa?", "/Toxicidad"),
        ("¿hace daño?", "/Toxicidad"),
        ("¿para qué sirve?", "/Usos"),
        ("¿qué cura?", "/Usos"),
    ]
    asking = Asking.fit([Sample(text, frozenset({kind})) for text, kind in asked])
    return Prior(view, Names(view, ()), RULES, PriorWeights(subject=3.0, asks=1.0, roles={"names": -1.0}), asking)


def ranked(view: View, prior: Prior | None, question: str) -> list[str]:
    return [hit.passage.section_id for hit in HybridRetriever(view, None, Fusion(), prior=prior).search(question, 9)]


def test_the_section_that_is_asked_for_comes_first_though_another_says_the_name_more_often(
    view: View, prior: Prior
) -> None:
    assert ranked(view, Prior(view, Names(view, ())), "¿la ruda es peligrosa?")[0] != "ruda#toxicidad"
    assert ranked(view, prior, "¿la ruda es peligrosa?")[0] == "ruda#toxicidad"
    assert ranked(view, prior, "¿para qué sirve la ruda?")[0] == "ruda#usos"


def test_every_passage_of_the_named_document_stands_before_the_others(view: View, prior: Prior) -> None:
    found = ranked(view, prior, "¿la menta es peligrosa?")
    assert {section.partition("#")[0] for section in found[:3]} == {"menta"}


def test_the_innermost_heading_with_a_role_decides() -> None:
    assert section_role(("Usos", "Toxicidad"), RULES) == "safety"
    assert section_role(("Usos", "Otra cosa"), RULES) == "uses"
    assert section_role((), RULES) == "definition"
    assert section_role(("Otra cosa",), RULES) is None


def test_names_are_masked_before_the_wording_is_read(view: View) -> None:
    assert without_names("¿La ruda y la menta?", Names(view, ())) == "La xx y la xx"
    assert without_names("¿La ruda?", None) == "¿La ruda?"


def test_a_pack_without_section_roles_is_ranked_by_subject_alone(view: View) -> None:
    assert set(passage_roles(view, {})) == {11}
    prior = Prior(view, Names(view, ()))
    scores = prior.scores("¿la ruda?", prior.named("¿la ruda?"))
    assert sorted(set(scores.tolist())) == [0.0, 3.0]


def test_a_kind_that_nobody_asked_for_is_neither_asked_for_nor_ruled_out(view: View) -> None:
    asking = Asking.fit(
        [Sample("¿es peligrosa?", frozenset({"/Toxicidad"})), Sample("¿qué cura?", frozenset({"/Usos"}))]
    )
    scores = AskedKinds(SectionKinds(view), asking).scores("¿es peligrosa?")
    found = {view.section_of(row)[0]: float(score) for row, score in enumerate(scores)}
    assert found["ruda#toxicidad"] > found["ruda#top"] > found["ruda#usos"]
    assert found["ruda#top"] == pytest.approx((found["ruda#toxicidad"] + found["ruda#usos"]) / 2)


@pytest.mark.slow
def test_on_the_shipped_pack_the_kind_of_section_is_understood(shipped: Index, embedder: Embedder) -> None:
    retriever = index_retriever("hybrid", shipped, shipped.view(), embedder)
    first = retriever.search("¿el estafiate le cae mal a una embarazada?", 1)[0]
    assert first.passage.section_id == "plantas/estafiate#toxicidad"
