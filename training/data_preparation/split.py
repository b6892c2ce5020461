"""Train, validation and test such that nothing is asked that was taught: whole components of rows go to one part.

savia dataset split --domain herbolaria --ratios 0.8 0.1 0.1 --seed 42
savia dataset split --check train.jsonl validation.jsonl test.jsonl          # the gate alone: exit code 3 and the pairs
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from retrieval.console import DomainOption, JsonOption, output, print_json, print_table, run_command
from retrieval.domain import GoldQuestion, load_domain
from retrieval.errors import DataError, UsageError
from retrieval.lexical import Analyzer
from retrieval.settings import read_settings
from training.data_preparation.assignment import assign
from training.data_preparation.components import Components, Ints, connect, names_of, question_names
from training.data_preparation.duplicates import text_of
from training.data_preparation.import_dataset import import_rows
from training.data_preparation.leakage import check_leakage, judging_questions, near_gold
from training.data_preparation.near_duplicates import near_pairs, term_sets
from training.data_preparation.quality import Drop, reason_counts
from training.data_preparation.raw_rows import read_raw_rows
from training.data_preparation.recipe_part import RecipeOption, dataset_config
from training.example import Example, as_row, read_examples, read_rows, write_examples, write_rows
from training.layout import SPLITS, BuildLayout

TOO_MANY = "joins too many sections: its sources are in several parts"


@dataclass(frozen=True, slots=True)
class Split:
    """The parts by name, and rows left out because they would have tied parts together or ask a gold question."""

    parts: dict[str, list[Example]]
    drops: list[Drop]
    components: int
    largest: int


def split_examples(
    examples: Sequence[Example],
    gold: Sequence[GoldQuestion],
    *,
    language: str,
    ratios: Sequence[float] = (0.8, 0.1, 0.1),
    seed: int = 42,
    pinned: Mapping[str, str] | None = None,
) -> Split:
    """Put each row into train, validation or test, in the order of `examples`.

    `pinned` (row id -> part) keeps rows where their source had them; a component with rows of several parts goes to the one
    that is least learnt from. Shares are within two points where components are small enough, by task and type as well.
    """
    analyzer = Analyzer(language)
    asked = near_gold(examples, gold, analyzer)
    drops = [
        Drop(examples[number], f"asks the gold question {identity} (Jaccard {similarity:.2f})")
        for number, (identity, similarity) in asked.items()
    ]
    rows = [example for number, example in enumerate(examples) if number not in asked]
    near = near_pairs(term_sets((text_of(row) for row in rows), analyzer)).pairs
    components = connect(rows, near)
    place = _place(rows, near, components, ratios, seed, pinned or {})
    drops += [Drop(rows[number], TOO_MANY) for number in np.flatnonzero(place < 0).tolist()]
    made = {name: [rows[n] for n in np.flatnonzero(place == part).tolist()] for part, name in enumerate(SPLITS)}
    made = {
        name: [replace(row, weight=1.0) for row in held] if name != "train" else held for name, held in made.items()
    }
    sizes = np.bincount(components.of[components.of >= 0]) if len(components.keys) else np.zeros(1, np.int64)
    return Split(made, drops, len(components.keys), int(sizes.max()))


def _place(
    rows: Sequence[Example],
    near: Ints,
    components: Components,
    ratios: Sequence[float],
    seed: int,
    pinned: Mapping[str, str],
) -> Ints:
    """The part of each row, -1 for a row that fits in none.

    Rows that were set aside fall to the larger part more often than to the others: what they brought is counted, and the
    components are assigned once more to make up for it.
    """
    strata = _strata(rows)
    kinds = int(strata.max(initial=0)) + 1
    inside = components.of >= 0
    counts = np.zeros((len(components.keys), kinds), np.int64)
    np.add.at(counts, (components.of[inside], strata[inside]), 1)
    placed = np.zeros((3, kinds), np.int64)
    place = np.full(len(rows), -1, np.int64)
    for _ in range(2 if components.set_aside else 1):
        parts = assign(components.keys, counts, ratios, seed, _pins(rows, components, pinned), placed)
        place = np.full(len(rows), -1, np.int64)
        place[inside] = parts[components.of[inside]]
        _place_links(rows, near, components, place)
        placed[:] = 0
        linked = ~inside & (place >= 0)
        np.add.at(placed, (place[linked], strata[linked]), 1)
    return place


def _strata(rows: Sequence[Example]) -> Ints:
    """The number of each row's task and type; where a row names neither, of its origin."""
    names = [(row.task, row.type) if row.task or row.type else (row.origin, "") for row in rows]
    numbers = {name: number for number, name in enumerate(sorted(set(names)))}
    return np.array([numbers[name] for name in names], np.int64)


def _pins(rows: Sequence[Example], components: Components, pinned: Mapping[str, str]) -> dict[int, int]:
    found: dict[int, int] = {}
    for component, row in zip(components.of.tolist(), rows, strict=True):
        part = next((pinned[identity] for identity in (row.id, *row.parents) if identity in pinned), None)
        if part and component >= 0:
            found[component] = max(SPLITS.index(part), found.get(component, 0))
    return found


