"""Which rows teach the same as one before them, and which only look so."""

from pathlib import Path

import pytest

from retrieval.embedders import Embedder
from retrieval.lexical import Analyzer
from tests.fakes import HashEmbedder
from training.data_preparation.duplicates import embed_once, find_duplicates
from training.example import Example, make_example

LONG = (
    "Gout is a disease in which crystals of uric acid gather in a joint and make it red, hot and very painful at night."
)


def reasons(*rows: Example, embedder: Embedder | None = None) -> dict[int, tuple[int, str]]:
    found = find_duplicates(rows, Analyzer("en"), embedder)
    return {number: (duplicate.of, duplicate.reason) for number, duplicate in found.items()}


def row(question: str, answer: str, **rest: object) -> Example:
    return make_example(question, answer, **{"origin": "llm", **rest})


def test_the_same_words_are_a_duplicate_whatever_their_case_and_signs() -> None:
    assert reasons(row("What is gout?", LONG), row("what is Gout", LONG.upper())) == {1: (0, "duplicate")}


def test_nearly_the_same_words_are_a_near_duplicate() -> None:
    assert reasons(row("What is gout?", LONG), row("What is the gout?", f"{LONG} Really.")) == {
        1: (0, "near-duplicate (Jaccard 0.92)")
    }


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("What is gout?", "Who suffers from gout?"),
        ("What is type D of the disease?", "What is type F of the disease?"),
        ("What is syndrome 5?", "What is syndrome 8?"),
    ],
)
def test_another_question_with_the_same_answer_stays(first: str, second: str) -> None:
    assert reasons(row(first, LONG), row(second, LONG)) == {}


def test_another_number_in_the_answer_stays() -> None:
    assert reasons(row("How much?", f"{LONG} Take 2 tablets."), row("How much?", f"{LONG} Take 20 tablets.")) == {}


def test_a_follow_up_is_compared_with_what_was_asked_before_it() -> None:
    turns = [[("user", name), ("assistant", "A plant.")] for name in ("Rue?", "Sage?")]
    assert reasons(*(row("Is it toxic?", "Yes, in large amounts.", history=turn) for turn in turns)) == {}


def test_a_paraphrase_is_told_by_its_vectors_and_templates_are_left_to_vary() -> None:
    class Same(HashEmbedder):
        def embed_query(self, text: str) -> object:  # type: ignore[override]
            return super().embed_query("the same meaning")

        def embed_passages(self, texts: object) -> object:  # type: ignore[override]
            return super().embed_passages(["the same meaning"] * len(texts))  # type: ignore[arg-type]

    first, second = row("What is gout?", LONG), row("What does one call gout?", LONG)
    assert reasons(first, second, embedder=Same())[1][1].startswith("paraphrase")  # type: ignore[arg-type]
    assert reasons(first, row("What does one call gout?", LONG, parents=[first.id]), embedder=Same()) == {}  # type: ignore[arg-type]
    templates = [row(text, LONG, origin="template") for text in ("What is gout?", "What does one call gout?")]
    assert reasons(*templates, embedder=Same()) == {}  # type: ignore[arg-type]


def test_a_text_is_embedded_once_ever(tmp_path: Path) -> None:
    embedder = HashEmbedder()
    first = embed_once(["one", "two", "one"], embedder, tmp_path)
    second = embed_once(["two", "three"], embedder, tmp_path)
    assert embedder.embedded == ["one", "two", "three"]
    assert (first[0] == first[2]).all() and (first[1] == second[0]).all()
