"""BM25's two constants for a corpus, from its labelled questions: others than the usual ones only where they are surely better.

    choose_bm25(view, queries, fused)      # Bm25(k1=0.9, b=0.8)

Best of a grid by nDCG@10 of the whole search, by section, with everything else as it was learnt: a long section that BM25 alone
prefers too often is put in its place by what is known of its heading. The usual ones stay unless a paired randomisation test is sure at 5 % divided
by the size of the grid (Bonferroni): the best of many settings always looks a little better by chance.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.sparse import csc_array, csr_array

from retrieval.evaluate import Query
from retrieval.lexical import DEFAULT_BM25, Bm25, length_norms
from retrieval.significance import LEVEL, compare
from retrieval.unit_gain import best_of, gain, sections_of
from retrieval.view import Scores, View

GRID = tuple(Bm25(k1, b) for k1 in (0.4, 0.9, 1.4, 2.0) for b in (0.2, 0.5, 0.8, 0.95))


def choose_bm25(view: View, queries: Sequence[Query], fused: Callable[[Query], Callable[[Scores], Scores]]) -> Bm25:
    """Constants for this corpus. `fused(query)` maps BM25 scores, (passages,), to what passages are ranked by.

    Cost: for each question, as many scans of its words' postings as the grid has points.
    """
    units, unit_of = sections_of(view)
    counts = view.counts
    by_term = csc_array(
        csr_array((counts.counts, counts.terms, counts.starts), shape=(len(view), len(view.vocabulary.terms)))
    )
    norms = {bm25: length_norms(counts, bm25) for bm25 in GRID}
    gains: dict[Bm25, list[float]] = {bm25: [] for bm25 in GRID}
    for query in queries:
        wanted = [units[name] for name in query.relevant if name in units]
        numbers = [number for _, number in view.query_terms(query.text) if number >= 0]
        if not wanted or not numbers:
            continue
        fuse = fused(query)
        for bm25, norm in norms.items():
            scores = np.zeros(len(view), np.float32)
            for number in numbers:
                start, end = by_term.indptr[number], by_term.indptr[number + 1]
                rows, often = by_term.indices[start:end], by_term.data[start:end].astype(np.float32)
                scores[rows] += np.float32(view.term_idf(number)) * often / (often + norm[rows])
            gains[bm25].append(gain(best_of(fuse(scores), unit_of, len(units)), wanted))
    if not gains[DEFAULT_BM25]:
        return DEFAULT_BM25
    best = max(GRID, key=lambda bm25: sum(gains[bm25]))
    rise = compare(gains[best], gains[DEFAULT_BM25])
    return best if rise.difference > 0 and rise.probability <= LEVEL / len(GRID) else DEFAULT_BM25
