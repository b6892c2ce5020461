"""BM25's constants and the number of candidates follow the corpus, and stay with its index."""

from collections.abc import Callable

import numpy as np
import pytest

from retrieval.bm25_constants import choose_bm25
from retrieval.calibrate import Calibration
from retrieval.candidates import COUNTS, choose_candidates
from retrieval.domain import load_domain
from retrieval.evaluate import Query
from retrieval.index import Index
from retrieval.lexical import DEFAULT_BM25, Bm25
from retrieval.lock import writer_lock
from retrieval.rescored import RescoredView
from retrieval.retrievers import CANDIDATES, Fusion
from retrieval.settings import RetrievalSettings
from retrieval.view import Scores
from tests.conftest import WritePack
from tests.fakes import HashEmbedder

TOPICS = 40
OTHER = Bm25(1.4, 0.2)
LONG = "Trata de {topic}, de {topic} y de {topic}. " + "Agua fuego tierra viento monte valle piedra sombra. " * 6
SHORT = "Nombra {topic}."


@pytest.fixture
def index(write_pack: WritePack, settings: RetrievalSettings) -> Index:
    """Of every topic a long text that says it three times and a short one that says it once."""
    long = {f"largo{n}.md": f"# Largo\n\n{LONG.format(topic=f'tema{n}x')}" for n in range(TOPICS)}
    short = {f"corto{n}.md": f"# Corto\n\n{SHORT.format(topic=f'tema{n}x')}" for n in range(TOPICS)}
    write_pack({**long, **short})
    index = Index(load_domain("tiny", settings.domains_dir), settings)
    index.sync(None)
    return index


def asked(kind: str) -> list[Query]:
    return [Query(f"q{n}", f"¿tema{n}x?", {f"{kind}{n}#top": 1}) for n in range(TOPICS)]


def words_alone(query: Query) -> Callable[[Scores], Scores]:
    return lambda lexical: lexical


def test_where_long_texts_are_right_length_is_held_against_them_less(index: Index) -> None:
    # With the usual constants the long text has 3 / (3 + 0.9 x (0.2 + 0.8 x 1.8)) = 0.67, the short one 1 / (1 + 0.9 x 0.25) = 0.8.
    assert choose_bm25(index.view(), asked("largo"), words_alone).b < DEFAULT_BM25.b


def test_where_the_usual_constants_do_they_stay(index: Index) -> None:
    assert choose_bm25(index.view(), asked("corto"), words_alone) == DEFAULT_BM25
    assert choose_bm25(index.view(), [], words_alone) == DEFAULT_BM25


def test_what_else_is_known_of_a_passage_counts_too(index: Index) -> None:
    """Where the rest of the search finds the long texts anyway, other constants would bring nothing."""
    view = index.view()

    def knowing(query: Query) -> Callable[[Scores], Scores]:
        right = np.array([view.section_of(row)[0] in query.relevant for row in range(len(view))], np.float32)
        return lambda lexical: np.asarray(lexical + 100 * right, np.float32)

    assert choose_bm25(view, asked("largo"), knowing) == DEFAULT_BM25


def test_an_index_keeps_its_constants_through_edits_and_goes_back(index: Index) -> None:
    before = index.view()
    usual = before.lexical_scores("tema1x").tolist()
    index.keep_calibration(Calibration(bm25=OTHER))
    changed = index.view()
    assert changed.bm25 == OTHER and changed.lexical_scores("tema1x").tolist() != usual
    assert before.lexical_scores("tema2x").any()  # who has the old view open goes on reading it
    (index.domain.corpus / "nuevo.md").write_text("# Nuevo\n\nOtra cosa.", encoding="utf-8")
    index.sync(None)
    assert index.view().bm25 == OTHER
    (index.domain.corpus / "nuevo.md").unlink()
    index.sync(None)
    index.keep_calibration(Calibration())
    assert index.view().lexical_scores("tema1x").tolist() == usual


def test_trying_other_constants_changes_nothing_of_the_index(index: Index) -> None:
    view = index.view()
    tried = RescoredView(view.folder, OTHER)
    index.keep_calibration(Calibration(bm25=OTHER))
    assert tried.lexical_scores("tema1x").tolist() == index.view().lexical_scores("tema1x").tolist()
    assert view.bm25 == DEFAULT_BM25 != tried.bm25


def test_constants_that_were_stored_and_not_yet_used_are_used_by_the_next_sync(index: Index) -> None:
    """As after a process that died, or while another one was writing."""
    with writer_lock(index.folder, "another sync"):
        index.keep_calibration(Calibration(bm25=OTHER))
    assert index.view().bm25 == DEFAULT_BM25
    index.sync(None)  # of an unchanged corpus
    assert index.view().bm25 == OTHER


def test_as_few_candidates_as_change_nothing(write_pack: WritePack, settings: RetrievalSettings) -> None:
    write_pack({f"d{n}.md": f"# D{n}\n\nSolo tema{n}x y agua." for n in range(CANDIDATES + 20)})
    index = Index(load_domain("tiny", settings.domains_dir), settings)
    embedder = HashEmbedder()
    index.sync(embedder)
    view, questions = index.view(), [f"¿tema{n}x?" for n in range(20)]
    # By words alone the first of fifty are the first of all.
    assert choose_candidates(view, embedder, Fusion(0.0), questions, lambda place: None) == COUNTS[0]


def test_a_small_corpus_needs_no_choice(index: Index) -> None:
    assert choose_candidates(index.view(), HashEmbedder(), Fusion(), ["¿agua?"], lambda place: None) == CANDIDATES
