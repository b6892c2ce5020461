"""Small, language-neutral operations on text that several modules share."""

import re
import unicodedata

# Characters that change how text looks or reads without being seen: bidi controls, zero-width, tags, soft hyphen.
_INVISIBLE = re.compile("[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_NOT_WORD = re.compile(r"[^\w]+", re.UNICODE)


def fold_accents(text: str, keep: str = "") -> str:
    """Drop combining accents: `raíz` -> `raiz`. Letters listed in `keep` (such as ñ) stay whole.

    >>> fold_accents("niño raíz", keep="ñ")
    'niño raiz'
    """
    if text.isascii():
        return text
    folded = []
    for letter in unicodedata.normalize("NFC", text):
        if letter in keep or ord(letter) < 128:
            folded.append(letter)
        else:
            decomposed = unicodedata.normalize("NFD", letter)
            folded.append("".join(part for part in decomposed if not unicodedata.combining(part)))
    return "".join(folded)


def slugify(text: str) -> str:
    """A heading as a stable id part: lower case, accents folded, words joined by hyphens; other scripts are kept.

    >>> slugify("Botánica y ecología")
    'botanica-y-ecologia'
    """
    return _NOT_WORD.sub("-", fold_accents(text.lower())).replace("_", "-").strip("-")


def strip_invisible(text: str) -> str:
    """Remove characters that a reader cannot see but a model or a terminal obeys."""
    return _CONTROL.sub("", _INVISIBLE.sub("", text))
