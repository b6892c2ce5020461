"""A question's words as the index knows them: synonyms of the pack, spelling help, no fillers.

reader = QuestionReader(analyzer, known_number, known_terms, {"panz": ["estomag"]})
reader.query_terms("me duele la panza")      # [('duel', 12), ('estomag', 7), ('panz', 3)]
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from retrieval.lexical import Analyzer
from retrieval.spelling import LEAST_ALIKE, Speller, filler_sounds, respellings, spanish_sound


class QuestionReader:
    """`known_number` gives the number of a term that a passage has, else -1; `known_terms` lists these terms when spelling help is
    first needed."""

    def __init__(
        self,
        analyzer: Analyzer,
        known_number: Callable[[str], int],
        known_terms: Callable[[], Sequence[str]],
        synonyms: Mapping[str, Sequence[str]],
    ) -> None:
        self._analyzer = analyzer
        self._known_number = known_number
        self._known_terms = known_terms
        self._synonyms = synonyms

    @cached_property
    def _speller(self) -> Speller:
        return Speller(self._known_terms(), self._analyzer.language)

    def query_terms(self, question: str) -> list[tuple[str, int]]:
        """As `View.query_terms`."""
        found: list[tuple[str, int]] = []
        for term in self._terms(question):
            others = [(other, self._known_number(other)) for other in self._synonyms.get(term, ())]
            known = [pair for pair in others if pair[1] >= 0]
            found.extend(known)
            if not known or self._known_number(term) >= 0:
                found.extend(self._spelled(term))
        return found

    def plain_terms(self, question: str) -> list[str]:
        """As `View.plain_terms`."""
        return [other for term in self._terms(question) for other, _ in self._spelled(term)]

    def _terms(self, question: str) -> list[str]:
        """Index terms without words that no passage has and that sound like a stop word: "komo se yama"."""
        fillers = filler_sounds(self._analyzer.language)
        if not fillers:
            return self._analyzer.terms(question)
        found = []
        for word in self._analyzer.words(question):
            for term in self._analyzer.terms(word):
                if self._known_number(term) >= 0 or spanish_sound(word) not in fillers:
                    found.append(self._respelled(word, term))
        return found

    def _respelled(self, word: str, term: str) -> str:
        """The term, or where neither it nor its sound is known, the known term of the word in another spelling."""
        if (
            self._known_number(term) >= 0
            or term in self._synonyms
            or len(word) <= LEAST_ALIKE
            or self._speller.alike(term)
        ):
            return term
        others = (other for spelling in respellings(word) for other in self._analyzer.terms(spelling))
        # A spelling that is no word may be cut to a stump that is another word's.
        return next((one for one in others if len(one) >= len(term) - 1 and self._known_number(one) >= 0), term)

    def _spelled(self, term: str) -> list[tuple[str, int]]:
        """The term itself if a passage has it, else known terms that it may stand for, else itself with -1."""
        number = self._known_number(term)
        if number >= 0 or self._analyzer.language == "und":
            return [(term, number)]
        near = self._speller.suggest(term)
        return [(other, self._known_number(other)) for other in near] or [(term, -1)]
