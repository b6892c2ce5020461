"""All rows of a domain in one file: templates, LLM rows and imports, weighted, with people's decisions applied.

savia dataset combine --domain experimentation --weight cross-validated=2.0 --weight arxiv=1.0
savia dataset combine --template-samples training_samples.jsonl --augmented-samples llm.jsonl --output all.jsonl

Every row stands once; `weight` says how often it is shown in training. A row is repeated only where the training part is
written, so that no filter takes a repeat for a duplicate and no repeat can cross from one part of the split into another.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

from retrieval.console import DomainOption, JsonOption, output, print_json, print_table, run_command, say
from retrieval.domain import load_domain
from retrieval.errors import DataError, UsageError
from retrieval.settings import read_settings
from training.data_preparation.formats import Shape
from training.data_preparation.import_dataset import import_rows, name_of
from training.data_preparation.raw_rows import read_raw_rows
from training.data_preparation.recipe_part import OutputOption, RecipeOption, dataset_config
from training.dataset_config import DatasetConfig
from training.decisions import Decision, apply_decisions, read_decisions
from training.example import Example, as_row, read_examples, write_examples, write_rows
from training.layout import BuildLayout


@dataclass(frozen=True, slots=True)
class SourceReport:
    """One source: its rows, how many are shown in training at all, how often in all, and how many hit the cap."""

    rows: int
    weight: float
    used: int
    shown: int
    capped: int


@dataclass(frozen=True, slots=True)
class Combined:
    """Rows to go on with, rows left out with the reason, and what each source gave."""

    examples: list[Example]
    left_out: list[tuple[Example, str]]
    sources: dict[str, SourceReport]
    idle_decisions: int = 0


@dataclass(frozen=True, slots=True)
class DatasetStats:
    """Counts of a set of rows; lengths are characters of question and answer together."""

    rows: int
    shown: int
    by_origin: dict[str, int] = field(default_factory=dict)
    by_task: dict[str, int] = field(default_factory=dict)
    by_type: dict[str, int] = field(default_factory=dict)
    by_safety_level: dict[str, int] = field(default_factory=dict)
    with_reasoning: int = 0
    with_history: int = 0
    with_sections: int = 0
    refusals: int = 0
    median_length: float = 0.0
    longest: int = 0


def source_of(example: Example) -> str:
    """The name by which a row's source is weighted: template, llm, or an import's name."""
    return example.origin.removeprefix("import:")


def load_chatml_dataset(path: Path) -> list[Example]:
    """Rows of a JSONL file with `messages`. Raises `DataError` with the first row that is none."""
    return _load(path, "messages")


def _load(path: Path, shape: Shape | None = None, origin: str = "") -> list[Example]:
    """Rows of a file in any known shape, all of them or none."""
    imported = import_rows(read_raw_rows(str(path)), name_of(str(path)), shape=shape)
    if imported.rejected:
        first = imported.rejected[0]
        raise DataError(
            f"{path}, line {first.line}: {first.reason} ({len(imported.rejected)} rows cannot be used).",
            f"Take in the others with: savia dataset import {path}",
        )
    return [replace(example, origin=origin or example.origin) for example in imported.examples]


def combine_datasets(
    sources: Mapping[str, Iterable[Example]],
    config: DatasetConfig | None = None,
    decisions: Mapping[str, Decision] | None = None,
) -> Combined:
    """Join the rows of `sources` (name -> rows) in that order.

    A weight of 2 shows every row twice, one of 0.5 half of the rows once, one of 1.5 every row once and half of them twice:
    which ones is decided by the seed and the row's id alone, so an edit elsewhere changes nothing. No row is shown more than
    `max_repeats` times. A row that came before from another source is left out.
    """
    config = config or DatasetConfig()
    examples: list[Example] = []
    left_out: list[tuple[Example, str]] = []
    reports: dict[str, SourceReport] = {}
    seen: dict[str, str] = {}
    met: set[str] = set()
    for name, given in sources.items():
        rows = list(given)
        reviewed = apply_decisions(rows, decisions or {})
        met |= reviewed.met
        left_out.extend((row, f"review: {reason}") for row, reason in reviewed.rejected)
        weight, used, shown, capped = config.weights.get(name, 1.0), 0, 0, 0
        for row in reviewed.kept:
            if row.id in seen:
                left_out.append((row, f"the same row as in {seen[row.id]}"))
                continue
            seen[row.id] = name
            wanted = weight * row.weight
            repeats = min(repeats_of(row.id, wanted, config.seed), config.max_repeats)
            capped += wanted > config.max_repeats
            if not repeats:
                left_out.append((row, f"not drawn (weight {wanted:g})"))
                continue
            used, shown = used + 1, shown + repeats
            examples.append(replace(row, weight=float(repeats)))
        reports[name] = SourceReport(len(rows), weight, used, shown, capped)
    return Combined(examples, left_out, reports, len(set(decisions or ()) - met))


def repeats_of(identity: str, weight: float, seed: int) -> int:
    """How often a row of this weight is shown: the whole part, and once more for the fraction's share of ids.

    >>> repeats_of("a", 2.0, 42)
    2
    """
    digest = hashlib.blake2b(f"{seed}:{identity}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int(weight) + (int.from_bytes(digest, "big") / 2**64 < weight - int(weight))


def check_weights(weights: Mapping[str, float], sources: Iterable[str]) -> None:
    """Raises `UsageError` for a weight of no source."""
    unknown = sorted(set(weights) - set(sources))
    if unknown:
        raise UsageError(
            f"There is a weight for {', '.join(unknown)}, and no such source.",
            f"The sources are: {', '.join(sources)}.",
        )


def get_dataset_stats(examples: Iterable[Example]) -> DatasetStats:
    """Count rows by origin, task, type and safety level, and measure their length."""
    rows = list(examples)
    lengths = [len(row.question) + len(row.answer) for row in rows]

    def count(name: str) -> dict[str, int]:
        return dict(Counter(getattr(row, name) or "(none)" for row in rows).most_common())

    return DatasetStats(
        rows=len(rows),
        shown=sum(round(row.weight) for row in rows),
        by_origin=count("origin"),
        by_task=count("task"),
        by_type=count("type"),
        by_safety_level=count("safety_level"),
        with_reasoning=sum(bool(row.reasoning) for row in rows),
        with_history=sum(bool(row.history) for row in rows),
        with_sections=sum(bool(row.sections) for row in rows),
        refusals=sum(not row.answerable for row in rows),
        median_length=float(median(lengths)) if lengths else 0.0,
        longest=max(lengths, default=0),
    )


def read_sources(
    layout: BuildLayout, template: Path | None = None, augmented: Path | None = None
) -> dict[str, list[Example]]:
    """Rows of every stage that makes some; `template` and `augmented` are files to read in place of two of the stages."""
    sources: dict[str, list[Example]] = {}
    for name, stage, given in (("template", "generate", template), ("llm", "augment", augmented)):
        made = layout.root / stage / "examples.jsonl"
        if given is not None:
            sources[name] = _load(given, origin=name)
        elif made.is_file():
            sources[name] = list(read_examples(made))
    for path in sorted(layout.folder("import").glob("*.jsonl")):
        if not path.name.endswith((".rejected.jsonl", ".splits.jsonl")):
            sources[path.stem] = list(read_examples(path))
    if not any(sources.values()):
        raise DataError(
            f"There are no rows to combine below {layout.root}.",
            "Make some: savia dataset generate, or savia dataset import.",
        )
    return sources


def write_combined(layout: BuildLayout, combined: Combined, target: Path | None = None) -> Path:
    """Write the rows and, beside them, those left out."""
    path = target or layout.examples("combine")
    rejected = path.with_name("rejected.jsonl" if target is None else f"{path.stem}.rejected.jsonl")
    write_rows(
        rejected, ({"id": row.id, "reason": reason, "example": as_row(row)} for row, reason in combined.left_out)
    )
    write_examples(path, combined.examples)
    return path


def parse_weights(options: Iterable[str]) -> dict[str, float]:
    """`NAME=2.0` options as a mapping. Raises `UsageError`."""
    weights = {}
    for option in options:
        name, _, value = option.rpartition("=")
        try:
            weights[name] = float(value)
        except ValueError:
            weights[name] = 0.0
        if not name or not 0 < weights[name] <= 1000:
            raise UsageError(f"--weight {option!r} is no weight.", "Write NAME=2.0, with a number above 0.")
    return weights


def command(
    domain: DomainOption = None,
    recipe: RecipeOption = "",
    weight: Annotated[
        list[str] | None, typer.Option(help="NAME=2.0, repeatable: how often rows of a source are shown.")
    ] = None,
    max_repeats: Annotated[
        int | None, typer.Option(min=1, help="A row is shown at most this often; default 4.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Decides which rows a broken weight repeats; default 42.")] = None,
    template_samples: Annotated[
        Path | None, typer.Option(help="A file of rows instead of the generate stage's.")
    ] = None,
    augmented_samples: Annotated[
        Path | None, typer.Option(help="A file of rows instead of the augment stage's.")
    ] = None,
    target: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Join all rows of a domain, weighted, with the decisions of the review applied."""
    settings = read_settings(domain=domain)
    pack = load_domain(settings.domain, settings.domains_dir)
    layout = BuildLayout(settings.build_dir / pack.name)
    sources = read_sources(layout, template_samples, augmented_samples)
    given = parse_weights(weight or ())
    check_weights(given, sources)
    config = dataset_config(pack, recipe, max_repeats=max_repeats, seed=seed)
    config = config.model_copy(update={"weights": {**config.weights, **given}})
    for name in sorted(set(config.weights) - set(sources)):
        say(f"The recipe weighs {name}, which has no rows.")
    combined = combine_datasets(sources, config, read_decisions(layout.decisions))
    path = write_combined(layout, combined, target)
    stats = get_dataset_stats(combined.examples)
    if combined.idle_decisions:
        say(
            f"{combined.idle_decisions} decisions are on rows that are no longer made; they are kept for when they are again."
        )
    if as_json:
        reports = {name: asdict(report) for name, report in combined.sources.items()}
        reasons = dict(Counter(reason for _, reason in combined.left_out))
        print_json({"path": str(path), "sources": reports, "left_out": reasons, "stats": asdict(stats)})
        return
    print_table(
        ["source", "rows", "weight", "used", "shown", "capped"],
        [[name, r.rows, f"{r.weight:g}", r.used, r.shown, r.capped] for name, r in combined.sources.items()],
    )
    for reason, count in Counter(reason for _, reason in combined.left_out).most_common():
        output().print(f"left out {count:6}  {reason}", soft_wrap=True, markup=False)
    output().print(f"{path}: {stats.rows} rows, shown {stats.shown} times.", soft_wrap=True)


if __name__ == "__main__":
    run_command(command)
