"""Entities that an answer lists against those expected: precision, recall and F1, strict and by set.

count_entities("Aspirin; ulcer", "aspirin; stomach ulcer", "strict")     # Counts(right=0, found=2, wanted=2)

*Strict*: each as the text spells it, as often as it stands there. *Set*: without case, accents' composition, spacing and repeats.
Lists are read however they are written: one a line, with commas, semicolons or bullets, or as JSON; a relation is a pair.
"""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

How = Literal["strict", "set"]
HOWS: Final[tuple[How, ...]] = ("strict", "set")

_TASKS: Final = re.compile(r"chemical|disease|drug|entit|relation|\bner\b", re.IGNORECASE)
_NONE: Final = {"", "none", "no", "n/a", "ninguno", "ninguna", "nothing"}
_BULLET: Final = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+")
_ARROW: Final = re.compile(r"\s*(?:->|→|=>|\|)\s*")
_LIST: Final = re.compile(r"\s*[;\n]\s*")


@dataclass(frozen=True, slots=True)
class Counts:
    """How many entities an answer has right, how many it lists, and how many are wanted."""

    right: int = 0
    found: int = 0
    wanted: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.right + other.right, self.found + other.found, self.wanted + other.wanted)

    @property
    def precision(self) -> float:
        """1 where nothing is listed and nothing wanted."""
        return self.right / self.found if self.found else float(not self.wanted)

    @property
    def recall(self) -> float:
        return self.right / self.wanted if self.wanted else float(not self.found)

    @property
    def f1(self) -> float:
        total = self.found + self.wanted
        return 2 * self.right / total if total else 1.0


def is_entity_task(task: str) -> bool:
    """Whether rows of a task ask for a list of entities or relations."""
    return bool(_TASKS.search(task))


def read_entities(text: str) -> list[str]:
    """The entities of a list; a relation as `one -> other`."""
    found = _from_json(text)
    if found is None:
        # Commas part a list only where nothing else does: names hold commas themselves.
        parts = _LIST.split(text.strip())
        parts = parts if len(parts) > 1 or "->" in text else parts[0].split(",")
        found = [_BULLET.sub("", part) for part in parts]
    cleaned = (" -> ".join(_ARROW.split(_bare(entity))) for entity in found)
    return [entity for entity in cleaned if entity.casefold() not in _NONE]


def count_entities(answer: str, expected: str, how: How) -> Counts:
    """One answer's counts."""
    said, wanted = _tally(read_entities(answer), how), _tally(read_entities(expected), how)
    return Counts((said & wanted).total(), said.total(), wanted.total())


def total(counts: Iterable[Counts]) -> Counts:
    """All together, for figures over a task (micro-averaged)."""
    return sum(counts, Counts())


def _tally(entities: list[str], how: How) -> "Counter[str]":
    if how == "strict":
        return Counter(entities)
    return Counter({" ".join(unicodedata.normalize("NFKC", entity).casefold().split()): 1 for entity in entities})


def _bare(entity: str) -> str:
    text = entity.strip().strip("\"'`*").strip()
    return text[:-1].rstrip() if text.endswith((".", ",", ";")) else text


def _from_json(text: str) -> list[str] | None:
    """The strings of a JSON list, and its pairs as relations; None where the text is no such list."""
    stripped = text.strip()
    if not stripped.startswith(("[", "{")):
        return None
    try:
        value = json.loads(stripped)
    except (ValueError, RecursionError):
        return None
    items = value if isinstance(value, list) else [entry for part in value.values() for entry in _as_list(part)]
    return [" -> ".join(str(part) for part in _as_list(item)) for item in items]


def _as_list(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else [value]
