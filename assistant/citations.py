"""From `[n]` marks in an answer to citations, each checked against the passage it names; no model is asked.

cite("Se usa en quemaduras [1].", sources, analyzer)[0].supported
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from assistant.messages import Source
from retrieval.lexical import Analyzer
from retrieval.sentences import sentence_spans, without_list_mark

LEAST_OVERLAP = 0.6  # share of a sentence's content words that its passage must hold
LEAST_WORDS = 2  # a sentence with fewer content words states nothing that could be checked

# Never from the middle of white space: a model's long run of it would be read again from each of its places.
_MARK = re.compile(r"(?<!\s)\s*\[(\d{1,3})\]")
_MARKS = re.compile(r"(?<!\s)(?:\s*\[\d{1,3}\])+")
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()]*\)")
# Asterisks between two digits or two spaces are a product, all others emphasis (its other end may be in another sentence).
_STAR = r"(?<![\d\s])\*{1,3}|\*{1,3}(?![\d\s])|(?<=\s)\*{1,3}(?=\d)|(?<=\d)\*{1,3}(?=\s)"
_EMPHASIS = re.compile(rf"({_STAR}|(?<!\w)_{{1,3}}(?=\S)|(?<=\S)_{{1,3}}(?!\w)|`)")
_QUOTE_MARK = re.compile(r"^[ \t]*>[ \t]?", re.MULTILINE)
_TABLE_ROW = re.compile(r"^[ \t]*\|(.*)\|[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Citation:
    """One mark: `quote` is the passage's sentence nearest to the claim, word for word; empty if none is near."""

    n: int
    passage_id: str
    document: str
    section: str
    quote: str
    supported: bool
    sentence: str


def plain(text: str) -> str:
    """Markdown as running text: links keep their words, emphasis and quote marks go, table cells are set apart by dashes,
    white space is single."""
    text = _TABLE_ROW.sub(_row, _QUOTE_MARK.sub("", without_list_mark(text)))
    return " ".join(_EMPHASIS.sub("", _LINK.sub(r"\1", text)).split())


def cite(answer: str, sources: Sequence[Source], analyzer: Analyzer) -> list[Citation]:
    """A citation per mark and sentence, in reading order; marks that name no source are left out (see `stray_marks`)."""
    by_number = {source.n: source for source in sources}
    citations = []
    for sentence in _cited_sentences(answer):
        claim = plain(_MARK.sub("", sentence)).strip()
        for number in dict.fromkeys(int(mark) for mark in _MARK.findall(sentence)):
            source = by_number.get(number)
            if source and claim:
                quote, supported = check(claim, source.text, analyzer)
                citations.append(
                    Citation(number, source.passage_id, source.document_id, source.section_id, quote, supported, claim)
                )
    return citations


def uncited_sentences(answer: str, analyzer: Analyzer) -> list[str]:
    """Sentences that state something and cite nothing."""
    text = _marks_inside(answer)
    sentences = [plain(text[start:end]) for start, end in sentence_spans(text) if not _MARK.search(text, start, end)]
    return [sentence for sentence in sentences if len(set(analyzer.terms(sentence))) >= LEAST_WORDS]


def stray_marks(answer: str, sources: Sequence[Source]) -> list[int]:
    """Numbers cited that no source has."""
    known = {source.n for source in sources}
    return [number for number in dict.fromkeys(int(mark) for mark in _MARK.findall(answer)) if number not in known]


def check(claim: str, passage: str, analyzer: Analyzer) -> tuple[str, bool]:
    """The passage's sentence nearest to the claim, and whether the passage bears the claim out.

    Word for word (after `plain`) is support; so are 60 % of the claim's content words together with all of its numbers.
    """
    quote = _nearest_sentence(claim, passage, analyzer)
    if claim and claim.rstrip(".:;") in plain(passage):
        return quote, True
    words = set(analyzer.terms(claim))
    if len(words) < LEAST_WORDS:
        return quote, False
    passage_words = set(analyzer.terms(passage))
    numbers = {word for word in words if any(letter.isdigit() for letter in word)}
    supported = len(words & passage_words) / len(words) >= LEAST_OVERLAP and numbers <= passage_words
    return quote, supported


def _row(match: re.Match[str]) -> str:
    """A table row's cells as one phrase; nothing for the rule under the header."""
    cells = [cell.strip() for cell in match.group(1).split("|")]
    return "" if all(set(cell) <= set("-: ") for cell in cells) else " — ".join(cells)


def _cited_sentences(answer: str) -> list[str]:
    """Claims with their marks: a mark after the full stop belongs to the sentence before it, and a sentence with marks in
    several places is as many claims."""
    text = _marks_inside(answer)
    claims: list[str] = []
    for start, end in sentence_spans(text):
        ends = [match.end() for match in _MARKS.finditer(text, start, end)]
        cuts = [start, *ends[:-1], end]
        claims.extend(text[one:other] for one, other in pairwise(cuts) if ends)
    return claims


def _marks_inside(answer: str) -> str:
    """Marks that follow a full stop put before it."""
    return re.sub(r"([.!?…])((?:\s*\[\d{1,3}\])+)", r"\2\1", answer)


def _nearest_sentence(claim: str, passage: str, analyzer: Analyzer) -> str:
    words = set(analyzer.terms(claim))
    best, quote = 0.0, ""
    for start, end in sentence_spans(passage):
        sentence = passage[start:end]
        if claim and plain(sentence) == claim:
            return without_list_mark(sentence)
        found = set(analyzer.terms(sentence))
        share = len(words & found) / max(1, len(words))
        if share > best:
            best, quote = share, without_list_mark(sentence)
    return quote
