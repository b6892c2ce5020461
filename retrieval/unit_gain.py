"""nDCG@10 of score vectors, by section: what calibration compares settings by.

units, unit_of = sections_of(view)
gain(best_of(scores, unit_of, len(units)), [units["ruda#usos"]])
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from retrieval.view import Scores, View

RANKS = 10


def sections_of(view: View) -> tuple[dict[str, int], NDArray[np.int64]]:
    """Sections as numbers: by id, and for every passage."""
    units: dict[str, int] = {}
    of = [units.setdefault(view.section_of(row)[0], len(units)) for row in range(len(view))]
    return units, np.array(of, np.int64)


def best_of(scores: Scores, unit_of: NDArray[np.int64], units: int) -> Scores:
    """A unit scores as its best passage, (units,)."""
    best = np.full(units, -np.inf, np.float32)
    np.maximum.at(best, unit_of, scores)
    return best


def gain(best: Scores, wanted: Sequence[int]) -> float:
    """nDCG@10 of the units' order by score."""
    ideal = sum(1 / np.log2(rank + 1) for rank in range(1, min(len(wanted), RANKS) + 1))
    others = np.delete(best, wanted)
    # A tie with another unit is lost: where one side finds nothing at all, it must not look perfect.
    ranks = np.sort([int((best[wanted] > best[unit]).sum() + (others >= best[unit]).sum()) for unit in wanted])
    # Equal scores among the wanted ones share a rank; the k-th of them stands at least at place k.
    places = np.maximum(ranks, np.arange(len(ranks)))
    return float(sum(1 / np.log2(place + 2) for place in places if place < RANKS) / ideal)
