"""Which language a text is in, by its stop words; good enough to choose a stemmer.

detect_language("Para qué se usa la ruda en las limpias")       # 'es'
"""

import re
from collections.abc import Iterable

from retrieval.lexical import STOP_LISTS, stop_words
from retrieval.text import fold_accents

LEAST_SHARE = 0.15  # running text in a known language is 30 to 50 % stop words; code and lists far fewer
LEAST_LEAD = 1.15  # how far the best must lead the second: close relatives share many words
SAMPLE = 200_000  # characters looked at

_WORD = re.compile(r"[^\W\d_]+")


def detect_language(text: str) -> str:
    """A language code with a stemmer and a stop list, or `und` when none fits clearly."""
    words = [fold_accents(word, keep="ñ") for word in _WORD.findall(text[:SAMPLE].lower())]
    if not words:
        return "und"
    shares = sorted(((_share(words, language), language) for language in STOP_LISTS), reverse=True)
    (best, language), (second, _) = shares[:2]
    return language if best >= LEAST_SHARE and best >= second * LEAST_LEAD else "und"


def detect_language_of(texts: Iterable[str]) -> str:
    """The language of many texts together, from the start of each."""
    sample: list[str] = []
    size = 0
    for text in texts:
        sample.append(text[:5_000])
        size += len(sample[-1])
        if size > SAMPLE:
            break
    return detect_language("\n".join(sample))


def _share(words: list[str], language: str) -> float:
    stop = stop_words(language)
    return sum(word in stop for word in words) / len(words)
