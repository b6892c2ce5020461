"""Words to terms, and BM25 over them.

    analyzer = Analyzer("es")
    analyzer.terms("Las raíces del nopal")          # ['raiz', 'nopal']

BM25 is Robertson's with Lucene's non-negative idf (Robertson & Zaragoza 2009, "The Probabilistic Relevance Framework",
section 3.2; Kamphuis et al. 2020, "Which BM25 Do You Mean?", table 1). Scores are computed once per (term, passage) from
cached term counts with numpy, so that one edited file costs one vectorised pass and no second tokenisation; a test holds
them equal to bm25s. Cost of a query: the postings of its terms.
"""

import re
import runpy
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from retrieval.text import fold_accents

K1 = 0.9  # best on Spanish and English sets of questions, with B between 0.75 and 0.9
B = 0.8
GRAM = 4  # characters per gram where the language is unknown; equal to stemmed BM25 in quality
MOST_KNOWN, LONGEST_KNOWN = 100_000, 40  # words whose terms are remembered; letters of such a word
ANALYZER_VERSION = 2  # raise when terms change: indexes are then built anew

_WORD = re.compile(r"[^\W_]+")
_KEEP = {"es": "ñÑ"}
_SNOWBALL = {
    "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish",
    "eu": "basque", "fi": "finnish", "fr": "french", "hu": "hungarian", "it": "italian", "nl": "dutch", "no": "norwegian",
    "pl": "polish", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sv": "swedish", "tr": "turkish",
}  # fmt: skip
STOP_LISTS = {
    "da": "DANISH", "de": "GERMAN", "en": "EN_PLUS", "es": "SPANISH", "fr": "FRENCH", "it": "ITALIAN", "nl": "DUTCH",
    "no": "NORWEGIAN", "pt": "PORTUGUESE", "ru": "RUSSIAN", "sv": "SWEDISH", "tr": "TURKISH",
}  # fmt: skip
# Question words and chat fillers that the lists lack: they carry no topic.
_MORE_STOP_WORDS = {
    "es": "cuál cuáles cuáles cómo cuándo cuánto cuánta cuántos cuántas dónde quién quiénes según cada aquí ahí así aún "
    "si qué k q d xq xk pq porq dnd tmb pa pal usted ustedes favor gracias hola oye dime puedo puede pueden podría puedes hace "
    "hacer dice dicen ser va vas voy tal cosa cosas aunque entonces mientras través",
    "en": "what which who whom whose when where why how does did can could would should may might please tell me is are "
    "was were been being do done has have had i you he she it we they them their there here",
}
SUPPORTED_LANGUAGES = frozenset(_SNOWBALL)


class Bm25(NamedTuple):
    """The two constants: how soon more of the same word counts no more, and how much length is held against a text."""

    k1: float = K1
    b: float = B


class Analyzer:
    """Turns text into index terms for one language; an unknown language gets character 4-grams."""

    def __init__(self, language: str) -> None:
        self.language = language if language in _SNOWBALL else "und"
        self._terms: dict[str, str] = {}
        self._keep = _KEEP.get(self.language, "")
        if self.language != "und":
            import Stemmer

            self._stem: Callable[[str], str] = Stemmer.Stemmer(_SNOWBALL[self.language]).stemWord
            self._stop = stop_words(self.language)

    def terms(self, text: str) -> list[str]:
        """Index terms in order, stop words left out."""
        if self.language == "und":
            return [gram for word in self.words(text) for gram in _grams(word)]
        known = self._terms
        found = []
        for word in self.words(text):
            term = known.get(word)
            if term is None:
                term = self._term(word)
                if len(word) <= LONGEST_KNOWN:  # questions of made-up words must not fill the memory
                    if len(known) >= MOST_KNOWN:
                        known.clear()
                    known[word] = term
            if term:
                found.append(term)
        return found

    def words(self, text: str) -> list[str]:
        """Lower-cased words without accents (ñ stays where the language has it)."""
        return _WORD.findall(fold_accents(unicodedata.normalize("NFC", text).lower(), self._keep))

    def content_words(self, text: str) -> list[str]:
        """Words that are no stop words, unstemmed."""
        if self.language == "und":
            return [word for word in self.words(text) if len(word) > 3]
        return [word for word in self.words(text) if word not in self._stop]

    def _term(self, word: str) -> str:
        """The stem of a folded word, or nothing for a stop word."""
        if word in self._stop:
            return ""
        if self.language == "es":
            word = _spanish_singular(word)
        return fold_accents(self._stem(word), self._keep)


def _spanish_singular(word: str) -> str:
    """Plurals that Snowball leaves apart from their singular: raíces/raíz, años/año, cruces/cruz.

    >>> _spanish_singular("raices"), _spanish_singular("años"), _spanish_singular("tos")
    ('raiz', 'año', 'tos')
    """
    if len(word) > 4 and word.endswith("ces"):
        return word[:-3] + "z"
    if len(word) == 4 and word.endswith(("as", "os", "es")) and not word.endswith("ses"):
        return word[:-1]
    return word


def _grams(word: str) -> list[str]:
    if len(word) <= GRAM:
        return [word]
    return [word[i : i + GRAM] for i in range(len(word) - GRAM + 1)]


