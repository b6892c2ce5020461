"""What people decided about rows in review: accepted, rejected with a reason, or edited; kept for ever, by row id.

    write_decision(layout.decisions, Decision("5d41402abc4b2a76", "rejected", "the dose is not in the source"))
    read_decisions(layout.decisions)["5d41402abc4b2a76"].decision           # the last one on that row

The file only grows: one JSON line a decision. A line that a killed writer left torn is cut off by the next one.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal, get_args

from filelock import FileLock

from retrieval.errors import DataError, storage_errors
from training.example import Example, as_row, from_row, make_example

Verdict = Literal["accepted", "rejected", "edited"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
LOCK_PATIENCE = 10.0  # seconds: writing one line takes milliseconds


@dataclass(frozen=True, slots=True)
class Decision:
    """`example` is the row as edited, for `edited` alone; `time` is ISO 8601 in UTC, filled in when written."""

    id: str
    decision: Verdict
    reason: str = ""
    example: Example | None = None
    time: str = ""

    def __post_init__(self) -> None:
        if self.decision not in VERDICTS:
            raise ValueError(f"decision {self.decision!r} is none of {', '.join(VERDICTS)}")
        if not self.id or (self.decision == "edited") != (self.example is not None):
            raise ValueError("a decision needs an id, and an edited row exactly when it says edited")


@dataclass(frozen=True, slots=True)
class Reviewed:
    """Rows after review: those left, with the row each edited one came from, and those turned down with the reason."""

    kept: list[Example]
    rejected: list[tuple[Example, str]]
    edited: dict[str, str]
    """Id of an edited row -> id of the row it replaces."""
    met: frozenset[str]
    """Ids of the decisions that found their row; the others are on rows that are no longer made."""


def edit_example(old: Example, question: str, answer: str, reasoning: str = "") -> Example:
    """`old` as a person corrected it: same sections, history and facts, another id, and `old` as its parent."""
    kept = {name: value for name, value in as_row(old).items() if name not in ("id", "question", "answer")}
    parents = tuple(dict.fromkeys((*old.parents, old.id)))
    changes = {"reasoning": reasoning, "origin": "review", "parents": parents}
    return make_example(question.strip(), answer.strip(), **{**kept, **changes})


def write_decision(path: Path, decision: Decision) -> Decision:
    """Append one decision; it is on disk when this returns. Returns it with its time."""
    stamped = replace(decision, time=decision.time or datetime.now(UTC).isoformat(timespec="seconds"))
    row: dict[str, Any] = {"id": stamped.id, "decision": stamped.decision, "reason": stamped.reason}
    row |= {"example": as_row(stamped.example) if stamped.example else None, "time": stamped.time}
    with storage_errors(f"write the decision to {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=LOCK_PATIENCE), path.open("a+b") as file:
            _cut_torn_line(file)
            file.write((json.dumps(row, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass"))
            file.flush()
            os.fsync(file.fileno())
    return stamped


def _cut_torn_line(file: BinaryIO) -> None:
    """Leave only whole lines: each is written with its line end in one go, so what follows the last end is torn."""
    size = file.seek(0, os.SEEK_END)
    if not size:
        return
    file.seek(size - 1)
    if file.read(1) == b"\n":
        return
    file.seek(0)
    file.truncate(file.read().rfind(b"\n") + 1)
    file.seek(0, os.SEEK_END)


def read_decisions(path: Path) -> dict[str, Decision]:
    """The last decision on each row; empty where there is no file. Raises `DataError` for a line that is none."""
    if not path.is_file():
        return {}
    return {decision.id: decision for decision in _read_lines(path)}


def _read_lines(path: Path) -> Iterator[Decision]:
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines[:-1], 1):  # the last piece is empty, or torn
        try:
            row = json.loads(line)
            example = from_row(row["example"]) if row.get("example") else None
            yield Decision(row["id"], row["decision"], row.get("reason", ""), example, row.get("time", ""))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{path}, line {number} is no decision ({error}).", "Correct or remove the line."
            ) from error


def apply_decisions(examples: Iterable[Example], decisions: Mapping[str, Decision]) -> Reviewed:
    """Leave out rejected rows and put edited ones in their place; a decision on an edited row counts as well."""
    kept: list[Example] = []
    rejected: list[tuple[Example, str]] = []
    edited: dict[str, str] = {}
    met: set[str] = set()
    for original in examples:
        row, trail = original, {original.id}
        while (decision := decisions.get(row.id)) and decision.decision == "edited" and decision.example:
            met.add(row.id)
            row = _edited(row, decision.example)
            if row.id in trail:
                break
            trail.add(row.id)
        met.update(trail & set(decisions))
        if decision and decision.decision == "rejected":
            rejected.append((row, decision.reason or "rejected in review"))
            continue
        if row.id != original.id:
            edited[row.id] = original.id
        kept.append(row)
    return Reviewed(kept, rejected, edited, frozenset(met))


def _edited(old: Example, new: Example) -> Example:
    """The edited row with what ties it to its source, whatever the editor sent: sections, weight and its parent."""
    made = make_example(new.question, new.answer, reasoning=new.reasoning, history=new.history, system=new.system)
    if made.id == old.id:
        return old
    parents = tuple(dict.fromkeys((*old.parents, *new.parents, old.id)))
    sections = old.sections or new.sections
    return replace(new, id=made.id, sections=sections, parents=parents, weight=old.weight, origin="review")
