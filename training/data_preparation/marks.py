"""Citation marks: each sentence of an answer gets the number of the passage that holds it, as served answers have it.

    add_marks("Se usa en quemaduras. Es amarga.", sources, Analyzer("es"))
    # 'Se usa en quemaduras. [2] Es amarga. [1]'

A sentence that stands word for word in a passage cites that one; any other the passage that bears it out best; a sentence that
none bears out cites nothing, and neither do words of ours that only announce a list.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from assistant.citations import LEAST_OVERLAP, LEAST_WORDS, plain
from assistant.messages import Source
from retrieval.lexical import Analyzer
from retrieval.sentences import sentence_spans

_MARK = re.compile(r"(?<!\s)\s*\[\d{1,3}\]")
_OPENING = re.compile(r"^[^.!?]{1,120}?:\s+")
_LANGUAGES_KEPT = 8


def add_marks(answer: str, sources: Sequence[Source], analyzer: Analyzer) -> str:
    """`answer` with `[n]` behind every sentence that a source holds."""
    marked: list[str] = []
    position = 0
    for start, end in sentence_spans(answer):
        number = holder_of(answer[start:end], sources, analyzer)
        marked += [answer[position:end], f" [{number}]" if number else ""]
        position = end
    return "".join([*marked, answer[position:]])


def remove_marks(answer: str) -> str:
    """`answer` without marks that came with it."""
    return _MARK.sub("", answer)


def holders_of(answer: str, sources: Sequence[Source], analyzer: Analyzer) -> list[int]:
    """Numbers of the sources that hold a sentence of `answer`, in the order of its sentences, each once."""
    found = (holder_of(answer[start:end], sources, analyzer) for start, end in sentence_spans(answer))
    return list(dict.fromkeys(number for number in found if number))


def holder_of(sentence: str, sources: Sequence[Source], analyzer: Analyzer) -> int:
    """The number of the source that holds a sentence; 0 where none does."""
    claim = plain(sentence).strip()
    for said in (claim, _OPENING.sub("", claim, count=1)):
        wanted = said.rstrip(".:;")
        exact = next((source.n for source in sources if wanted and wanted in _plain(source.text)), 0)
        if exact:
            return exact
    return 0 if claim.endswith(":") else _nearest(claim, sources, analyzer)


def support(claim: str, text: str, analyzer: Analyzer) -> float:
    """The share of a claim's content words that `text` holds; 0 where a number of the claim is not in it."""
    words = _terms(claim, analyzer.language)
    if len(words) < LEAST_WORDS:
        return 0.0
    found = _terms(text, analyzer.language)
    numbers = {word for word in words if any(letter.isdigit() for letter in word)}
    return len(words & found) / len(words) if numbers <= found else 0.0


def _nearest(claim: str, sources: Sequence[Source], analyzer: Analyzer) -> int:
    shares = [(support(claim, source.text, analyzer), -source.n) for source in sources]
    best, number = max(shares, default=(0.0, 0))
    return -number if best >= LEAST_OVERLAP else 0


@lru_cache(maxsize=16_384)
def _plain(text: str) -> str:
    return plain(text)


@lru_cache(maxsize=16_384)
def _terms(text: str, language: str) -> frozenset[str]:
    return frozenset(_analyzer(language).terms(text))


@lru_cache(maxsize=_LANGUAGES_KEPT)
def _analyzer(language: str) -> Analyzer:
    return Analyzer(language)
