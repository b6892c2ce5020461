"""Warnings that come before any answer: questions that sound dangerous, documents about dangerous things.

red_flags("mi bebé se tragó una semilla de ricino", domain.config)
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from retrieval.domain import DomainConfig
from retrieval.text import fold_accents
from retrieval.view import DocumentInfo

WARNING_FIELD = "warning"  # front matter of a document about something dangerous: one sentence
MAX_QUESTION = 4_000  # characters a pattern is tried on: bounds the time of a hostile question


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to read first. `name` is the red flag's name, or the document's title."""

    name: str
    message: str


def red_flags(question: str, config: DomainConfig) -> list[Notice]:
    """The pack's red flags that the question raises, in the pack's order."""
    text = fold_accents(question[:MAX_QUESTION].lower(), keep="ñ")
    return [
        Notice(flag.name, flag.message)
        for flag in config.red_flags
        if any(_compiled(pattern).search(text) for pattern in flag.patterns)
    ]


def document_warnings(documents: Iterable[DocumentInfo]) -> list[Notice]:
    """The warnings that documents carry in their front matter, each document once."""
    notices: dict[str, Notice] = {}
    for document in documents:
        warning = document.fields.get(WARNING_FIELD, "")
        if isinstance(warning, str) and warning:
            notices.setdefault(document.id, Notice(document.title, warning))
    return list(notices.values())


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
