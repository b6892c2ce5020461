"""From calibration questions to weights: the kind of section that questions ask for is learnt where they teach it."""

import pytest

from retrieval.domain import SectionRule, load_domain
from retrieval.evaluate import Query
from retrieval.fit_prior import LEAST_QUESTIONS, fit_prior
from retrieval.followups import Names
from retrieval.index import Index
from retrieval.settings import RetrievalSettings
from retrieval.view import View
from tests.conftest import WritePack
from tests.fakes import HashEmbedder

RULES = {"Usos": SectionRule(role="uses"), "Riesgos": SectionRule(role="safety")}
PLANTS = 30


@pytest.fixture
def view(write_pack: WritePack, settings: RetrievalSettings) -> View:
    text = "# Planta{n}\n\n## Usos\n\nSe toma en té.\n\n## Riesgos\n\nIrrita el estómago.\n"
    write_pack({f"p{n}.md": text.format(n=n) for n in range(PLANTS)})
    index = Index(load_domain("tiny", settings.domains_dir), settings)
    index.sync(HashEmbedder())
    return index.view()


def questions(count: int) -> list[Query]:
    """Half of them ask for uses, half for risks, in words that the documents do not have."""
    wordings = (("sirve", "usos"), ("daña", "riesgos"))
    return [
        Query(f"q{n}{section}", f"¿planta{n} {verb}?", {f"p{n}#{section}": 1})
        for n in range(count // 2)
        for verb, section in wordings
    ]


def test_a_named_document_and_the_kind_of_section_get_weight(view: View) -> None:
    found = fit_prior(view, HashEmbedder(), questions(LEAST_QUESTIONS), Names(view, ()), RULES)
    assert found is not None
    assert found.weights.subject > 0 and found.weights.asks > 0.3
    assert found.asking.log_probabilities("xx daña").argmax() != found.asking.log_probabilities("xx sirve").argmax()


def test_questions_on_one_document_are_judged_by_one_model(view: View) -> None:
    found = fit_prior(view, HashEmbedder(), questions(LEAST_QUESTIONS), Names(view, ()), RULES)
    assert found is not None
    assert all(found.folds[f"q{n}usos"] == found.folds[f"q{n}riesgos"] for n in range(PLANTS))
    assert len(set(found.folds.values())) > 1


def test_too_few_questions_teach_nothing(view: View) -> None:
    assert fit_prior(view, HashEmbedder(), questions(LEAST_QUESTIONS - 2), Names(view, ()), RULES) is None


def test_questions_about_one_document_alone_teach_nothing(view: View) -> None:
    asked = [Query(f"q{n}", f"¿sirve {n}?", {"p0#usos": 1}) for n in range(LEAST_QUESTIONS)]
    assert fit_prior(view, HashEmbedder(), asked, Names(view, ()), RULES) is None


def test_headings_teach_without_roles(view: View) -> None:
    found = fit_prior(view, HashEmbedder(), questions(LEAST_QUESTIONS), Names(view, ()), {})
    assert found is not None and found.asking.kinds == ("/Riesgos", "/Usos") and found.weights.asks > 0.3


def test_a_corpus_whose_headings_are_all_different_teaches_nothing(
    write_pack: WritePack, settings: RetrievalSettings
) -> None:
    write_pack({f"p{n}.md": f"# Planta{n}\n\n## Usos {n}\n\nSe toma en té.\n" for n in range(PLANTS)})
    index = Index(load_domain("tiny", settings.domains_dir), settings)
    index.sync(HashEmbedder())
    asked = [
        Query(f"q{n}", f"¿planta{n} sirve?", {f"p{n % PLANTS}#usos-{n % PLANTS}": 1}) for n in range(LEAST_QUESTIONS)
    ]
    assert fit_prior(index.view(), HashEmbedder(), asked, None, RULES) is None
