"""Patterns with placeholders, filled and chosen: which form a row takes hangs on what it is about, never on a counter.

    fill("¿Qué {es/son} {the_title}?", {"the_title": "los mixtecos"}, number=1)     # '¿Qué son los mixtecos?'

Choosing is rendezvous hashing (Thaler & Ravishankar 1998): each option is scored by hash(seed, option) and the highest
wins, so a new form takes over its share of rows and leaves all others as they were.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b, sha256
from typing import TypeVar

Option = TypeVar("Option")

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@lru_cache(maxsize=8192)
def parts(pattern: str) -> tuple[str, ...]:
    """Text and placeholders in turn: odd places hold placeholders' names."""
    return tuple(_PLACEHOLDER.split(pattern))


def placeholders(pattern: str) -> list[str]:
    """Names of a pattern's placeholders; alternatives such as `es/son` are left out."""
    return [name for name in parts(pattern)[1::2] if "/" not in name]


def fill(pattern: str, values: Mapping[str, str], number: int = 0, gender: int = 0) -> str | None:
    """The pattern with its values, or None where one is not at hand.

    `{es/son}` takes its singular or plural; with four alternatives: masculine, feminine, and the plurals of both.
    """
    pieces = list(parts(pattern))
    for place in range(1, len(pieces), 2):
        name = pieces[place]
        if "/" in name:
            pieces[place] = _alternative(name.split("/"), number, gender)
            continue
        value = values.get(name)
        if not value:
            return None
        pieces[place] = value
    return "".join(pieces)


def choose(options: Sequence[Option], seed: str, key: Callable[[Option], str] = str) -> Option:
    """The option that the seed prefers."""
    return max(options, key=lambda option: score(seed, key(option)))


def ranked(options: Sequence[Option], seed: str, key: Callable[[Option], str] = str) -> list[Option]:
    """All options, the seed's favourite first."""
    return sorted(options, key=lambda option: score(seed, key(option)), reverse=True)


def score(seed: str, option: str) -> bytes:
    return blake2b(f"{seed}\0{option}".encode("utf-8", "surrogatepass"), digest_size=8).digest()


def form_id(prefix: str, text: str) -> str:
    """A form's name in a row: where it stands, and a few digits of its hash."""
    return f"{prefix}/{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:6]}"


def capitalized(text: str) -> str:
    """A first letter in upper case, behind an opening mark too.

    >>> capitalized("¿qué es?")
    '¿Qué es?'
    """
    place = next((place for place, letter in enumerate(text) if letter.isalnum()), 0)
    return text[:place] + text[place : place + 1].upper() + text[place + 1 :]


def _alternative(choices: list[str], number: int, gender: int) -> str:
    if len(choices) == 2:
        return choices[number]
    return choices[min(2 * number + gender, len(choices) - 1)]
