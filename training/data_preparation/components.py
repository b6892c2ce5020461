"""Rows that belong together: joined by a source section, by their question, by nearly the same words, or by a parent.

groups = connect(examples, near_pairs(...).pairs)
groups.labels          # (n,) the component of each row, named by its smallest key
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.text import fold_accents
from training.example import Example

Ints = NDArray[np.int64]

MOST_SHARE = 0.05
"""Of all rows that one component may hold before rows on several documents stop joining more to it. Half of the smallest part
of the default split, so that each part can be filled and holds several components."""


@dataclass(frozen=True, slots=True)
class Components:
    """`of` (n,) is the number of each row's component, -1 for a row set aside; `keys` the stable name of each component."""

    of: Ints
    keys: list[str]
    set_aside: list[int]
    """Rows on several documents that would join components beyond MOST_SHARE: kept where all their sources end up together."""


class _Forest:
    """Union-find over named things, with the number of rows in each tree."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}
        self._rows: dict[str, int] = {}

    def find(self, name: str) -> str:
        root = self._parent.setdefault(name, name)
        while root != self._parent[root]:
            root = self._parent[root]
        while self._parent[name] != root:
            self._parent[name], name = root, self._parent[name]
        return root

    def join(self, names: Sequence[str], rows: int = 0) -> None:
        """One tree for all of `names`, called by the smallest; `rows` more rows in it."""
        roots = sorted({self.find(name) for name in names})
        total = sum(self._rows.pop(root, 0) for root in roots)
        for root in roots[1:]:
            self._parent[root] = roots[0]
        self._rows[roots[0]] = total + rows

    def rows_together(self, names: Sequence[str]) -> int:
        return sum(self._rows.get(root, 0) for root in {self.find(name) for name in names})


def connect(examples: Sequence[Example], near: Ints, most_share: float = MOST_SHARE) -> Components:
    """Components of `examples` under their sources, parents and the pairs (m, 2) of near rows.

    Rows on one document always join. A row on several joins them while the component stays within `most_share` of all rows;
    beyond that it is set aside, with all rows near to it or made from it treated alike if they are on several documents too.
    """
    forest = _Forest()
    linking = [number for number, example in enumerate(examples) if _documents(example) > 1]
    apart = np.zeros(len(examples), np.bool_)
    apart[linking] = True
    for number, example in enumerate(examples):
        if not apart[number]:
            forest.join(_names(example), 1)
    touching = apart[near].any(axis=1)
    for a, b in _spanning(near[~touching], len(examples)):
        forest.join([_row_name(examples[a]), _row_name(examples[b])])
    neighbours: dict[int, list[int]] = {}
    for a, b in near[touching].tolist():
        neighbours.setdefault(a, []).append(b)
        neighbours.setdefault(b, []).append(a)
    most = most_share * len(examples)
    set_aside: set[int] = set()
    placed: set[int] = set()
    for number in sorted(linking, key=lambda number: _order(examples[number])):
        names = [*_names(examples[number])]
        names += [_row_name(examples[n]) for n in neighbours.get(number, ()) if not apart[n] or n in placed]
        if any(n in set_aside for n in neighbours.get(number, ())) or forest.rows_together(names) + 1 > most:
            set_aside.add(number)
            continue
        forest.join(names, 1)
        placed.add(number)
    return _components(examples, forest, set_aside)


def _spanning(pairs: Ints, rows: int) -> list[tuple[int, int]]:
    """As few pairs as hold together what `pairs` do."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    graph = csr_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(rows, rows))
    _, labels = connected_components(graph, directed=False)
    _, first = np.unique(labels, return_index=True)
    return [(int(first[label]), row) for row, label in enumerate(labels.tolist()) if first[label] != row]


def _components(examples: Sequence[Example], forest: _Forest, set_aside: set[int]) -> Components:
    roots = ["" if n in set_aside else forest.find(_row_name(example)) for n, example in enumerate(examples)]
    keys = sorted(set(roots) - {""})
    numbers = {key: number for number, key in enumerate(keys)}
    return Components(np.array([numbers.get(root, -1) for root in roots], np.int64), keys, sorted(set_aside))


def names_of(example: Example) -> list[str]:
    """The sections and parents that a row stands or falls with."""
    return [*(f"section {identity}" for identity in example.sections), *(f"{_kind(p)} {p}" for p in example.parents)]


def _names(example: Example) -> list[str]:
    return [_row_name(example), *names_of(example), *question_names(example)]


def question_names(example: Example) -> list[str]:
    """One question asked twice, of whatever sections, must not be learnt and tested; a follow-up's words alone ask nothing."""
    if example.history:
        return []
    words = "".join(sign if sign.isalnum() else " " for sign in fold_accents(example.question).casefold()).split()
    return [f"xquestion {' '.join(words)}"]


def _row_name(example: Example) -> str:
    """Sorts after sections: a component is called by what changes least."""
    return f"zrow {example.id}"


def _kind(parent: str) -> str:
    return "source" if ":" in parent else "zrow"  # `focus:...` is a subject, anything else the id of a row


def _documents(example: Example) -> int:
    return len({identity.partition("#")[0] for identity in example.sections})


def _order(example: Example) -> str:
    """An order that no edit elsewhere changes and that favours no document."""
    return hashlib.blake2b(example.id.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
