"""The read view: what it says of passages, terms, filters and vectors, and what becomes of a damaged one."""

import numpy as np
import pytest

from retrieval.domain import load_domain
from retrieval.errors import IndexDamaged, IndexMissing, UsageError
from retrieval.files import read_json, write_json
from retrieval.index import Index
from retrieval.retrievers import ExactRetriever
from retrieval.settings import RetrievalSettings
from retrieval.sync import FEW
from retrieval.view import View, current_view_name, open_view, publish
from tests.conftest import WritePack
from tests.fakes import PACK, HashEmbedder

RUDA = "---\nfamily: Rutaceae\nregions: [Oaxaca, Michoacán]\n---\n# Ruda\n\n## Usos\n\nSe barre contra el espanto.\n"
EPAZOTE = "---\nfamily: Amaranthaceae\nregions: [Oaxaca]\n---\n# Epazote\n\n## Usos\n\nQuita los gases.\n"


@pytest.fixture
def index(write_pack: WritePack, settings: RetrievalSettings) -> Index:
    """Two documents of one passage each (epazote is row 0), with vectors."""
    write_pack({"plantas/epazote.md": EPAZOTE, "plantas/ruda.md": RUDA}, config=f"{PACK}fields: [family, regions]\n")
    index = Index(load_domain("tiny", settings.domains_dir), settings)
    index.sync(HashEmbedder())
    return index


@pytest.fixture
def view(index: Index) -> View:
    return index.view()


def test_a_passage_quotes_its_file_and_knows_its_place(view: View) -> None:
    passage = view.passage(1)
    assert RUDA[passage.start : passage.end] == passage.text
    assert (passage.document_id, passage.section_id) == ("plantas/ruda", "plantas/ruda#usos")
    assert passage.context == "Ruda › Usos" and view.section_of(1) == ("plantas/ruda#usos", ("Usos",))


def test_a_document_keeps_its_fields_and_sections(view: View) -> None:
    document = view.document_of(1)
    assert (document.title, document.path, document.type) == ("Ruda", "plantas/ruda.md", "plantas")
    assert document.fields["regions"] == ["Oaxaca", "Michoacán"]
    assert ("plantas/ruda#usos", ("Usos",)) in document.sections


def test_rows_are_found_by_passage_id(view: View) -> None:
    ids = [view.passage(1).id, "0000000000000001", view.passage(0).id]
    assert view.rows_of(ids).tolist() == [1, -1, 0]
    assert view.rows_of([]).tolist() == []


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ({"family": "Rutaceae"}, [False, True]),
        ({"family": " rutaceae "}, [False, True]),
        ({"regions": "Oaxaca"}, [True, True]),
        ({"regions": "michoacan"}, [False, True]),
        ({"regions": "Oaxaca", "family": "Amaranthaceae"}, [True, False]),
        ({"type": "plantas"}, [True, True]),
        ({"family": "Lamiaceae"}, [False, False]),
    ],
)
def test_a_filter_takes_the_documents_whose_fields_all_match(
    view: View, where: dict[str, str], rows: list[bool]
) -> None:
    assert view.mask(where).tolist() == rows


def test_a_field_that_no_pack_names_is_refused_with_those_that_there_are(view: View) -> None:
    with pytest.raises(UsageError, match=r"no field 'colour' .*type, family, regions"):
        view.mask({"colour": "x"})


def test_words_score_the_passages_that_hold_them(view: View) -> None:
    gases, usos, nothing = (view.lexical_scores(text).tolist() for text in ("los gases", "usos", "bicicleta"))
    assert gases[0] > 0 == gases[1] and usos[0] > 0 < usos[1] and nothing == [0, 0]


def test_an_unknown_word_is_as_rare_as_can_be(view: View) -> None:
    assert view.query_terms("bicicleta")[0][1] == -1
    assert view.term_idf(-1) == pytest.approx(np.log1p(2.5 / 0.5))


def test_a_mistyped_word_is_read_as_the_one_the_corpus_knows(view: View) -> None:
    assert view.query_terms("epasote") == view.query_terms("epazote")


