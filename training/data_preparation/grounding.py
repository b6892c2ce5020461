"""Whether an answer stands in its sections: every number, every name, and most of its content words.

check_grounding("Se toman 2 g de Ruta graveolens.", "La ruda (Ruta graveolens) se toma en té.", Analyzer("es"))
# 'the number 2 is not in its sections'
"""

import re

from retrieval.lexical import Analyzer
from retrieval.sentences import sentence_spans
from retrieval.text import fold_accents

LEAST_SHARE = 0.6
"""Of an answer's content words that its sections hold. Templates quote and reach 0.95 and more; a fair paraphrase by a model
keeps about three quarters, an answer from memory about a third."""

_NUMBER = re.compile(r"\d+(?:[.,\u00a0\u202f]\d{3})*(?:[.,]\d+)?")
_NAME = re.compile(r"[^\W\d_][\w'’-]*")
_LATIN = re.compile(r"\b([A-Z][a-z]{2,}) ([a-z]{3,}(?:-[a-z]+)?)\b")
_ITALIC = re.compile(r"(?<![*_\w])[*_]([^*_\n]{3,80})[*_](?![*_\w])")
_OPENERS = ":«“\"'¿¡(*_-—–.>\n|#"  # a word after one of these has its capital letter from where it stands
_MARKS = re.compile(
    r"\[\d{1,3}\]|^[ \t]*\d{1,3}[.)][ \t]", re.MULTILINE
)  # citations and list numbers state no quantity


def check_grounding(answer: str, sections: str, analyzer: Analyzer, allowed: str = "") -> str:
    """The reason why `answer` is not grounded in the text of its `sections`, empty where it is.

    `allowed` is text that any answer may repeat: its question, the pack's disclaimer.
    """
    basis = f"{sections}\n{allowed}"
    known = numbers_in(basis)
    missing = [number for number in numbers_in(answer) if number not in known]
    if missing:
        return f"the number {missing[0]} is not in its sections"
    text = _folded(basis)
    for name in [*latin_names(answer), *proper_names(answer)]:
        if _folded(name) not in text:
            return f"the name {name} is not in its sections"
    share = content_share(answer, basis, analyzer)
    return "" if share >= LEAST_SHARE else f"only {share:.0%} of its content words are in its sections"


def numbers_in(text: str) -> dict[str, None]:
    """Numbers as the text writes them but for separators of thousands and the decimal sign, in order.

    >>> list(numbers_in("1,500 y 1.500 g, 0.5 o 0,50"))
    ['1500', '0.5']
    """
    return {_number(found.group()): None for found in _NUMBER.finditer(_MARKS.sub(" ", text))}


def _number(text: str) -> str:
    parts = re.split(r"[.,\u00a0\u202f]", text)
    if len(parts) > 1 and all(len(part) == 3 for part in parts[1:]) and parts[0] != "0":
        return "".join(parts)
    whole, fraction = ("".join(parts[:-1]), parts[-1]) if len(parts) > 1 else (parts[0], "")
    fraction = fraction.rstrip("0")
    return (whole.lstrip("0") or "0") + (f".{fraction}" if fraction else "")


def latin_names(text: str) -> list[str]:
    """Botanical names in italics, or two words that look like one in brackets: `*Ruta graveolens*`."""
    marked = " ".join([*_ITALIC.findall(text), *re.findall(r"\(([^()\n]{3,80})\)", text)])
    return [" ".join(found.groups()) for found in _LATIN.finditer(marked)]


def proper_names(text: str) -> list[str]:
    """Words with a capital letter elsewhere than at the start of a sentence, a line, a quotation or a list item."""
    names = []
    for start, end in sentence_spans(text):
        sentence = text[start:end]
        for number, found in enumerate(_NAME.finditer(sentence)):
            word, before = found.group(), sentence[: found.start()].rstrip(" ")
            if number and word[0].isupper() and len(word) > 2 and before and before[-1] not in _OPENERS:
                names.append(word)
    return names


def content_share(answer: str, sections: str, analyzer: Analyzer) -> float:
    """Share of the answer's stemmed content words that stand in the sections; 1 where it has none."""
    words = [term for term in analyzer.terms(answer) if not term.isdigit()]
    known = set(analyzer.terms(sections))
    return sum(word in known for word in words) / len(words) if words else 1.0


def _folded(text: str) -> str:
    return " ".join(fold_accents(text.lower()).split())
