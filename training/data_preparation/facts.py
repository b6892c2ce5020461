"""What a section says, taken apart: its sentences word for word, and the names, numbers and clauses that stand in them.

    [sentence.text for sentence in read_sentences("Se usa en *quemaduras*. Véase [nopal](nopal.md).")]
    # ['Se usa en quemaduras.', 'Véase nopal.']

An answer is made of such sentences alone, so each of them stands verbatim (after `assistant.citations.plain`) in its section.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from assistant.citations import plain
from retrieval.lexical import stop_words
from retrieval.sentences import sentence_spans
from retrieval.text import fold_accents

MOST_WORDS = 90  # a longer "sentence" is a table or list that lost its line breaks; nobody wants it in an answer
LEAST_WORDS = 3
LEAST_UNENDED = 8  # words from which a line without a full stop is a statement and no caption
QUOTE_WORDS = 15  # a quoted clause: enough to know the sentence by, too short to repeat the answer
LEAST_QUOTE = 5

Kind = Literal["prose", "item", "row"]

_FENCE = re.compile(r"^[ \t]*(```|~~~)")
_ITEM = re.compile(r"^[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t]+\S")
_ROW = re.compile(r"^[ \t]*\|")
_RULE = re.compile(r"^[ \t|:-]*-[ \t|:-]*$")
_SKIPPED = re.compile(
    r"^[ \t]*(?:#{1,6}[ \t]|<|!\[[^\]]*\]\([^)]*\)[ \t]*$|\[[^\]]+\]:[ \t]|(?:[-*_][ \t]*){3,}$|:::|\$\$)"
)
_ENDED = re.compile(r"[.!?…:;][)\]»”\"'’*_]*$")
_LINK = re.compile(r"(?<!!)\[([^\[\]\n]{3,60})\]\([^()\s]*\.md[^()]*\)")
_ITALIC = re.compile(r"(?<!var\. )(?<!subsp\. )(?<!ssp\. )(?<![\w*])\*([^*\n]{3,40})\*(?![\w*])")
_LATIN = re.compile(r"[A-Z][a-z]*\.?(?: [a-z×-]+){0,3}\.?")
_CUT = re.compile(r"[,;:)](?=\s)")
# No digits inside names such as 3-hidroxi or omega-3: they are no figures.
_NUMBER = re.compile(r"\bsiglos? [XVI]+\b|(?<![\w-])\d+(?:[.,]\d+)*(?:\s?%|(?![\w-]))")
_NAME = re.compile(
    r"(?<=[a-záéíóúüñ,;] )[A-ZÁÉÍÓÚÑ][\wáéíóúüñ'’-]{2,}(?: (?:de |del |de la )?[A-ZÁÉÍÓÚÑ][\wáéíóúüñ'’-]+){0,3}"
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """`text` is what a reader sees; `raw` is the Markdown it comes from; `place` its position in the section."""

    text: str
    raw: str
    kind: Kind
    place: int
    block: int  # sentences of one paragraph share it


@lru_cache(maxsize=256)
def read_sentences(text: str) -> tuple[Sentence, ...]:
    """Sentences, list items and table rows in order; code, images, headings, HTML and captions are left out."""
    found: list[Sentence] = []
    for block, kind, raw in _statements(text):
        shown = plain(raw).strip()
        words = len(shown.split())
        if words > MOST_WORDS or (kind == "prose" and (words < LEAST_WORDS or not _is_statement(shown, words))):
            continue
        if shown:
            found.append(Sentence(shown, raw, kind, len(found), block))
    return tuple(found)


def clause(text: str, most: int = QUOTE_WORDS) -> str:
    """The start of a sentence, cut where a reader would pause; an ellipsis says that it goes on.

    >>> clause("Es amarga, crece en el norte y se toma en té cuando hace frío.", most=8)
    'Es amarga, crece en el norte…'
    """
    flat = " ".join(text.split()).replace("«", "“").replace("»", "”").rstrip(" .;:")
    words = flat.split()
    if len(words) <= most:
        return flat
    start = " ".join(words[:most])
    cuts = [match.start() + (match.group() == ")") for match in _CUT.finditer(start)]
    cuts = [cut for cut in cuts if len(start[:cut].split()) >= LEAST_QUOTE]
    kept = start[: cuts[-1]] if cuts else _without_loose_end(start)
    return f"{kept.rstrip(' ,;:.')}…"


def links(sentence: Sentence) -> list[str]:
    """Words that lead to another document."""
    return list(dict.fromkeys(" ".join(match.split()) for match in _LINK.findall(sentence.raw)))


def terms(sentence: Sentence) -> list[str]:
    """Words set in italics that are no Latin names: a language's own word for something."""
    found = (match.strip() for match in _ITALIC.findall(sentence.raw))
    return list(dict.fromkeys(term for term in found if not _LATIN.fullmatch(term)))


