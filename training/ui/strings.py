"""Everything that the pages of this floor say, in one table: a row of the same keys for each language; unknown languages
read English.

say = words("es"); say["page_data_set"]
"""

from assistant.ui.strings import FALLBACK, Words
from training.ui.strings_en import ENGLISH
from training.ui.strings_es import SPANISH

__all__ = ["STRINGS", "Words", "words"]

STRINGS: dict[str, dict[str, str]] = {
    "es": SPANISH,
    "en": ENGLISH,
}


def words(language: str | None) -> Words:
    """The table's row for a language code such as es or es-MX."""
    code = (language or FALLBACK).replace("_", "-").split("-")[0].lower()
    return STRINGS.get(code, STRINGS[FALLBACK])