def _place_links(
    rows: Sequence[Example],
    near: Ints,
    components: Components,
    place: Ints,
) -> None:
    """Rows that were set aside go where all that they touch has gone; where that is several parts, nowhere."""
    touched: dict[str, set[int]] = {}
    for part, row in zip(place.tolist(), rows, strict=True):
        for name in (*names_of(row), *question_names(row), f"zrow {row.id}"):
            touched.setdefault(name, set()).update({part} - {-1})
    aside = set(components.set_aside)
    neighbours: dict[int, list[int]] = {number: [] for number in aside}
    for a, b in near.tolist():
        if a in aside:
            neighbours[a].append(b)
        if b in aside:
            neighbours[b].append(a)
    for number in components.set_aside:
        names = (*names_of(rows[number]), *question_names(rows[number]), f"zrow {rows[number].id}")
        parts = set().union(
            *(touched[name] for name in names), (int(place[n]) for n in neighbours[number] if place[n] >= 0)
        )
        if len(parts) == 1:
            place[number] = parts.pop()
            for name in names:
                touched[name].add(int(place[number]))


def check_ratios(ratios: Sequence[float]) -> tuple[float, float, float]:
    """Three shares that make up one. Raises `UsageError`."""
    if len(ratios) != 3 or min(ratios) < 0 or abs(sum(ratios) - 1) > 1e-6 or ratios[0] == 0:
        raise UsageError(
            f"--ratios {' '.join(f'{share:g}' for share in ratios)} are no three shares of 1.",
            "Write --ratios 0.8 0.1 0.1",
        )
    return ratios[0], ratios[1], ratios[2]


def read_pins(layout: BuildLayout) -> dict[str, str]:
    """Row id -> part, of every import made with --keep-split."""
    return {
        str(row["id"]): str(row["split"])
        for path in sorted(layout.folder("import").glob("*.splits.jsonl"))
        for _, row in read_rows(path)
        if row.get("split") in SPLITS
    }


def read_part(path: Path) -> list[Example]:
    """Rows of one part in any known shape: a split's, an export's, or others'. Raises `DataError`."""
    imported = import_rows(read_raw_rows(str(path)), "checked")
    if imported.rejected:
        first = imported.rejected[0]
        raise DataError(f"{path}, line {first.line}: {first.reason}.", "Correct the row, or leave the file out.")
    return imported.examples


def write_split(layout: BuildLayout, split: Split) -> None:
    """Write the three parts and the rows left out."""
    write_rows(
        layout.rejected("split"),
        ({"id": d.example.id, "reason": d.reason, "example": as_row(d.example)} for d in split.drops),
    )
    for name, rows in split.parts.items():
        write_examples(layout.split(name), rows)


def command(
    files: Annotated[
        list[Path] | None, typer.Argument(help="With --check: one file a part.", show_default=False)
    ] = None,
    domain: DomainOption = None,
    recipe: RecipeOption = "",
    source: Annotated[Path | None, typer.Option("--input", help="Rows to split; default: what filter wrote.")] = None,
    ratios: Annotated[
        tuple[float, float, float] | None,
        typer.Option(help="Train, validation, test; default: the recipe's, or 0.8 0.1 0.1.", show_default=False),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Another seed, another split; default 42.", show_default=False)
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Only look for leaks, in FILES or in the last split.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Split rows so that no source, parent or near-duplicate stands in two parts; a leak ends with exit code 3."""
    settings = read_settings(domain=domain)
    pack = load_domain(settings.domain, settings.domains_dir)
    layout, gold, analyzer = (
        BuildLayout(settings.build_dir / pack.name),
        judging_questions(pack),
        Analyzer(pack.config.language),
    )
    if files and not check:
        raise UsageError("Files are given without --check.", "Rows to split are given with --input FILE.")
    if check:
        given = {path.stem: read_part(path) for path in files or ()}
        given = given or {name: list(read_examples(layout.split(name))) for name in SPLITS}
        check_leakage(given, gold, analyzer)
        output().print(f"No leak in {sum(map(len, given.values()))} rows of {', '.join(given)}.", soft_wrap=True)
        return
    config = dataset_config(pack, recipe, ratios=ratios and check_ratios(ratios), seed=seed)
    examples = list(read_examples(source or layout.examples("filter")))
    split = split_examples(
        examples,
        gold,
        language=pack.config.language,
        ratios=check_ratios(config.ratios),
        seed=config.seed,
        pinned=read_pins(layout),
    )
    check_leakage(split.parts, gold, analyzer)
    write_split(layout, split)
    _report(layout, split, as_json)


def _report(layout: BuildLayout, split: Split, as_json: bool) -> None:
    total = max(1, sum(map(len, split.parts.values())))
    counts = {name: len(rows) for name, rows in split.parts.items()}
    reasons = reason_counts(split.drops)
    if as_json:
        tasks = {name: dict(Counter(row.task for row in rows)) for name, rows in split.parts.items()}
        sizes = {"components": split.components, "largest": split.largest}
        print_json({"folder": str(layout.folder("split")), "rows": counts, "tasks": tasks, "dropped": reasons, **sizes})
        return
    print_table(["part", "rows", "share"], [[name, count, f"{count / total:.1%}"] for name, count in counts.items()])
    for reason, count in reasons.items():
        output().print(f"left out {count:6}  {reason}", soft_wrap=True, markup=False)
    output().print(
        f"{layout.folder('split')}: {split.components} components, the largest of {split.largest} rows; no leak.",
        soft_wrap=True,
    )


if __name__ == "__main__":
    run_command(command)
