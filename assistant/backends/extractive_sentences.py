"""A source's sentences as they can be quoted: without labels and table headers, list items and warnings known as such.

[sentence.text for sentence in read_sentences(source, analyzer)]
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from assistant.citations import plain
from assistant.messages import Source
from retrieval.domain import Role
from retrieval.lexical import Analyzer
from retrieval.sentences import leans_on_the_last, sentence_spans

LEAST_LENGTH = 25  # characters; shorter sentences are labels

_TABLE_ROW = re.compile(r"^\s*\|")
_TABLE_HEADER = re.compile(r"^[ \t]*\|[^\n]*\n[ \t]*\|[\s:|-]+$", re.MULTILINE)
_MARK = re.compile(r"\[\d{1,3}\]")
_ITEM = re.compile(r"^\s*(?:[-*+•]|\d{1,3}[.)])\s")
_BOLD = re.compile(r"\*\*[^*]+\*\*")
_ENDS = frozenset(".!?…")
_BLOCK = re.compile(r"(?:\A|\n[ \t]*\n)")
_WARNING = re.compile(
    r"[ \t>]*(?:\[!|\*\*|__)*(?:advertencia|atención|cuidado|peligro|precaución|warning|caution|danger)\b", re.I
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """`match` is the share of the question's words that it has, `own` all that it says to the question, `score` that and the rank
    of its passage."""

    source: Source
    place: int  # order within its passage
    text: str
    terms: frozenset[str]
    item: bool = False  # a list item or table row
    row: bool = False  # a table row
    warning: bool = False  # of a paragraph that begins as a warning
    leans: bool = False  # begins with a word that points back
    opens: bool = False  # the first of its passage that is no warning
    role: Role | None = None  # its section's, or safety
    match: float = 0.0
    own: float = 0.0
    score: float = 0.0


def read_sentences(source: Source, analyzer: Analyzer) -> Iterator[Sentence]:
    """The quotable sentences of one source, in reading order."""
    header = _TABLE_HEADER.search(source.text)
    warnings = _warning_spans(source.text)
    opened = False
    for place, (start, end) in enumerate(sentence_spans(source.text)):
        raw = source.text[start:end]
        if header and header.start() <= start < header.end():
            continue
        text = plain(raw)
        row = bool(_TABLE_ROW.match(raw))
        item = row or bool(_ITEM.match(raw))
        if not _is_quotable(raw, text, item):
            continue
        warning = any(first <= start < last for first, last in warnings)
        opens = not (opened or warning)
        opened = opened or opens
        goes_on = any(first < start < last and text[:1].isalpha() for first, last in warnings) and not _WARNING.match(
            raw
        )
        leans = not item and (goes_on or leans_on_the_last(text, analyzer.language))
        yield Sentence(source, place, text, frozenset(analyzer.terms(text)), item, row, warning, leans, opens)


def _is_quotable(raw: str, text: str, item: bool) -> bool:
    if _MARK.search(text):
        return False  # a number in brackets of the document's own would be taken for a citation
    if text.endswith(":") or _is_label(raw.strip()):
        return False
    return len(text) >= LEAST_LENGTH or (item and bool(text))


def _is_label(text: str) -> bool:
    """Bold words alone, or beside others after a dash and without a full stop ("**Agave salmiana** — Asparagaceae")."""
    bold = _BOLD.match(text)
    if bold is None:
        return False
    rest = text[bold.end() :]
    return not rest.strip() or ("—" in rest and _ENDS.isdisjoint(rest))


def _warning_spans(text: str) -> list[tuple[int, int]]:
    """The paragraphs that begin with a word of warning."""
    starts = [match.end() for match in _BLOCK.finditer(text)]
    ends = [*starts[1:], len(text)]
    return [(start, end) for start, end in zip(starts, ends, strict=True) if _WARNING.match(text, start)]
