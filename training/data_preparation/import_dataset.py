"""Ready-made rows brought in: each becomes an example, or is reported by its line with the reason.

savia dataset import medquad.jsonl.gz --domain medimind --name medquad
savia dataset import Posts.xml --domain experimentation --name cross-validated --tag hypothesis-testing --min-score 3
savia dataset import rows.json --map question=ask --map answer=reply
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer

from retrieval.console import DomainOption, JsonOption, output, print_json, print_reasons, run_command
from retrieval.domain import check_name
from retrieval.errors import DataError, UsageError
from retrieval.settings import read_settings
from retrieval.text import slugify
from training.data_preparation.formats import SHAPES, Shape, convert, recognise, rename
from training.data_preparation.raw_rows import RawRow, read_raw_rows
from training.data_preparation.recipe_part import OutputOption
from training.data_preparation.stack_exchange import read_posts
from training.example import Example, write_examples, write_rows
from training.layout import BuildLayout

SAMPLE = 100  # rows looked at to recognise a file's shape
TEXT_COLUMNS = ("text_id", "pmid")  # name the text that several rows ask about: such rows stay in one part of the split
MAPPED = ("question", "answer", "reasoning", "system", "task", "type", "source", "safety_level", "language", "split")
_SPLIT_NAMES = {"train": "train", "training": "train", "validation": "validation", "valid": "validation", "val": "validation",
                "dev": "validation", "test": "test", "testing": "test"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that was turned down: its line, or its place from 1."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of a source. `splits` holds the part (train, validation, test) that a row was in, by row id."""

    shape: str
    examples: list[Example]
    rejected: list[Rejected]
    splits: dict[str, str]

    def reasons(self) -> dict[str, int]:
        """How many rows were turned down for each reason, the most frequent first."""
        return dict(Counter(row.reason for row in self.rejected).most_common())


def import_rows(
    rows: Iterable[RawRow],
    name: str,
    columns: Mapping[str, str] | None = None,
    shape: Shape | None = None,
    task: str = "",
    group: str = "",
) -> Imported:
    """Convert `rows`, all of one shape: the given one, else that of the first row that has one.

    `columns` maps our fields to the source's; rows with the same value of the column `group` stay in one part of the split.
    Raises `DataError` when no row among the first hundred has a known shape.
    """
    iterator = iter(rows)
    head = [row for _, row in zip(range(SAMPLE), iterator, strict=False)]
    chosen: Shape = shape or ("question" if columns else _recognise_any(head))
    examples: list[Example] = []
    rejected: list[Rejected] = []
    splits: dict[str, str] = {}
    for row in chain(head, iterator):
        try:
            if row.fault:
                raise ValueError(row.fault)
            value = rename(row.value, columns) if columns else row.value
            example = _grouped(convert(value, chosen, f"import:{name}", task), value, group)
        except ValueError as error:
            rejected.append(Rejected(row.number, str(error)))
            continue
        examples.append(example)
        part = _SPLIT_NAMES.get(str(value.get("split", "")).lower())
        if part:
            splits[example.id] = part
    return Imported(chosen, examples, rejected, splits)


def _recognise_any(rows: list[RawRow]) -> Shape:
    for row in rows:
        if not row.fault and (shape := recognise(row.value)):
            return shape
    if not rows:
        raise DataError("The source holds no rows.", "Give another one.")
    fault = next((f"line {row.number}: {row.fault}" for row in rows if row.fault), "")
    names = next((", ".join(list(row.value)[:12]) for row in rows if not row.fault), "")
    raise DataError(
        f"No row has a known shape ({fault or f'the columns are: {names}'}).",
        "Say which columns to use: --map question=COLUMN --map answer=COLUMN",
    )


def _grouped(example: Example, row: Mapping[str, Any], group: str) -> Example:
    if not group:
        group = next((column for column in TEXT_COLUMNS if row.get(column)), "")
        if not group:
            return example
    value = row.get(group)
    if not isinstance(value, str | int) or value == "":
        raise ValueError(f"{group} (--group) is missing")
    return replace(example, parents=(*example.parents, f"{group}:{value}"))


def write_import(
    layout: BuildLayout, name: str, imported: Imported, target: Path | None = None, keep: bool = False
) -> Path:
    """Write accepted and rejected rows, and with `keep` the parts that rows were in; returns the path of the rows.

    Raises `DataError` when nothing was accepted; an older import of that name is then left as it was.
    """
    path = target or layout.imported(name)
    rejected = path.with_name(f"{path.stem}.rejected.jsonl")
    faults = ({"line": row.line, "reason": row.reason} for row in imported.rejected)
    if not imported.examples:
        reasons = "; ".join(f"{count} times: {reason}" for reason, count in list(imported.reasons().items())[:3])
        if not path.exists():
            write_rows(rejected, faults)
        raise DataError(
            f"None of the {len(imported.rejected)} rows can be used ({reasons}).",
            "Correct the file, or say which columns to use with --map; nothing was imported.",
        )
    splits = splits_path(path)
    if keep:
        write_rows(splits, ({"id": identity, "split": part} for identity, part in sorted(imported.splits.items())))
    else:
        splits.unlink(missing_ok=True)
    write_rows(rejected, faults)
    write_examples(path, imported.examples)
    return path


