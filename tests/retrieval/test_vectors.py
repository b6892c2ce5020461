"""The pool of vectors: found by text, repaired after a torn write, growing under readers."""

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from retrieval.vectors import VectorPool, text_key


def pool_of(folder: Path, keys: list[int]) -> VectorPool:
    """A pool in which the vector of key k is (k, k)."""
    pool = VectorPool(folder, "hash", 2)
    pool.append(keys, np.repeat(np.array(keys, np.float32), 2).reshape(-1, 2))
    return pool


def rows(pool: VectorPool, keys: list[int]) -> list[int]:
    return pool.rows_of(np.array(keys, np.uint64)).tolist()


def test_a_text_is_found_where_it_was_put_and_others_are_not(tmp_path: Path) -> None:
    pool = pool_of(tmp_path, [7, 3])
    assert rows(pool, [3, 7, 5]) == [1, 0, -1]
    assert pool.vectors().tolist() == [[7, 7], [3, 3]]


def test_an_empty_pool_knows_nothing(tmp_path: Path) -> None:
    pool = VectorPool(tmp_path, "hash", 2)
    assert (len(pool), rows(pool, [1]), pool.vectors().shape) == (0, [-1], (0, 2))


def test_a_pool_opened_again_goes_on_where_it_ended(tmp_path: Path) -> None:
    pool_of(tmp_path, [7])
    pool = pool_of(tmp_path, [3])
    assert rows(pool, [7, 3]) == [0, 1] and len(VectorPool(tmp_path, "hash", 2)) == 2


def test_a_vector_without_its_key_is_cut_off(tmp_path: Path) -> None:
    pool = pool_of(tmp_path, [7])
    with pool.path.open("ab") as file:
        file.write(np.array([9, 9], np.float32).tobytes())
    again = pool_of(tmp_path, [3])
    assert again.vectors().tolist() == [[7, 7], [3, 3]]


def test_half_a_vector_and_its_key_are_cut_off(tmp_path: Path) -> None:
    pool = pool_of(tmp_path, [7, 8])
    pool.path.write_bytes(pool.path.read_bytes()[:-1])
    again = VectorPool(tmp_path, "hash", 2)
    assert rows(again, [7, 8]) == [0, -1] and again.vectors().tolist() == [[7, 7]]


def test_a_reader_keeps_its_rows_while_the_pool_grows(tmp_path: Path) -> None:
    pool = pool_of(tmp_path, [7])
    before = pool.vectors()
    pool.append([3], np.zeros((1, 2), np.float32))
    assert before.tolist() == [[7, 7]] and len(pool.vectors()) == 2


@given(
    batches=st.lists(st.lists(st.integers(0, 2**64 - 1), unique=True, max_size=5), max_size=4),
    asked=st.integers(0, 2**64 - 1),
)
def test_rows_are_those_of_a_dictionary(batches: list[list[int]], asked: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pool = VectorPool(Path(folder), "hash", 1)
        known: dict[int, int] = {}
        for batch in batches:
            new = [key for key in batch if key not in known]
            pool.append(new, np.zeros((len(new), 1), np.float32))
            known.update({key: len(known) + place for place, key in enumerate(new)})
        assert rows(pool, [*known, asked]) == [*known.values(), known.get(asked, -1)]


def test_keys_differ_where_texts_do_and_survive_lone_surrogates() -> None:
    assert text_key("sábila") == text_key("sábila") != text_key("savila")
    assert text_key("\ud800") != text_key("\ud801")
