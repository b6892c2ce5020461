"""A view scored with other BM25 constants, held in memory: they are tried before anything of the index changes.

view = RescoredView(index.view().folder, Bm25(1.4, 0.2))
"""

from functools import cached_property
from pathlib import Path

from retrieval.lexical import Bm25, Postings, build_postings
from retrieval.view import View


class RescoredView(View):
    """The same passages and vectors. Cost: one pass over the term counts, and memory for the scores."""

    def __init__(self, folder: Path, bm25: Bm25) -> None:
        super().__init__(folder)
        self._bm25 = bm25

    @property
    def bm25(self) -> Bm25:
        return self._bm25

    @cached_property
    def postings(self) -> Postings:
        return build_postings(self.counts, len(self.vocabulary.terms), self._bm25)
