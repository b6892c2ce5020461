"""Near pairs: the same as comparing every row with every other, at a cost that does not grow with the square."""

import random
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.lexical import Analyzer
from training.data_preparation.near_duplicates import LONGEST_RUN, near_pairs, term_sets

ENGLISH = Analyzer("en")


def brute_force(texts: list[str], threshold: float) -> set[tuple[int, int]]:
    sets = [set(ENGLISH.terms(text)) for text in texts]
    pairs = combinations(range(len(texts)), 2)
    return {
        (a, b) for a, b in pairs if sets[a] and sets[b] and len(sets[a] & sets[b]) >= threshold * len(sets[a] | sets[b])
    }


def found(texts: list[str], threshold: float) -> set[tuple[int, int]]:
    near = near_pairs(term_sets(texts, ENGLISH), threshold)
    return {(a, b) for a, b in near.pairs.tolist()}


@given(
    st.lists(
        st.lists(st.sampled_from(["apple", "bread", "cup", "dog", "egg", "fish", "glass", "horse"]), max_size=8),
        max_size=12,
    )
)
def test_few_rows_give_what_comparing_all_gives(rows: list[list[str]]) -> None:
    texts = [" ".join(row) for row in rows]
    assert found(texts, 0.8) == brute_force(texts, 0.8)


@pytest.mark.parametrize("boilerplate", [0, 60])
def test_many_rows_of_one_template_give_what_comparing_all_gives(boilerplate: int) -> None:
    chance = random.Random(1)
    words = [f"w{chance.randrange(10**9)}" for _ in range(400)]
    texts = [" ".join(words[:boilerplate] + chance.choices(words, k=20)) for _ in range(300)]
    texts += [" ".join([*text.split()[1:], "other"]) for text in texts[:100]]
    assert found(texts, 0.8) == brute_force(texts, 0.8)
    assert len(found(texts, 0.8)) >= 100


def test_rows_that_are_all_near_each_other_hold_together_without_all_their_pairs() -> None:
    base = " ".join(f"word{n}" for n in range(20))
    count = 4 * LONGEST_RUN
    near = near_pairs(term_sets([f"{base} row{n}" for n in range(count)], ENGLISH))
    reached = {0}
    for a, b in near.pairs.tolist():  # sorted, so one pass follows every chain
        reached |= {a, b} if {a, b} & reached else set()
    assert len(reached) == count and len(near.pairs) < count * count / 8


def test_empty_rows_are_near_nothing() -> None:
    assert found(["", "the of", ""], 0.8) == set()
    assert found([], 0.8) == set()