@cache
def stop_words(language: str) -> frozenset[str]:
    """Folded stop words of a language; empty where no list is known."""
    keep = _KEEP.get(language, "")
    name = STOP_LISTS.get(language)
    words: Iterable[str] = _stop_lists()[f"STOPWORDS_{name}"] if name else ()
    words = [*words, *_MORE_STOP_WORDS.get(language, "").split()]
    # Negation and amount decide what a sentence says, not what it is about: they are dropped here like the rest.
    return frozenset(fold_accents(word.lower(), keep) for word in words)


@cache
def _stop_lists() -> dict[str, Any]:
    """bm25s' lists, read from their file: importing the package would cost every question 0.15 s."""
    package = find_spec("bm25s")
    assert package is not None and package.origin is not None
    return runpy.run_path(str(Path(package.origin).parent / "stopwords.py"))


@dataclass(frozen=True)
class TermCounts:
    """How often each term stands in each passage, row by row (a CSR matrix without the float values)."""

    starts: NDArray[np.int64]  # (passages + 1,)
    terms: NDArray[np.int32]  # (entries,)
    counts: NDArray[np.uint16]  # (entries,)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def take(self, rows: NDArray[np.int64]) -> "TermCounts":
        """The rows asked for, in that order."""
        lengths = (self.starts[1:] - self.starts[:-1])[rows]
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        index = np.repeat(self.starts[rows] - starts[:-1], lengths) + np.arange(starts[-1])
        return TermCounts(starts, self.terms[index], self.counts[index])

    def extended(self, other: "TermCounts") -> "TermCounts":
        return TermCounts(
            np.concatenate([self.starts, other.starts[1:] + self.starts[-1]]),
            np.concatenate([self.terms, other.terms]),
            np.concatenate([self.counts, other.counts]),
        )


@dataclass(frozen=True)
class Postings:
    """BM25 scores term by term: passages `rows[starts[t]:starts[t+1]]` have `scores[...]` for term t."""

    starts: NDArray[np.int64]  # (terms + 1,)
    rows: NDArray[np.int32]
    scores: NDArray[np.float32]


class Vocabulary:
    """Terms and their numbers; grows while indexing."""

    def __init__(self, terms: Sequence[str] = ()) -> None:
        self.terms = list(terms)
        self.numbers = {term: number for number, term in enumerate(self.terms)}

    def number(self, term: str) -> int:
        found = self.numbers.get(term)
        if found is None:
            found = self.numbers[term] = len(self.terms)
            self.terms.append(term)
        return found

    def count(self, texts: Iterable[list[str]]) -> TermCounts:
        """Count the terms of each text, numbering those not seen before."""
        starts = [0]
        terms: list[int] = []
        counts: list[int] = []
        for found in texts:
            tally = Counter(found)
            terms.extend(self.number(term) for term in tally)
            counts.extend(min(count, 65_535) for count in tally.values())
            starts.append(len(terms))
        return TermCounts(np.array(starts, np.int64), np.array(terms, np.int32), np.array(counts, np.uint16))


def idf(document_frequency: Any, documents: int) -> Any:
    """Lucene's idf, never negative: ln(1 + (N - df + 0.5) / (df + 0.5))."""
    return np.log1p((documents - document_frequency + 0.5) / (document_frequency + 0.5))


DEFAULT_BM25 = Bm25()


def build_postings(counts: TermCounts, vocabulary_size: int, bm25: Bm25 = DEFAULT_BM25) -> Postings:
    """Score every (term, passage) entry once. O(entries) time and memory."""
    from scipy.sparse import csr_array

    documents = len(counts)
    norms = length_norms(counts, bm25)
    frequency = np.bincount(counts.terms, minlength=vocabulary_size)
    tf = counts.counts.astype(np.float32)
    norm = np.repeat(norms, np.diff(counts.starts))
    scores = (idf(frequency, documents).astype(np.float32))[counts.terms] * (tf / (tf + norm))
    by_term = csr_array((scores, counts.terms, counts.starts), shape=(documents, vocabulary_size)).tocsc()
    return Postings(by_term.indptr.astype(np.int64), by_term.indices.astype(np.int32), by_term.data.astype(np.float32))


def length_norms(counts: TermCounts, bm25: Bm25) -> NDArray[np.float32]:
    """What a passage's term counts are held against: more in long passages, (passages,)."""
    sums = np.concatenate([[0], np.cumsum(counts.counts, dtype=np.int64)])
    lengths = sums[counts.starts[1:]] - sums[counts.starts[:-1]]
    average = lengths.mean() if lengths.any() else 1.0
    return np.asarray((bm25.k1 * (1 - bm25.b + bm25.b * lengths / average)).astype(np.float32))


def score_terms(postings: Postings, numbers: Iterable[int], documents: int) -> NDArray[np.float32]:
    """The complete BM25 score vector (documents,) of a query given as term numbers (repeats count)."""
    total = np.zeros(documents, np.float32)
    for number in numbers:
        start, end = postings.starts[number], postings.starts[number + 1]
        total[postings.rows[start:end]] += postings.scores[start:end]
    return total