def test_a_word_whose_ending_is_cut_otherwise_is_read_by_its_spelling(
    write_pack: WritePack, settings: RetrievalSettings
) -> None:
    """The stemmer makes "her" of heridas and "erid" of eridas: as stems they do not sound alike."""
    write_pack({"uno.md": "# Uno\n\nLava heridas con hojas. Ya la hallaron."})
    index = Index(load_domain("tiny", settings.domains_dir), settings)
    index.sync(None)
    view = index.view()
    for typed, meant in (("eridas", "heridas"), ("ojas", "hojas")):
        assert view.query_terms(typed) == view.query_terms(meant) and view.query_terms(typed)[0][1] >= 0
    assert view.query_terms("ayer")[0][1] == -1  # not "haller"


def test_a_synonym_of_the_pack_goes_before_another_spelling(write_pack: WritePack, settings: RetrievalSettings) -> None:
    write_pack({"uno.md": "# Uno\n\nSaben coser. Hay que hervir."}, config=f"{PACK}synonyms: {{cocer: [hervir]}}\n")
    index = Index(load_domain("tiny", settings.domains_dir), settings)
    index.sync(None)
    assert index.view().query_terms("hervir")[0] in index.view().query_terms("cocer")


def test_an_unknown_word_that_sounds_like_a_stop_word_is_dropped(view: View) -> None:
    assert view.plain_terms("komo ase la sabila") == view.plain_terms("cómo hace la sábila") == ["sabil"]


def test_dense_scores_are_the_products_with_the_embedders_vectors(view: View) -> None:
    embedder = HashEmbedder()
    texts = [view.passage(row).embedded_text for row in range(2)]
    query = embedder.embed_query("gases")
    assert view.dense_scores(query) == pytest.approx(embedder.embed_passages(texts) @ query)
    assert view.dense_scores_at(query, np.array([1])) == pytest.approx(view.dense_scores(query)[1:])


def test_a_passage_without_a_vector_yet_has_no_dense_score(index: Index) -> None:
    long = "# Larga\n\n" + "\n".join(f"## Parte {number}\n\nCura {number}.\n" for number in range(FEW + 1))
    (index.domain.corpus / "larga.md").write_text(long, encoding="utf-8")
    partial: list[View] = []
    index.sync(HashEmbedder(), checkpoint=lambda name: partial.append(index.view()))
    view = next(view for view in partial if view.state == "partial")
    query = HashEmbedder().embed_query("gases")
    everything = np.arange(len(view))
    assert (
        np.isfinite(view.dense_scores(query)).sum() == 2 == np.isfinite(view.dense_scores_at(query, everything)).sum()
    )
    assert [hit.passage.document_id for hit in ExactRetriever(view, HashEmbedder()).search("gases", 9)] == [
        "plantas/epazote",
        "plantas/ruda",
    ]


def test_moments_give_the_mean_and_deviation_of_any_questions_scores(view: View) -> None:
    query = HashEmbedder().embed_query("se barre contra los gases")
    scores = view.dense_scores(query)
    assert view.moments.mean_and_deviation(query) == pytest.approx((scores.mean(), scores.std()), abs=1e-6)


def test_a_view_without_vectors_scores_nan(index: Index) -> None:
    index.sync(None)
    assert np.isnan(index.view().dense_scores(HashEmbedder().embed_query("gases"))).all()


def test_the_current_view_is_the_one_named_last(index: Index) -> None:
    first = current_view_name(index.folder)
    index.sync(None)
    assert current_view_name(index.folder) != first
    publish(index.folder, str(first))
    assert open_view(index.folder).name == first


def test_no_view_yet_is_a_missing_index(index: Index) -> None:
    with pytest.raises(IndexMissing, match="savia index sync"):
        open_view(index.folder.parent / "elsewhere")


@pytest.mark.parametrize("fault", ["no such view", "format", "torn"])
def test_a_damaged_view_names_the_rebuild(index: Index, fault: str) -> None:
    description = index.view().folder / "view.json"
    if fault == "no such view":
        publish(index.folder, "0")
    elif fault == "format":
        write_json(description, {**read_json(description), "format": 999})
    else:
        description.write_text('{"format": 1, "pass', encoding="utf-8")
    with pytest.raises(IndexDamaged, match="savia index rebuild"):
        open_view(index.folder)
