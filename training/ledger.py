"""Everything that the stages of a data set left on disk, read once and joined by id: what `savia trace` looks things up in.

ledger = read_ledger(layout)
ledger.made["5d41402abc4b2a76"], ledger.drops.get("5d41402abc4b2a76"), ledger.parts.get("5d41402abc4b2a76")
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training.data_preparation.sections import ParsedSection, read_sections
from training.example import Example, read_examples, read_rows
from training.layout import SPLITS, BuildLayout, Stage

_DROPPING: tuple[Stage, ...] = ("combine", "filter", "split", "export")


@dataclass(frozen=True, slots=True)
class Drop:
    """Where and why a row was left out; `duplicate_of` is the row that was kept in its place."""

    stage: str
    reason: str
    duplicate_of: str = ""


@dataclass(frozen=True, slots=True)
class Ledger:
    """`made` are rows as their stage wrote them; `exported` holds the metadata of exported ones, `parts` their part."""

    sections: dict[str, ParsedSection] = field(default_factory=dict)
    made: dict[str, tuple[str, Example]] = field(default_factory=dict)
    drops: dict[str, Drop] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)
    exported: dict[str, dict[str, Any]] = field(default_factory=dict)

    def rows_of(self, sections: set[str]) -> list[str]:
        """Ids of rows that come from one of the sections, in the order in which they were made."""
        return [name for name, (_, example) in self.made.items() if not sections.isdisjoint(example.sections)]

    def showing(self, passages: set[str]) -> list[str]:
        """Ids of exported rows whose prompt shows one of the passages."""
        return [name for name, about in self.exported.items() if not passages.isdisjoint(about.get("passages", ()))]

    def children_of(self, identity: str) -> list[str]:
        return [name for name, (_, example) in self.made.items() if identity in example.parents]

    def state_of(self, identity: str) -> str:
        """The part a row ended in, or where it was left out."""
        if identity in self.parts:
            return self.parts[identity]
        drop = self.drops.get(identity)
        return f"left out by {drop.stage}" if drop else "not combined yet"


def read_ledger(layout: BuildLayout) -> Ledger:
    """Read what is there; stages that did not run leave nothing. Raises `DataError` for a damaged file."""
    ledger = Ledger()
    if layout.sections.is_file():
        ledger.sections.update((section.id, section) for section in read_sections(layout.sections))
    for stage, path in _row_files(layout):
        for example in read_examples(path):
            ledger.made.setdefault(example.id, (stage, example))
    for dropping in _DROPPING:
        path = layout.rejected(dropping)
        for row in _rows(path):
            if "id" in row:
                ledger.drops.setdefault(row["id"], Drop(dropping, row.get("reason", ""), row.get("duplicate_of", "")))
    for part in SPLITS:
        for row in _rows(layout.split(part)):
            ledger.parts[row["id"]] = part
        for row in _rows(layout.exported(part)):
            ledger.exported.setdefault(row["id"].partition("#")[0], row.get("metadata") or {})
    for name in ledger.parts:
        ledger.drops.pop(name, None)  # a row that was dropped from one source may have come from another
    return ledger


def _row_files(layout: BuildLayout) -> list[tuple[str, Path]]:
    found = [("generate", layout.examples("generate")), ("augment", layout.examples("augment"))]
    imports = sorted(layout.folder("import").glob("*.jsonl"))
    plain = [path for path in imports if not path.name.endswith((".rejected.jsonl", ".splits.jsonl"))]
    # Edited rows first stand in what combine wrote.
    found += [*(("import", path) for path in plain), ("review", layout.examples("combine"))]
    return [(stage, path) for stage, path in found if path.is_file()]


def _rows(path: Path) -> list[dict[str, Any]]:
    return [row for _, row in read_rows(path)] if path.is_file() else []
