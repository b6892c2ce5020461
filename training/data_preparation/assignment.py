"""Components to train, validation and test: by a hash of their name, then as few moves as the ratios ask for.

assign(keys, counts, ratios=(0.8, 0.1, 0.1), seed=42)       # (components,) 0 train, 1 validation, 2 test

A component's place depends on its name and the seed alone, so that an edit elsewhere moves nothing; only where a part is
further from its share than TOLERANCE do components move, those first that mend most.
"""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TOLERANCE = 0.005  # of all rows: the promise is two points
STRATUM_TOLERANCE = 0.01  # of a stratum's rows, and never less than half a row
ALL_ROWS = 4.0  # how much the ratio over all rows counts against those of the strata
MOST_MOVES = 20_000


def assign(
    keys: Sequence[str],
    counts: Ints,
    ratios: Sequence[float],
    seed: int,
    pinned: Mapping[int, int] | None = None,
    placed: Ints | None = None,
) -> Ints:
    """The part of each component. `counts` (components, strata) are its rows by stratum; `pinned` components stay where told;
    `placed` (3, strata) are rows that are in the parts already."""
    parts = np.array([_part_of(key, ratios, seed) for key in keys], np.int64)
    fixed = np.zeros(len(keys), np.bool_)
    for component, part in (pinned or {}).items():
        parts[component], fixed[component] = part, True
    if len(keys):
        there = np.zeros((3, counts.shape[1]), np.int64) if placed is None else placed
        _mend(parts, _with_sum(counts), _with_sum(there), np.asarray(ratios), fixed)
    return parts


def _with_sum(counts: Ints) -> Floats:
    """Counts by stratum with one more column: all rows."""
    return np.hstack([counts, counts.sum(axis=1, keepdims=True)]).astype(np.float64)


def _part_of(key: str, ratios: Sequence[float], seed: int) -> int:
    digest = hashlib.blake2b(f"{seed}:{key}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    place = int.from_bytes(digest, "big") / 2**64 * sum(ratios)
    for part, share in enumerate(ratios):
        if place < share:
            return part
        place -= share
    return 0


def _mend(parts: Ints, counts: Floats, placed: Floats, ratios: Floats, fixed: NDArray[np.bool_]) -> None:
    """Move components, the best move first, until every share is within tolerance or no move helps. Changes `parts`."""
    totals = counts.sum(axis=0) + placed.sum(axis=0)
    target = np.outer(totals, ratios / ratios.sum())
    weights = 1.0 / np.maximum(1.0, totals)
    weights[-1] *= ALL_ROWS
    allowed = np.maximum(0.5, STRATUM_TOLERANCE * totals)
    allowed[-1] = max(0.5, TOLERANCE * totals[-1])
    off = np.stack([counts[parts == part].sum(axis=0) for part in range(3)], axis=1) + placed.T - target
    for _ in range(MOST_MOVES):
        if (np.abs(off) <= allowed[:, None] + 1e-9).all():
            return
        move = _best_move(parts, counts, weights, off, [part for part in range(3) if ratios[part] > 0], fixed)
        if move is None:
            return
        component, goal = move
        off[:, parts[component]] -= counts[component]
        off[:, goal] += counts[component]
        parts[component] = goal


def _best_move(
    parts: Ints, counts: Floats, weights: Floats, off: Floats, goals: Sequence[int], fixed: NDArray[np.bool_]
) -> tuple[int, int] | None:
    """(component, its new part) of the move that lowers the weighted squares of `off` most; None where none does."""
    best, move = -1e-9, None
    for source in range(3):
        movable = np.flatnonzero((parts == source) & ~fixed)
        held = counts[movable]
        for goal in goals:
            if goal == source or not len(movable):
                continue
            change = 2 * ((held**2) @ weights - held @ (weights * (off[:, source] - off[:, goal])))
            place = int(change.argmin())
            if change[place] < best:
                best, move = float(change[place]), (int(movable[place]), goal)
    return move
