"""Whether a worked answer ends in the right number.

same_number("... so #### 1,200", "#### 1200")         # True

The number after the last `####` counts, else the one in the last `\\boxed{}`, else the last one in the text.
"""

import re
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Final

MARK: Final = "####"
CLOSE: Final = Fraction(1, 1_000_000)  # relative: decimals that were rounded in the last place are the same number
LONGEST: Final = 60  # signs of a number that is read: a longer run is no answer

_NUMBER: Final = re.compile(r"[-+−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:\s*/\s*\d+(?:\.\d+)?)?|[-+−]?\.\d+")
_BOXED: Final = re.compile(r"\\boxed\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}")
_FRACTION: Final = re.compile(r"\\[dt]?frac\{([^{}]+)\}\{([^{}]+)\}")


def final_number(text: str) -> Fraction | None:
    """The number that an answer comes to; None where it holds none."""
    boxed = _BOXED.findall(text)
    if MARK in text:
        return _first(text.rpartition(MARK)[2])
    if boxed:
        return _first(_FRACTION.sub(r"\1/\2", boxed[-1]))
    found = _NUMBER.findall(text)
    return _read(found[-1]) if found else None


def has_number(text: str) -> bool:
    """Whether an expected answer is one whose number is compared."""
    return MARK in text and final_number(text) is not None


def same_number(answer: str, expected: str) -> bool:
    one, other = final_number(answer), final_number(expected)
    return one is not None and other is not None and abs(one - other) <= CLOSE * max(abs(one), abs(other))


def _first(text: str) -> Fraction | None:
    found = _NUMBER.search(text)
    return _read(found[0]) if found else None


def _read(text: str) -> Fraction | None:
    if len(text) > LONGEST:
        return None
    above, _, below = text.replace(",", "").replace("−", "-").replace(" ", "").partition("/")
    try:
        return Fraction(Decimal(above)) / Fraction(Decimal(below or "1"))
    except (InvalidOperation, ZeroDivisionError):
        return None
