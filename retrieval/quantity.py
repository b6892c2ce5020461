"""Questions that ask how much, and sentences that say how much.

>>> asks_quantity("¿cuántas calorías tiene?"), asks_quantity("what is it used for?")
(True, False)
>>> gives_quantity("Crece hasta dos metros."), gives_quantity("Crece despacio.")
(True, False)
"""

import re

from retrieval.text import fold_accents

_ASKS = re.compile(
    r"(?<!\ben )(?<!\bunas )(?<!\bunos )\bcuant[oa]s?\b(?! (antes|mas|menos)\b)"
    r"|\ba como (el|la|los|las|esta|estan|sale|salen|dan|venden)\b"
    r"|\b(que|cual es (el|la)) (cantidad|precios?|temperatura|dosis|porcentaje|horario|edad)\b|\bprecio (de|del)\b(?<!al precio de)"
    r"|\b(cuesta|cuestan)\b"
    r"|\b(how (much|many|long|old|often|far)|what (is the )?(price|dose|dosage|temperature|percentage|amount)|price of|cost of)\b"
)
# Words of the question alone: "how long" is answered by "forty minutes", not by something long.
_ASKING = re.compile(r"\bhow (much|many|long|old|often|far)\b")
# "un" and "one" are articles and pronouns far more often than counts.
_GIVES = re.compile(
    r"\d|\b(dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|once|doce|trece|catorce|quince|dieci\w+|veint\w+|treinta|cuarenta"
    r"|cincuenta|sesenta|setenta|ochenta|noventa|cien|(dos|tres|cuatro|seis|sete|ocho|nove)?cient[oa]s?|quinient[oa]s|mil|miles"
    r"|millon(es)?|docenas?|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|(twen|thir|for|fif|six|seven|eigh|nine)ty"
    r"|hundreds?|thousands?|millions?|dozens?)\b"
)


def asks_quantity(question: str) -> bool:
    """Whether a Spanish or English question asks for a number: a price, a dose, a count."""
    return bool(_ASKS.search(fold_accents(question.lower())))


def gives_quantity(sentence: str) -> bool:
    return bool(_GIVES.search(fold_accents(sentence.lower())))


def asking_words(question: str) -> str:
    """Those words of a question for a number that no answer repeats.

    >>> asking_words("How long do I bake the bread?")
    'how long'
    """
    return " ".join(match.group() for match in _ASKING.finditer(fold_accents(question.lower())))
