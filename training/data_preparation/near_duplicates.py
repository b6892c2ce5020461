"""Rows that say nearly the same: pairs by MinHash and locality-sensitive hashing, each checked by its exact Jaccard.

sets = term_sets(["Se toma en té.", "Se toma, en té"], Analyzer("es"))
near_pairs(sets, 0.8)                # pairs [[0, 1]], similarity [1.0]

Broder 1997, "On the resemblance and containment of documents"; banding as in Leskovec, Rajaraman, Ullman, "Mining of Massive
Datasets", section 3.4. Thirty-two bands of four: a pair at the threshold of 0.8 is missed with probability 5e-8. Where many
rows share boilerplate and so a bucket, the bucket is divided by prefix filtering (Chaudhuri et al. 2006: two sets of that Jaccard
share one of their rarest terms), and pairs that cannot be near are told by a few bits of each set (Sandes et al. 2020,
"Bitmap filter"). Both lose nothing; they keep rows that were made from one template from costing more than others. Only where
more than LONGEST_RUN rows share both a bucket and a rare term is each compared with its WINDOW next ones alone: there nearly
all of them are near each other, and links from each to the next hold them together as well as all pairs would.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.lexical import Analyzer

NEAR = 0.8  # Jaccard of content terms from which two rows say nearly the same; one changed word in nine reaches it
BANDS = 32
ROWS_PER_BAND = 4
LARGE_BUCKET = 64  # members from which dividing a bucket is cheaper than comparing all its pairs
BITS = 512  # of a set's bitmap: enough that two sets of some hundred terms rarely look nearer than they are
LONGEST_RUN = 500  # its pairs number 125,000
WINDOW = 16
PAIRS_AT_ONCE = 400_000  # pairs compared in one go: bounds memory to some 200 MB
_SEED = 20_240_521  # any fixed number: signatures must not differ between runs

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TermSets:
    """The set of terms of each text: `terms[starts[i]:starts[i + 1]]`, sorted; `hashes[t]` is the hash of term t."""

    starts: Ints
    terms: NDArray[np.int32]
    hashes: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def sizes(self) -> Ints:
        sizes: Ints = np.diff(self.starts)
        return sizes


@dataclass(frozen=True, slots=True)
class NearPairs:
    """`pairs` (n, 2) of row numbers, the smaller first, sorted; `similarity` (n,) is their exact Jaccard."""

    pairs: Ints
    similarity: NDArray[np.float64]


def term_sets(texts: Iterable[str], analyzer: Analyzer) -> TermSets:
    """Sets of stemmed content terms, numbers included; word order and repeats do not count."""
    numbers: dict[str, int] = {}
    starts = [0]
    terms: list[int] = []
    for text in texts:
        terms.extend(sorted({numbers.setdefault(term, len(numbers)) for term in analyzer.terms(text)}))
        starts.append(len(terms))
    hashes = np.array([_hash(term) for term in numbers], np.uint64)
    return TermSets(np.array(starts, np.int64), np.array(terms, np.int32), hashes)


def _hash(term: str) -> int:
    return int.from_bytes(hashlib.blake2b(term.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def near_pairs(sets: TermSets, threshold: float = NEAR) -> NearPairs:
    """All pairs of non-empty sets with a Jaccard of at least `threshold`, but for the chance that the module names."""
    rows = np.flatnonzero(sets.sizes).astype(np.int64)
    found = np.zeros(0, np.int64)
    if len(rows) > 1:
        prefixes, bitmaps = _Prefixes(sets, threshold), _Bitmaps(sets, threshold)
        for keys in _band_keys(sets, rows):
            blocks = [bitmaps.possible(block) for block in _candidates(keys, rows, prefixes)]
            found = _distinct(np.concatenate([found, *blocks]))
    pairs = np.stack([found // max(1, len(sets)), found % max(1, len(sets))], axis=1)
    similarity = jaccard(sets, pairs)
    near = similarity >= threshold - 1e-12
    return NearPairs(pairs[near], similarity[near])


def jaccard(sets: TermSets, pairs: Ints) -> NDArray[np.float64]:
    """The exact Jaccard (n,) of pairs (n, 2) of rows."""
    from scipy.sparse import csr_array

    shape = (len(sets), max(1, len(sets.hashes)))
    matrix = csr_array((np.ones(len(sets.terms), np.int32), sets.terms, sets.starts), shape=shape)
    sizes = sets.sizes
    found = [np.zeros(0)]
    for start in range(0, len(pairs), PAIRS_AT_ONCE):
        left, right = pairs[start : start + PAIRS_AT_ONCE].T
        shared = np.asarray(matrix[left].multiply(matrix[right]).sum(axis=1)).ravel()
        found.append(shared / np.maximum(1, sizes[left] + sizes[right] - shared))
    return np.concatenate(found)


def _band_keys(sets: TermSets, rows: Ints) -> Iterator[NDArray[np.uint64]]:
    """For each band one key per row: rows whose smallest hashes agree in the whole band get the same one."""
    random = np.random.default_rng(_SEED)
    starts = sets.starts[rows]  # rows between two non-empty ones are empty, so that reduceat's stretches fit
    for _ in range(BANDS):
        masks = random.integers(0, 2**64, ROWS_PER_BAND, dtype=np.uint64)
        keys = np.zeros(len(rows), np.uint64)
        for mask in masks:
            mixed = _mix(sets.hashes ^ mask)
            keys = _mix(keys ^ np.minimum.reduceat(mixed[sets.terms], starts))
        yield keys


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser (Steele et al. 2014): every bit in decides about every bit out."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


class _Prefixes:
    """The rarest terms of each row, as many as guarantee that two near rows share one."""

    def __init__(self, sets: TermSets, threshold: float) -> None:
        self._sets = sets
        frequency = np.bincount(sets.terms, minlength=len(sets.hashes))
        rarity = np.empty(len(sets.hashes), np.int64)
        rarity[np.lexsort((sets.hashes, frequency))] = np.arange(len(sets.hashes))
        sizes = sets.sizes
        owner = np.repeat(np.arange(len(sets)), sizes)
        self._ordered = sets.terms[np.lexsort((rarity[sets.terms], owner))]
        self._lengths = sizes - np.ceil(threshold * sizes - 1e-9).astype(np.int64) + 1

    def of(self, rows: Ints) -> tuple[Ints, NDArray[np.uint64]]:
        """(places within `rows`, hashes of their prefix terms), one entry per term."""
        lengths = self._lengths[rows]
        places = np.repeat(np.arange(len(rows)), lengths)
        offsets = np.arange(len(places)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        terms = self._ordered[self._sets.starts[rows][places] + offsets]
        return places, self._sets.hashes[terms]


class _Bitmaps:
    """Each set as BITS bits, a term flipping the bit that its hash names: bits that differ are at most terms that differ."""

    def __init__(self, sets: TermSets, threshold: float) -> None:
        self._count, self._sizes = len(sets), sets.sizes
        owner = np.repeat(np.arange(len(sets)), self._sizes)
        place = owner * BITS + (sets.hashes[sets.terms] % np.uint64(BITS)).astype(np.int64)
        flipped = np.zeros(len(sets) * BITS, np.bool_)
        once, times = np.unique(place, return_counts=True)
        flipped[once] = times % 2 == 1
        self._words = np.packbits(flipped.reshape(len(sets), BITS), axis=1).view(np.uint64)
        self._most = (1 - threshold) / (1 + threshold)  # share of both sizes that may differ at that Jaccard

    def possible(self, codes: Ints) -> Ints:
        """The codes of those pairs that may be near, each once."""
        left, right = np.divmod(codes, self._count)
        most = self._most * (self._sizes[left] + self._sizes[right]) + 1e-9
        fit = np.flatnonzero(np.abs(self._sizes[left] - self._sizes[right]) <= most)
        left, right, most = left[fit], right[fit], most[fit]
        differ = np.zeros(len(fit), np.int64)
        for word in range(self._words.shape[1]):
            differ += np.bitwise_count(self._words[left, word] ^ self._words[right, word])
        return _distinct(codes[fit[differ <= most]])


def _candidates(keys: NDArray[np.uint64], rows: Ints, prefixes: _Prefixes) -> Iterator[Ints]:
    """Codes (smaller row * number of rows + larger row) of the pairs to compare in one band."""
    count = len(prefixes._sets)
    order = np.argsort(keys, kind="stable")
    sizes, starts = _runs(keys[order])
    yield from _pairs_of_runs(rows[order], starts, sizes, (sizes > 1) & (sizes <= LARGE_BUCKET), count)
    large = np.repeat(sizes > LARGE_BUCKET, sizes)
    if not large.any():
        return
    members, buckets = rows[order][large], keys[order][large]
    places, hashes = prefixes.of(members)
    divided = _mix(buckets[places] ^ hashes)
    by_key = np.argsort(divided, kind="stable")
    sizes, starts = _runs(divided[by_key])
    yield from _pairs_of_runs(members[places][by_key], starts, sizes, sizes > 1, count)


def _runs(ordered: NDArray[np.uint64]) -> tuple[Ints, Ints]:
    """(lengths, starts) of the runs of equal values."""
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])).astype(np.int64)
    return np.diff(np.append(starts, len(ordered))).astype(np.int64), starts


def _pairs_of_runs(rows: Ints, starts: Ints, sizes: Ints, chosen: NDArray[np.bool_], count: int) -> Iterator[Ints]:
    """All pairs within each chosen run, runs of one size together and at most PAIRS_AT_ONCE at a time."""
    for size in np.unique(sizes[chosen]).tolist():
        first = starts[chosen & (sizes == size)]
        left, right = np.triu_indices(size, 1) if size <= LONGEST_RUN else _window(size)
        step = max(1, PAIRS_AT_ONCE // max(1, len(left)))
        for block in range(0, len(first), step):
            members = rows[first[block : block + step, None] + np.arange(size)]
            a, b = members[:, left].ravel(), members[:, right].ravel()
            yield np.minimum(a, b) * count + np.maximum(a, b)


def _distinct(values: Ints) -> Ints:
    """Sorted, each once; numpy's own goes through a hash table, which takes five times as long here."""
    ordered = np.sort(values)
    return ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])] if len(ordered) else ordered


def _window(size: int) -> tuple[Ints, Ints]:
    """Places of each member and of its next ones."""
    left = np.repeat(np.arange(size), WINDOW)
    right = left + np.tile(np.arange(1, WINDOW + 1), size)
    return left[right < size], right[right < size]