def splits_path(rows: Path) -> Path:
    """Where the parts that imported rows were in stand, beside the rows."""
    return rows.with_name(f"{rows.stem}.splits.jsonl")


def read_source(source: str, tags: Iterable[str] = (), min_score: int | None = None) -> Iterator[RawRow]:
    """Rows of any source that can be imported; `tags` and `min_score` choose posts of a Stack Exchange dump."""
    if source.lower().endswith((".xml", ".xml.gz")):
        return read_posts(Path(source).expanduser(), frozenset(tags), min_score or 0)
    if min_score is not None or tuple(tags):
        raise UsageError(f"--tag and --min-score choose posts of a Posts.xml, and {source} is none.", "Leave them out.")
    return read_raw_rows(source)


def parse_columns(pairs: Iterable[str]) -> dict[str, str]:
    """`field=column` options as a mapping. Raises `UsageError`."""
    columns = {}
    for pair in pairs:
        field, _, column = pair.partition("=")
        if field not in MAPPED or not column:
            raise UsageError(
                f"--map {pair!r} is no mapping.", f"Write field=column; the fields are {', '.join(MAPPED)}."
            )
        columns[field] = column
    if columns and not {"question", "answer"} <= set(columns):
        raise UsageError(
            "--map says not where question and answer stand.", "Map both: --map question=... --map answer=..."
        )
    return columns


def name_of(source: str) -> str:
    """A name for a source: its file's, without endings."""
    stem = Path(source.rstrip("/")).name
    for ending in (".gz", ".jsonl", ".ndjson", ".json", ".parquet", ".xml"):
        stem = stem.removesuffix(ending)
    return slugify(stem) or "rows"


def command(
    source: Annotated[
        str, typer.Argument(help="A .json, .jsonl, .gz or .parquet file, a folder, a Posts.xml, or a Hub name.")
    ],
    domain: DomainOption = None,
    name: Annotated[str, typer.Option(help="What to call the rows' source; default: the file's name.")] = "",
    mapped: Annotated[
        list[str] | None, typer.Option("--map", help="field=column, repeatable, for other column names.")
    ] = None,
    shape: Annotated[str, typer.Option("--format", help=f"One of {', '.join(SHAPES)}; default: recognised.")] = "",
    task: Annotated[str, typer.Option(help="The task of rows that name none.")] = "",
    group: Annotated[
        str,
        typer.Option(
            help="A column; rows that share its value stay in one part of the split. Default: text_id or pmid, where rows have it."
        ),
    ] = "",
    keep_split: Annotated[
        bool, typer.Option("--keep-split", help="Keep rows in the part that their `split` names.")
    ] = False,
    tag: Annotated[
        list[str] | None, typer.Option(help="Posts.xml: only questions with one of these tags, repeatable.")
    ] = None,
    min_score: Annotated[
        int | None, typer.Option(help="Posts.xml: least score of question and answer; default 0.")
    ] = None,
    target: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring in ready-made questions and answers; bad rows are reported by line."""
    settings = read_settings(domain=domain)
    if shape and shape not in SHAPES:
        raise UsageError(f"There is no format {shape!r}.", f"Choose one of {', '.join(SHAPES)}.")
    called = check_name(name or name_of(source))
    layout = BuildLayout(settings.build_dir / check_name(settings.domain))
    rows = read_source(source, tag or (), min_score)
    imported = import_rows(rows, called, parse_columns(mapped or ()), shape or None, task, group)
    print_reasons("Rejected", {f"line {row.line}": row.reason for row in imported.rejected})
    path = write_import(layout, called, imported, target, keep_split)
    if as_json:
        rejected = [{"line": row.line, "reason": row.reason} for row in imported.rejected]
        counts = {"accepted": len(imported.examples), "rejected": len(rejected)}
        print_json(
            {
                "path": str(path),
                "name": called,
                "format": imported.shape,
                **counts,
                "reasons": imported.reasons(),
                "rows": rejected,
            }
        )
        return
    output().print(
        f"{path}: {len(imported.examples)} rows accepted, {len(imported.rejected)} rejected.", soft_wrap=True
    )
    for reason, count in imported.reasons().items():
        output().print(f"  {count:6}  {reason}", soft_wrap=True, markup=False)


if __name__ == "__main__":
    run_command(command)
