"""Questions in another language than the documents': noticed, and matched by the words that look alike."""

from pathlib import Path

import pytest

from retrieval.beir import beir_domain, document_names, read_beir
from retrieval.cognates import cognate_scores, foreign_language
from retrieval.domain import load_domain
from retrieval.embedders import Embedder
from retrieval.evaluate import Query, document_of, evaluate
from retrieval.index import Index
from retrieval.retrievers import Fusion, HybridRetriever
from retrieval.settings import RetrievalSettings
from retrieval.significance import compare
from retrieval.view import View
from tests.conftest import WritePack

TEXTS = {
    "plasma.md": "# Plasma\n\nLa temperatura del plasma llega a millones de grados en las estrellas.",
    "rio.md": "# Río\n\nEl río nace en la montaña y la población vive en la orilla del agua.",
    "te.md": "# Té\n\nEl té de manzanilla se toma después de la comida para el estómago.",
}


@pytest.fixture
def view(write_pack: WritePack, settings: RetrievalSettings) -> View:
    write_pack(TEXTS)
    index = Index(load_domain("tiny", settings.domains_dir), settings)
    index.sync(None)
    return index.view()


def test_an_english_question_on_spanish_documents_is_foreign(view: View) -> None:
    assert foreign_language(view, "What is the temperature of the plasma in a star?") == "en"


@pytest.mark.parametrize(
    "question",
    [
        "¿Cuál es la temperatura del plasma?",
        "temperatura plasma",  # says nothing about its language
        "¿qué es el feedback de la temperatura del plasma?",  # one foreign word
        "k tenperatura tiene el plazma",  # typed wrong
        "",
    ],
)
def test_the_documents_own_language_never_is(view: View, question: str) -> None:
    assert foreign_language(view, question) == ""


def test_look_alikes_find_the_passage(view: View) -> None:
    scores = cognate_scores(view, "What is the temperature of the plasma?", "en")
    best = view.passage(int(scores.argmax())).document_id
    assert best == "plasma" and scores.max() > 0
    mountain = cognate_scores(view, "Where is the mountain?", "en")
    assert view.passage(int(mountain.argmax())).document_id == "rio"


def test_what_looks_like_nothing_scores_nothing(view: View) -> None:
    assert not cognate_scores(view, "the and of xyzzy 1234", "en").any()


def test_the_hybrid_retriever_answers_a_foreign_question_without_vectors(view: View) -> None:
    hits = HybridRetriever(view, None, Fusion()).search("Which temperature does plasma have in the stars?", 1)
    assert [hit.passage.document_id for hit in hits] == ["plasma"]


@pytest.mark.slow
def test_english_questions_on_spanish_paragraphs_gain_over_every_fixed_weight(
    datasets: Path, embedder: Embedder, settings: RetrievalSettings
) -> None:
    data = read_beir(datasets / "xquad_es")
    english = read_beir(datasets / "xquad_en").queries
    domain = beir_domain(data, settings.build_dir)
    index = Index(domain, settings)
    index.sync(embedder)
    names = document_names(domain)
    queries = [Query(name, english[name], data.qrels[name]) for name in list(english)[::6]]

    def gains(retriever: HybridRetriever) -> list[float]:
        rows = evaluate(retriever, queries, lambda hit: names[document_of(hit)])
        return [row.metrics["ndcg@10"] for row in rows]

    def fixed_weight(weight: float) -> HybridRetriever:
        retriever = HybridRetriever(index.view(), embedder, Fusion(weight))
        retriever.reads_language = False
        return retriever

    ours = gains(HybridRetriever(index.view(), embedder, Fusion(0.2)))
    fixed = [gains(fixed_weight(weight)) for weight in (0.6, 0.7, 0.8, 0.9)]
    found = compare(ours, max(fixed, key=sum))
    assert found.significant and found.difference >= 0.02
