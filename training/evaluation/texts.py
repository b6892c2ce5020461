"""Texts made comparable: words with their accents, answers without reasoning and citation marks.

words("Sábila, año 1552 [2]")               # ['sábila', 'año', '1552']
"""

import re
from typing import Final

from assistant.reasoning import ReasoningSplitter

_CITATION: Final = re.compile(r"(?<!\s)\s*\[\d{1,6}(?:\s{0,9},\s{0,9}\d{1,6})*\]")
_WORD: Final = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """Lower-case words and numbers. Accents stay: `ano` and `año` are different words."""
    return _WORD.findall(text.casefold())


def without_citations(text: str) -> str:
    return _CITATION.sub("", text)


def normalise_answer(text: str) -> str:
    """An answer as compared for being the same: no citations, case, punctuation or spacing."""
    return " ".join(words(without_citations(text)))


def split_reasoning(text: str) -> tuple[str, str]:
    """(reasoning, answer) of a whole assistant turn."""
    splitter = ReasoningSplitter()
    pieces = [*splitter.feed(text), *splitter.finish()]
    reasoning = "".join(piece.text for piece in pieces if piece.kind == "reasoning").strip()
    return reasoning, "".join(piece.text for piece in pieces if piece.kind == "answer").strip()
