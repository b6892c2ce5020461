"""Which passages each exported row shows, kept beside the rows: the next export shows the same ones where they still stand.

    write_choices(folder, choices); read_choices(folder)["5d41402abc4b2a76"].sources

Two files: `choices.jsonl`, a line a row, and `passages.jsonl`, each passage once as it was shown.
"""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from assistant.messages import Source
from retrieval.errors import DataError
from training.data_preparation.row_passages import Choice, number_sources
from training.example import read_rows, write_rows

CHOICES, PASSAGES = "choices.jsonl", "passages.jsonl"


def write_choices(folder: Path, choices: Iterable[Choice]) -> None:
    """Write both files, passages first: a choice never names one that is not there."""
    kept = list(choices)
    passages = {source.passage_id: source for choice in kept for source in choice.sources}
    write_rows(folder / PASSAGES, (_passage_row(passages[identity]) for identity in sorted(passages)))
    write_rows(folder / CHOICES, (_choice_row(choice) for choice in kept))


def read_choices(folder: Path) -> dict[str, Choice]:
    """Choices by row id; none where nothing was exported, or where the files do not fit together (rows are then made anew)."""
    try:
        passages = {row["passage_id"]: _source(row) for _, row in read_rows(folder / PASSAGES)}
        return {row["id"]: _choice(row, passages) for _, row in read_rows(folder / CHOICES)}
    except (DataError, KeyError, TypeError):
        return {}


def _passage_row(source: Source) -> dict[str, Any]:
    row = asdict(source)
    return {name: value for name, value in row.items() if name not in ("n", "score")}


def _source(row: dict[str, Any]) -> Source:
    return Source(**{**row, "n": 0, "heading_path": tuple(row["heading_path"])})


def _choice_row(choice: Choice) -> dict[str, Any]:
    shown = [source.passage_id for source in choice.sources]
    return {"id": choice.id, "key": choice.key, "kind": choice.kind, "passages": shown, "gold": list(choice.gold)}


def _choice(row: dict[str, Any], passages: dict[str, Source]) -> Choice:
    shown = number_sources([passages[identity] for identity in row["passages"]])
    return Choice(row["id"], row["key"], row["kind"], shown, tuple(row["gold"]))
