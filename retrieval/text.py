"""Small, language-neutral operations on text that several modules share."""

import re
import unicodedata
from functools import cache

# Characters that change how text looks or reads without being seen: bidi controls, zero-width, tags, soft hyphen.
_INVISIBLE = re.compile("[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_NOT_WORD = re.compile(r"[\W_]+")


class _Folding(dict[int, str]):
    """A translation table that learns each letter's base once; `keep` stays whole."""

    def __init__(self, keep: str) -> None:
        super().__init__((ord(letter), letter) for letter in keep)

    def __missing__(self, code: int) -> str:
        decomposed = unicodedata.normalize("NFD", chr(code))
        self[code] = folded = "".join(part for part in decomposed if not unicodedata.combining(part))
        return folded


@cache
def _folding(keep: str) -> _Folding:
    return _Folding(keep)


def fold_accents(text: str, keep: str = "") -> str:
    """Drop combining accents: `raíz` -> `raiz`. Letters listed in `keep` (such as ñ) stay whole.

    >>> fold_accents("niño raíz", keep="ñ")
    'niño raiz'
    """
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", text).translate(_folding(keep))


def slugify(text: str) -> str:
    """A heading as a stable id part: lower case, accents folded, words joined by hyphens; other scripts are kept.

    >>> slugify("Botánica y ecología")
    'botanica-y-ecologia'
    """
    return _NOT_WORD.sub("-", fold_accents(text.lower())).strip("-")


def strip_invisible(text: str) -> str:
    """Remove characters that a reader cannot see but a model or a terminal obeys."""
    return _CONTROL.sub("", _INVISIBLE.sub("", text))
