"""Which pairs stand in a batch: neighbours of one document together, nothing twice, nothing left out."""

from collections import Counter

from retrieval.adapt_batches import TOGETHER, order_pairs
from retrieval.adapt_pairs import Pair


def pair(question: str, positive: str, document: str = "", group: str = "") -> Pair:
    return Pair(question, positive, ("", ""), document or positive, group)


def batches(pairs: list[Pair], steps: int, batch: int) -> list[list[Pair]]:
    found = order_pairs(pairs, steps, batch)
    size = len(found) // steps
    return [found[start : start + size] for start in range(0, len(found), size)]


def test_no_question_and_no_passage_is_twice_in_a_batch() -> None:
    pairs = [pair(f"¿{n}?", f"passage {n % 10}") for n in range(40)] + [pair("¿0?", "passage 11")]
    for batch in batches(pairs, 8, 5):
        assert len({one.question for one in batch}) == len({one.positive for one in batch}) == 5


def test_sections_of_one_document_are_told_apart_in_one_batch() -> None:
    pairs = [pair(f"¿{n}, {part}?", f"{n}, {part}", f"d{n}") for n in range(12) for part in "abcd"]
    for batch in batches(pairs, 6, 8):
        assert set(Counter(one.document for one in batch).values()) == {TOGETHER}


def test_documents_of_a_group_are_neighbours_too() -> None:
    pairs = [pair(f"¿{n}, {part}?", f"{n}, {part}", f"d{n}{part}", f"g{n}") for n in range(12) for part in "ab"]
    assert all(set(Counter(one.group for one in batch).values()) == {2} for batch in batches(pairs, 6, 4))


def test_every_pair_is_seen_before_any_is_seen_again() -> None:
    pairs = [pair(f"¿{n}?", f"{n}") for n in range(20)]
    found = order_pairs(pairs, 8, 5)
    assert set(found[:20]) == set(found[20:]) == set(pairs) and found[:20] != found[20:]
    assert found == order_pairs(pairs, 8, 5)


def test_few_passages_make_small_batches() -> None:
    pairs = [pair(f"¿{n}?", f"{n % 3}") for n in range(30)]
    assert [len(batch) for batch in batches(pairs, 4, 8)] == [3, 3, 3, 3]
