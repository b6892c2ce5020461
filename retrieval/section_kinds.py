"""Kinds of sections, and under which the documents use a question's words: "flor" and "crece" stand under Botánica in any plant.

    kinds = SectionKinds(view)
    kinds.names                               # ('plantas/Botánica', ...)
    kinds.scores("¿qué tan alto crece?")      # (passages,), how typical the words are of the passage's heading, in deviations

Sections under one heading, in documents of one type, are of one kind. What the right section does not say in the question's words,
its fellows in other documents often do.
"""

import numpy as np
from numpy.typing import NDArray

from retrieval.view import Scores, View

LEAST_DEVIATION = 1e-6
LEAST_SECTIONS = 3  # under a heading, before it says how such sections speak


class SectionKinds:
    """Built once per view: one pass over its sections."""

    def __init__(self, view: View) -> None:
        self._view = view
        places = view.document_rows.astype(np.int64) << 32 | view.section_rows
        _, first, self._section_of = np.unique(places, return_index=True, return_inverse=True)
        numbers: dict[str, int] = {}
        self._kind_of: NDArray[np.int64] = np.empty(len(first), np.int64)  # of each section
        for section, row in enumerate(first):
            heading_path = view.section_of(int(row))[1]
            kind = f"{view.document_of(int(row)).type}/{heading_path[-1] if heading_path else ''}"
            self._kind_of[section] = numbers.setdefault(kind, len(numbers))
        self.names = tuple(numbers)
        self._sections = np.bincount(self._kind_of, minlength=len(numbers))  # of each kind
        self._known = self._sections >= LEAST_SECTIONS

    @property
    def of_passages(self) -> NDArray[np.int64]:
        """The kind of each passage's section as a number into `names`, (passages,); -1 for a rare kind."""
        known = np.where(self._known, np.arange(len(self.names)), -1)
        return np.asarray(known[self._kind_of][self._section_of])

    def scores(self, question: str) -> Scores:
        """For each passage, the mean share of the question's known words, by idf, that a section of its kind has; as a z-score over
        the kinds, 0 for a rare kind or where the corpus has no headings in common. Give the question without names: they
        are not what is asked. Cost: the postings of the question's words.
        """
        shares = np.zeros(len(self._sections))
        for number in {number for _, number in self._view.query_terms(question) if number >= 0}:
            postings = self._view.postings
            rows = postings.rows[postings.starts[number] : postings.starts[number + 1]]
            having = np.bincount(self._kind_of[np.unique(self._section_of[rows])], minlength=len(shares))
            shares += self._view.term_idf(number) * having / self._sections
        deviation = shares[self._known].std() if self._known.any() else 0.0
        if deviation < LEAST_DEVIATION:  # a word that stands under all headings leaves rounding errors
            return np.zeros(len(self._view), np.float32)
        typical = np.where(self._known, (shares - shares[self._known].mean()) / deviation, 0.0)
        return typical[self._kind_of][self._section_of].astype(np.float32)
