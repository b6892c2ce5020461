"""Sentence boundaries as exact spans, for Spanish and English prose and for Markdown lists.

[text[start:end] for start, end in sentence_spans("Es amarga. ¿Y tóxica? Sí.")]
# ['Es amarga.', '¿Y tóxica?', 'Sí.']
"""

import re

# A full stop after one of these ends no sentence. Single letters are initials or a botanist's abbreviation (Aloe vera L.).
_ABBREVIATIONS = frozenset(
    [
        "dr",
        "dra",
        "sr",
        "sra",
        "srta",
        "prof",
        "ing",
        "lic",
        "etc",
        "ej",
        "fig",
        "figs",
        "cf",
        "vs",
        "aprox",
        "núm",
        "no",
        "vol",
        "pág",
        "págs",
        "p",
        "pp",
        "cap",
        "spp",
        "sp",
        "ssp",
        "subsp",
        "var",
        "syn",
        "ca",
        "mr",
        "mrs",
        "ms",
        "st",
        "inc",
        "ltd",
        "jr",
        "approx",
        "eg",
        "ie",
        "e.g",
        "i.e",
        "al",
        "ed",
        "eds",
    ]
)
_END = re.compile(r"(?<![.!?…])[.!?…]+[)\]»”\"'*_]*(?=\s|\Z)")
_LAST_WORD = re.compile(r"([\w.]+)\.+$")
_OPENS = re.compile(r"\s+[\[(«“\"'*_¿¡]*[\dA-ZÁÉÍÓÚÜÑ¿¡\[(«“\"'*_]")
_LIST_MARK = re.compile(r"^[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t]+", re.MULTILINE)
# Words in -an, -en and -in that follow an article and are no verbs ("La imagen", but "La extraen").
_NO_VERBS = "bien|cien|crin|gran|imagen|joven|margen|orden|san|sarten|sien|sin|suborden|tan|virgen"
# A sentence that begins so points back to the one before it, and reads badly without it.
_LEANS = {
    "es": re.compile(
        r"(también|tampoco|además|asimismo|después|luego|entonces|en cambio|sin embargo|no obstante|pero|por (eso|ello|estos?)|"
        r"por lo tanto|por otra parte|en ambos casos|a[uú]n así|así|se acompañan?|se completan?|"
        r"(es|son|fue|era) (el|la|los|las|un[oa]?)|estos?|es(e|[ao]s?)|ell[oa]s?|aquel(l[oa]s?)?|amb[oa]s|"
        r"(los|las) (dos|demás|otr[oa]s)|(en )?otr[oa]s?|ést[eao]s?|con (el|la|los|las) mism[oa]s?|con (este|esta|ese|esa)|"
        r"(en|de|para|con|por) ell[oa]s?|ahí|allí|la gente la \w+|"
        rf"(lo|la|los|las|le|les) (?!({_NO_VERBS})\b)\w+[aei]n)\b",
        re.IGNORECASE,
    ),
    "en": re.compile(
        r"(also|too|however|but|then|therefore|thus|hence|moreover|furthermore|besides|instead|otherwise|likewise|still|yet|so|"
        r"it|its|they|them|their|these|those|this|that|both|such|he|she|the (other|same|former|latter))\b",
        re.IGNORECASE,
    ),
}  # fmt: skip
_BREAK = re.compile(r"\n[ \t]*\n|\n(?=[ \t]*(?:[-*+•|>]|\d{1,3}[.)])\s)|\r(?!\n)")


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Spans of the sentences of `text`, in order, without surrounding white space; list items end sentences too."""
    spans = []
    start = 0
    for end in [*_boundaries(text), len(text)]:
        piece = text[start:end]
        stripped = piece.strip()
        if stripped:
            offset = start + piece.index(stripped)
            spans.append((offset, offset + len(stripped)))
        start = end
    return spans


def without_list_mark(text: str) -> str:
    """A list item's text without its bullet or number."""
    return _LIST_MARK.sub("", text, count=1)


def leans_on_the_last(sentence: str, language: str) -> bool:
    """Whether a sentence begins with a word that only the sentence before it explains ("También", "However")."""
    pattern = _LEANS.get(language)
    return bool(pattern and pattern.match(sentence.lstrip("¡¿«\"'(")))


def _boundaries(text: str) -> list[int]:
    breaks = {match.start() for match in _BREAK.finditer(text)}
    for match in _END.finditer(text):
        if not _is_abbreviation(text, match.start(), match.group()) and _starts_sentence(text, match.end()):
            breaks.add(match.end())
    return sorted(breaks)


def _is_abbreviation(text: str, stop: int, mark: str) -> bool:
    if mark[0] != ".":
        return False
    word = _LAST_WORD.search(text[max(0, stop - 20) : stop + 1])
    if word is None:
        return False
    last = word.group(1)
    return last.lower() in _ABBREVIATIONS or (len(last) == 1 and last.isalpha() and last.isupper())


def _starts_sentence(text: str, position: int) -> bool:
    return position >= len(text) or _OPENS.match(text, position) is not None
