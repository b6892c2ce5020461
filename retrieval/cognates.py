"""Questions in another language than the documents': their words are matched to look-alikes among the documents' words.

    language = foreign_language(view, "What is the temperature of plasma?")      # 'en', on a Spanish corpus
    scores = cognate_scores(view, question, language)                            # temperature: temperatur, plasma: plasm

European languages share names and learned words up to their endings. On English questions over Spanish paragraphs this takes BM25
from useless to a fair second opinion (the figures: docs/decisions/0005). Cost: one scan of the vocabulary in C for each word that no
passage has; only foreign questions pay it.
"""

import numpy as np

from retrieval.language import detect_language
from retrieval.lexical import Analyzer, score_terms
from retrieval.view import Scores, View

MOST_KNOWN = (
    0.85  # share of a question's terms, by idf, above which it is the documents' language with a word or two of another
)
LEAST_SIMILARITY = 0.7  # of two stems (normalised indel similarity); 0.8 finds fewer, 0.6 too many
LEAST_LENGTH = 4  # shorter words look like everything
MOST_MATCHES = 3
FOREIGN_WEIGHT = 0.7  # the dense side's share for a foreign question; best on English over Spanish


def foreign_language(view: View, question: str) -> str:
    """The question's language if it is clearly not the documents', else nothing."""
    own = view.analyzer.language
    if own == "und":
        return ""
    terms = view.query_terms(question)
    unknown = sum(view.term_idf(-1) for _, number in terms if number < 0)
    known = sum(view.term_idf(number) for _, number in terms if number >= 0)
    if not unknown or known > MOST_KNOWN * (known + unknown):
        return ""
    language = detect_language(question)
    return language if language not in ("und", own) else ""


def cognate_scores(view: View, question: str, language: str) -> Scores:
    """Complete BM25 score vector (passages,) of a question in `language`: each word counts as what it looks like most in a
    passage, in proportion to the likeness; the stop words of its own language count nothing."""
    total = np.zeros(len(view), np.float32)
    for term in Analyzer(language).terms(question):
        best = np.zeros(len(view), np.float32)
        for number, share in _matches(view, term):
            np.maximum(best, share * score_terms(view.postings, [number], len(view)), out=best)
        total += best
    return total


def _matches(view: View, term: str) -> list[tuple[int, float]]:
    """Numbers of the terms that a foreign one may stand for, with how much each counts, from 0 to 1."""
    from rapidfuzz.distance import Indel
    from rapidfuzz.process import extract

    number = view.known_number(term)
    if number >= 0:
        return [(number, 1.0)]
    if len(term) < LEAST_LENGTH or term.isdigit():
        return []
    found = extract(
        term,
        view.vocabulary.terms,
        scorer=Indel.normalized_similarity,
        score_cutoff=LEAST_SIMILARITY,
        limit=MOST_MATCHES,
        processor=None,
    )
    numbers = [(view.known_number(str(word)), float(similarity)) for word, similarity, _ in found]
    return [(place, _share(similarity)) for place, similarity in numbers if place >= 0]


def _share(similarity: float) -> float:
    """The square root keeps `temperatur` near `temperature`, and what barely looks alike well below it."""
    return float(np.sqrt((similarity - LEAST_SIMILARITY + 0.05) / (1 - LEAST_SIMILARITY + 0.05)))
