"""Terms of Spanish, English and unknown languages, and BM25 against bm25s."""

import bm25s
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.lexical import K1, Analyzer, B, TermCounts, Vocabulary, build_postings, score_terms, stop_words

SPANISH = Analyzer("es")


def same(one: str, other: str, analyzer: Analyzer = SPANISH) -> bool:
    return analyzer.terms(one) == analyzer.terms(other) != []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("raíz", "raíces"),
        ("año", "años"),
        ("cruz", "cruces"),
        ("respiración", "respiraciones"),
        ("hígado", "higado"),
        ("HÍGADO", "hígados"),
        ("tos", "tos"),
        ("pies", "pie"),
    ],
)
def test_a_word_and_its_plural_or_folded_spelling_are_one_term(one: str, other: str) -> None:
    assert same(one, other)


@pytest.mark.parametrize(("one", "other"), [("año", "ano"), ("riñón", "rinon"), ("caña", "cana")])
def test_words_that_only_look_alike_stay_apart(one: str, other: str) -> None:
    assert not same(one, other)


def test_decomposed_letters_give_the_same_terms() -> None:
    assert same("nin\u0303os con rin\u0303o\u0301n", "niños con riñón")


def test_stop_words_and_question_words_carry_no_term() -> None:
    assert SPANISH.terms("¿Para qué se usa la ruda y cuál es?") == SPANISH.terms("usa ruda")
    assert Analyzer("en").terms("What is the use of rue?") == Analyzer("en").terms("use rue")


def test_content_words_are_whole_words_without_stop_words() -> None:
    assert SPANISH.content_words("Las raíces de la ruda") == ["raices", "ruda"]


def test_an_unknown_language_gets_four_letter_grams() -> None:
    assert Analyzer("nah").language == "und"
    assert Analyzer("und").terms("ruda amarga") == ["ruda", "amar", "marg", "arga"]
    assert Analyzer("und").terms("té 草药") == ["te", "草药"]


def test_stop_words_are_folded_like_the_text() -> None:
    assert {"que", "cual", "tambien"} <= stop_words("es")
    assert stop_words("nah") == frozenset()


TEXTS = [
    "La ruda se hierve con agua y se toma en té.",
    "El epazote se toma en té contra las lombrices; el té de epazote es fuerte.",
    "La sábila cura quemaduras de la piel.",
    "",
    "Ruda, ruda y más ruda para las limpias; las raíces de la ruda no se usan.",
    "***",
]


def scores(texts: list[list[str]], question: list[str]) -> np.ndarray:
    vocabulary = Vocabulary()
    postings = build_postings(vocabulary.count(texts), len(vocabulary.terms))
    return score_terms(
        postings, [vocabulary.numbers[term] for term in question if term in vocabulary.numbers], len(texts)
    )


def reference(texts: list[list[str]], question: list[str]) -> np.ndarray:
    index = bm25s.BM25(method="lucene", k1=K1, b=B)
    index.index(texts, show_progress=False)
    known = [term for term in question if term in index.vocab_dict]
    return index.get_scores(known) if known else np.zeros(len(texts), np.float32)


@pytest.mark.parametrize("question", ["té de ruda", "té té té", "raíz", "lombrices en la piel", "nada"])
def test_scores_are_those_of_bm25s(question: str) -> None:
    texts = [SPANISH.terms(text) for text in TEXTS]
    np.testing.assert_allclose(
        scores(texts, SPANISH.terms(question)), reference(texts, SPANISH.terms(question)), atol=1e-5
    )


WORDS = st.lists(st.sampled_from(["ruda", "té", "agua", "raíz", "piel", "limpia", "luna", "sol"]), max_size=30)


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=12).filter(any), WORDS)
def test_scores_are_those_of_bm25s_on_any_texts(texts: list[list[str]], question: list[str]) -> None:
    np.testing.assert_allclose(scores(texts, question), reference(texts, question), atol=1e-5)


def test_texts_without_a_term_score_nothing_wherever_they_stand() -> None:
    assert scores([[], ["ruda"], []], ["ruda"]).tolist()[0::2] == [0.0, 0.0]
    assert scores([[], []], ["ruda"]).tolist() == [0.0, 0.0]
    assert scores([], ["ruda"]).tolist() == []


def rows(counts: TermCounts) -> list[dict[int, int]]:
    pairs = zip(counts.starts[:-1], counts.starts[1:], strict=True)
    return [dict(zip(counts.terms[a:b].tolist(), counts.counts[a:b].tolist(), strict=True)) for a, b in pairs]


@given(st.lists(WORDS, max_size=8), st.data())
def test_rows_taken_are_the_rows_asked_for(texts: list[list[str]], data: st.DataObject) -> None:
    counts = Vocabulary().count(texts)
    wanted = data.draw(st.lists(st.integers(0, len(texts) - 1), max_size=10)) if texts else []
    taken = counts.take(np.array(wanted, np.int64))
    assert rows(taken) == [rows(counts)[row] for row in wanted]


@given(st.lists(WORDS, max_size=8), st.lists(WORDS, max_size=8))
def test_extended_counts_are_those_of_both_together(first: list[list[str]], second: list[list[str]]) -> None:
    vocabulary = Vocabulary()
    joined = vocabulary.count(first).extended(vocabulary.count(second))
    assert rows(joined) == rows(Vocabulary().count([*first, *second]))


def test_a_term_repeated_beyond_sixteen_bits_is_counted_to_the_brim() -> None:
    assert rows(Vocabulary().count([["ruda"] * 70_000])) == [{0: 65_535}]