def numbers(sentences: Iterable[Sentence]) -> list[str]:
    """Figures and centuries as they are written."""
    return list(dict.fromkeys(match.rstrip(".,") for s in sentences for match in _NUMBER.findall(s.text)))


def names(sentences: Iterable[Sentence]) -> list[str]:
    """Proper names inside sentences: people, places, peoples, genera."""
    return list(dict.fromkeys(match for s in sentences if s.kind == "prose" for match in _NAME.findall(s.text)))


def folded(text: str) -> str:
    """Lower case without accents, as patterns are matched; as long as the text in nearly every language.

    >>> folded("Níña")
    'niña'
    """
    return fold_accents(text.lower(), keep="ñ")


def says(text: str, value: str) -> bool:
    """Whether folded text holds the value as whole words."""
    wanted = folded(value)
    start = text.find(wanted)
    while start >= 0:
        end = start + len(wanted)
        if not (text[start - 1 : start].isalnum() or text[end : end + 1].isalnum()):
            return True
        start = text.find(wanted, start + 1)
    return False


def depends(sentence: Sentence, language: str) -> bool:
    """Whether the sentence leans on the one before it (`También...`, `Esta...`) and reads badly alone."""
    opening = _LEANING.get(language)
    return bool(opening and opening.match(sentence.text)) or sentence.text[:1].islower()


_LEANING = {
    "es": re.compile(
        r"(?:También|Además|Tampoco|Est[eao]s?|Es[eao]s?|Aquell?[oa]s?|Ell[oa]s?|Él|Ambos|Ambas|Sin embargo|En cambio|Por eso|Por ello|"
        r"Así|Luego|Después|Entonces|Otr[oa]s?|Un[oa] de|Es|Son|Su|Sus|Hay|Se|Lo|La misma|El mismo|Al mismo|Pero|Aun así|"
        r"De ahí|En ell[oa]s?|Allí|Con ell[oa]s?|Dentro|Todas?|Todos?|Ningun[oa]|Puede|Pueden|Suele|Suelen|No|Nunca)\b"
    ),
    "en": re.compile(
        r"(?:This|That|These|Those|It|They|He|She|His|Her|Its|Their|Also|However|Therefore|Thus|Then|But|And|Or|Such|"
        r"Another|Other|Both|Instead|Moreover|In addition|For example|Here|There|So|Because of this)\b"
    ),
}


def _is_statement(text: str, words: int) -> bool:
    return bool(_ENDED.search(text)) or words >= LEAST_UNENDED


def _without_loose_end(text: str) -> str:
    words = text.split()
    stops = stop_words("es") | stop_words("en")
    while len(words) > LEAST_QUOTE and folded(words[-1].strip(",;:()")) in stops:
        words.pop()
    return " ".join(words)


def _statements(text: str) -> Iterator[tuple[int, Kind, str]]:
    """(block, kind, Markdown) of each sentence, item and table row."""
    for number, (kind, block) in enumerate(_blocks(text)):
        if kind == "prose":
            yield from ((number, "prose", block[start:end]) for start, end in sentence_spans(block))
        else:
            yield number, kind, block


def _blocks(text: str) -> Iterator[tuple[Kind, str]]:
    """Paragraphs, items and rows. One scan over the lines: a full parse of every section would take most of the stage's time."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    held: list[str] = []
    kind: Kind = "prose"
    fenced = False

    def flush() -> Iterator[tuple[Kind, str]]:
        if held:
            yield kind, " ".join(line.strip() for line in held)
            held.clear()

    for number, line in enumerate(lines):
        if _FENCE.match(line):
            fenced = not fenced
            yield from flush()
        elif fenced:
            continue
        elif not line.strip() or _SKIPPED.match(line):
            yield from flush()
        elif _ROW.match(line):
            yield from flush()
            below = lines[number + 1] if number + 1 < len(lines) else ""
            if not _RULE.match(line) and not (_ROW.match(below) and _RULE.match(below)):
                yield "row", line
        else:
            if _ITEM.match(line):
                yield from flush()
                kind = "item"
            elif not held:
                kind = "prose"
            held.append(line.lstrip("> \t") if kind == "prose" else line)
    yield from flush()
