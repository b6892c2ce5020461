"""TREC run and qrels files, in and out, so that other tools can judge our rankings and we can judge theirs.

    write_run(Path("hybrid.run"), "hybrid", rows)      # query Q0 unit rank score name
    read_run(Path("other.run"))["q001"]                 # units, best first

Ids with white space are percent-encoded: a run's columns are separated by it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, unquote

from retrieval.errors import UsageError
from retrieval.evaluate import Query, Row
from retrieval.files import write_atomically

_SAFE = "/#:@!$&'()*+,;=~?[]|^`{}<>\"\\"


def write_run(path: Path, name: str, rows: Sequence[Row]) -> None:
    """One line a unit; the score is the reciprocal of the rank, which orders as the ranking does."""
    lines = [
        f"{_encoded(row.query)} Q0 {_encoded(unit)} {rank} {1 / rank:.6f} {_encoded(name)}\n"
        for row in rows
        for rank, unit in enumerate(row.ranking, 1)
    ]
    write_atomically(path, "".join(lines).encode())


def write_qrels(path: Path, queries: Sequence[Query]) -> None:
    lines = [
        f"{_encoded(query.id)} 0 {_encoded(unit)} {grade}\n"
        for query in queries
        for unit, grade in query.relevant.items()
    ]
    write_atomically(path, "".join(lines).encode())


def read_run(path: Path) -> dict[str, list[str]]:
    """Query id -> units by falling score (then by name, as trec_eval breaks ties). Raises `UsageError` with the line."""
    scored: dict[str, dict[str, float]] = {}
    for number, parts in _lines(path, 6, "query Q0 unit rank score name"):
        try:
            scored.setdefault(unquote(parts[0]), {})[unquote(parts[2])] = float(parts[4])
        except ValueError as error:
            raise UsageError(f"{path}, line {number}: {parts[4]!r} is no score.") from error
    return {query: _ordered(units) for query, units in scored.items()}


def read_qrels(path: Path) -> dict[str, dict[str, int]]:
    """Query id -> unit -> grade. Raises `UsageError` with the line."""
    found: dict[str, dict[str, int]] = {}
    for number, parts in _lines(path, 4, "query 0 unit grade"):
        try:
            found.setdefault(unquote(parts[0]), {})[unquote(parts[2])] = int(parts[3])
        except ValueError as error:
            raise UsageError(f"{path}, line {number}: {parts[3]!r} is no grade.") from error
    return found


def judged(queries: Sequence[Query], qrels: Mapping[str, Mapping[str, int]]) -> list[Query]:
    """The queries that a qrels file judges, with its judgements. Raises `UsageError` where it judges none of them."""
    found = [
        Query(query.id, query.text, qrels[query.id], query.kind, query.type) for query in queries if query.id in qrels
    ]
    if not found:
        raise UsageError(
            "The qrels file judges none of these questions.", "Compare its first column with the questions' ids."
        )
    return found


def _lines(path: Path, columns: int, shape: str) -> list[tuple[int, list[str]]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read ({error}).") from error
    found = [(number, line.split()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    for number, parts in found:
        if len(parts) != columns:
            raise UsageError(f"{path}, line {number}: expected {shape}.")
    return found


def _ordered(units: Mapping[str, float]) -> list[str]:
    """By falling score; equal scores by name backwards, as trec_eval does."""
    backwards = sorted(units, reverse=True)
    return sorted(backwards, key=lambda unit: -units[unit])


def _encoded(name: str) -> str:
    return quote(name, safe=_SAFE) or "-"
