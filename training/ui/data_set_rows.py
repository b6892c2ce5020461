"""The rows of a data set as the page shows them: kept and left out, with their part and what people decided about them.

rows = read_rows(layout); choose_rows(rows, decisions, status="open", text="sabila")
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from retrieval.text import fold_accents
from training.data_preparation.row_checks import estimate_tokens
from training.data_preparation.sections import ParsedSection, read_sections
from training.decisions import Decision
from training.example import Example, from_row, read_examples
from training.example import read_rows as read_lines
from training.layout import SPLITS, BuildLayout, Stage

Status = Literal["open", "accepted", "rejected", "edited", "left_out"]
STATUSES: tuple[Status, ...] = ("open", "accepted", "rejected", "edited", "left_out")
BIN = 25  # tokens in one bar of the lengths

_DROPPING: tuple[Stage, ...] = ("combine", "filter", "split")


@dataclass(frozen=True, slots=True)
class Row:
    """`part` is train, validation or test; a row that is in none was left out, for the reason given."""

    example: Example
    part: str = ""
    left_out: str = ""

    @property
    def tokens(self) -> int:
        """An estimate, passages not counted."""
        taught = self.example
        texts = (taught.question, taught.reasoning, taught.answer, *(content for _, content in taught.history))
        return sum(map(estimate_tokens, texts))


def read_rows(layout: BuildLayout) -> tuple[Row, ...]:
    """The rows of the last build, kept ones first. Raises `DataError` for a damaged file."""
    rows: dict[str, Row] = {}
    for part in SPLITS:
        path = layout.split(part)
        for example in read_examples(path) if path.is_file() else ():
            rows.setdefault(example.id, Row(example, part))
    for stage in _DROPPING:
        path = layout.rejected(stage)
        for _, row in read_lines(path) if path.is_file() else ():
            dropped = _example_of(row)
            if dropped is not None:
                rows.setdefault(dropped.id, Row(dropped, "", str(row.get("reason", ""))))
    return tuple(rows.values())


def read_section_texts(layout: BuildLayout) -> dict[str, ParsedSection]:
    """Sections of the last build by id; empty for a pack without documents."""
    return {section.id: section for section in read_sections(layout.sections)} if layout.sections.is_file() else {}


def status_of(row: Row, decisions: Mapping[str, Decision]) -> Status:
    """What was decided about a row last, else whether it is in the data set."""
    decision = decisions.get(row.example.id)
    if decision is not None:
        return decision.decision
    if row.left_out:
        return "left_out"
    return "edited" if row.example.origin == "review" else "open"


def choose_rows(
    rows: Iterable[Row],
    decisions: Mapping[str, Decision],
    status: str = "",
    text: str = "",
    task: str = "",
    kind: str = "",
    origin: str = "",
) -> list[Row]:
    """Rows of a status, task, document type and origin (all where empty) that hold every word of `text`; accents do not count."""
    wanted = fold_accents(text.lower()).split()
    return [
        row
        for row in rows
        if (not task or row.example.task == task)
        and (not kind or row.example.type == kind)
        and (not origin or row.example.origin == origin)
        and (not status or status_of(row, decisions) == status)
        and all(word in _searchable(row.example) for word in wanted)
    ]


def count_by(rows: Iterable[Row], name: str) -> list[dict[str, Any]]:
    """Rows in the data set by part and one of an example's fields, in a chart's shape."""
    counts = Counter((row.part, str(getattr(row.example, name)) or "—") for row in rows if row.part)
    return [{"part": part, "name": value, "rows": count} for (part, value), count in sorted(counts.items())]


def count_by_section(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Rows by part and the heading of their first section (`usos` of `plantas/sabila#usos`)."""
    counts = Counter(
        (row.part, row.example.sections[0].partition("#")[2].split("/")[0] or "—")
        for row in rows
        if row.part and row.example.sections
    )
    return [{"part": part, "name": value, "rows": count} for (part, value), count in sorted(counts.items())]


def count_lengths(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Rows by part and estimated tokens."""
    counts = Counter((row.part, row.tokens // BIN * BIN) for row in rows if row.part)
    return [{"part": part, "tokens": start, "rows": count} for (part, start), count in sorted(counts.items())]


def fields_of(rows: Sequence[Row], name: str) -> list[str]:
    """The values that an example's field has."""
    return sorted({str(getattr(row.example, name)) for row in rows} - {""})


def _example_of(row: Mapping[str, Any]) -> Example | None:
    try:
        return from_row(row["example"])
    except (KeyError, ValueError, TypeError):
        return None


def _searchable(example: Example) -> str:
    return fold_accents(f"{example.id} {example.question} {example.answer} {' '.join(example.sections)}".lower())
