"""The last stage: rows as a trainer reads them, with the passages that a served model would see, in train, validation and test.

savia dataset export --domain herbolaria
savia dataset export --format sharegpt --reasoning-tag pensamiento --output /tmp/rows
python -m training.data_preparation.export_dataset --template-samples training_samples.jsonl --output data/herbolaria_training
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from retrieval.console import DomainOption, JsonOption, output, print_json, print_table, progress_bar, run_command, say
from retrieval.domain import Domain, load_domain
from retrieval.errors import DataError, IndexMissing, UsageError, storage_errors
from retrieval.index import Index
from retrieval.lexical import Analyzer
from retrieval.settings import RetrievalSettings, read_settings
from retrieval.wiring import build_embedder
from training.data_preparation.chat_rows import FORMATS, TAGS
from training.data_preparation.combine import combine_datasets, read_sources
from training.data_preparation.dataset_folder import push_to_hub
from training.data_preparation.export_files import export_folder, report_counts, write_export
from training.data_preparation.export_rows import Exported, export_rows
from training.data_preparation.kept_choices import read_choices
from training.data_preparation.leakage import check_leakage, judging_questions
from training.data_preparation.recipe_part import RecipeOption, dataset_config
from training.data_preparation.row_checks import load_token_count
from training.data_preparation.row_passages import (
    PassageFinder,
)
from training.data_preparation.split import split_examples
from training.dataset_config import DatasetConfig, ExportFormat, ReasoningTag
from training.decisions import read_decisions
from training.example import Example, read_examples
from training.layout import SPLITS, BuildLayout


def read_split(layout: BuildLayout) -> dict[str, list[Example]]:
    """The rows of the three parts. Raises `DataError` where nothing was split yet."""
    return {name: list(read_examples(layout.split(name))) for name in SPLITS}


def open_finder(domain: Domain, settings: RetrievalSettings, config: DatasetConfig) -> PassageFinder | None:
    """The pack's passages; None where rows have none (no corpus, or switched off). Raises `IndexMissing`."""
    if not config.rag or not has_corpus(domain):
        return None
    try:
        return PassageFinder.open(Index(domain, settings), build_embedder(settings, say))
    except IndexMissing as error:
        raise IndexMissing(
            f"Rows with passages need the index of {domain.name}, and there is none.",
            f"Build it: savia index sync --domain {domain.name} (or leave passages out with --no-rag).",
        ) from error


def has_corpus(domain: Domain) -> bool:
    return domain.corpus.is_dir() and any(domain.corpus.rglob("*.m*d*"))


def split_files(
    template: Path | None, augmented: Path | None, domain: Domain, config: DatasetConfig, layout: BuildLayout
) -> dict[str, list[Example]]:
    """Rows of two files, combined and split without the stages before. Raises `DataError`, `GateRefused`."""
    sources = read_sources(BuildLayout(layout.root / "none"), template, augmented)
    combined = combine_datasets(sources, _without_weights(config), read_decisions(layout.decisions))
    gold, language = judging_questions(domain), domain.config.language
    split = split_examples(combined.examples, gold, language=language, ratios=config.ratios, seed=config.seed)
    check_leakage(split.parts, gold, Analyzer(language))
    return split.parts


def _without_weights(config: DatasetConfig) -> DatasetConfig:
    return config.model_copy(update={"weights": {}})


FormatOption = Annotated[str | None, typer.Option("--format", help=f"One of {', '.join(FORMATS)}.", show_default=False)]
TagOption = Annotated[
    str | None, typer.Option("--reasoning-tag", help=f"One of {', '.join(TAGS)}.", show_default=False)
]
RagOption = Annotated[
    bool | None, typer.Option("--rag/--no-rag", help="Rows with passages; default: where the pack has a corpus.")
]


def check_choices(format: str | None, tag: str | None) -> dict[str, Any]:
    """The two options as overrides. Raises `UsageError`."""
    for name, value, known in (
        ("--format", format, get_args(ExportFormat)),
        ("--reasoning-tag", tag, get_args(ReasoningTag)),
    ):
        if value is not None and value not in known:
            raise UsageError(f"{name} {value!r} is none of {', '.join(known)}.")
    return {"format": format, "reasoning_tag": tag}


def command(
    domain: DomainOption = None,
    recipe: RecipeOption = "",
    target: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder; default: data/build/<domain>/export, other formats below it."),
    ] = None,
    template_samples: Annotated[
        Path | None, typer.Option("--template-samples", help="Rows of this file instead of the split's.")
    ] = None,
    augmented_samples: Annotated[
        Path | None, typer.Option("--augmented-samples", help="Rows of this file, too.")
    ] = None,
    form: FormatOption = None,
    tag: TagOption = None,
    rag: RagOption = None,
    passages: Annotated[int | None, typer.Option(min=1, max=20, help="Passages in a prompt; default 5.")] = None,
    without_gold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of rows whose own passages are taken away; default 0.1.")
    ] = None,
    closed_book: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of rows with no passages; default 0.1.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Decides which rows and in which order; default 42.")] = None,
    tokenizer: Annotated[
        Path | None, typer.Option(help="A model's folder: lengths are counted by its tokenizer.")
    ] = None,
    redraw: Annotated[
        bool,
        typer.Option("--redraw", help="Choose the passages of every row anew; also brings distractors up to date."),
    ] = False,
    push: Annotated[
        str,
        typer.Option("--push-to-hub", help="Upload to this data set, such as my-name/herbolaria.", show_default=False),
    ] = "",
    private: Annotated[bool, typer.Option("--private/--public", help="Who may see the uploaded data set.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Write rows for training, with passages as the app shows them, and their card."""
    settings = read_settings(domain=domain)
    pack = load_domain(settings.domain, settings.domains_dir)
    layout = BuildLayout(settings.build_dir / pack.name)
    shares = {"passages": passages, "without_gold": without_gold, "closed_book": closed_book, "seed": seed, "rag": rag}
    config = dataset_config(pack, recipe, **shares, **check_choices(form, tag))
    files = template_samples or augmented_samples
    parts = split_files(template_samples, augmented_samples, pack, config, layout) if files else read_split(layout)
    if not any(parts.values()):
        raise DataError("There are no rows to export.", "Run savia dataset build, or savia dataset split.")
    folder = target or export_folder(layout, config)
    count = load_token_count(tokenizer) if tokenizer else None
    finder = open_finder(pack, settings, config)
    earlier = {} if redraw else read_choices(folder) or read_choices(layout.folder("export"))
    with progress_bar() as progress:
        exported = export_rows(parts, pack, config, finder, earlier, count, progress)
    with storage_errors(f"write the data set to {folder}"):
        write_export(folder, exported, pack, config, layout, finder, count)
    _print_report(exported, folder, as_json)
    if push:
        address = push_to_hub(folder, push, private)
        say(f"Uploaded to {address}")


def _print_report(exported: Exported, folder: Path, as_json: bool) -> None:
    record = report_counts(exported, folder)
    if as_json:
        print_json(record)
        return
    print_table(["part", "rows"], [[name, f"{count:,}"] for name, count in exported.counts.items()])
    print_table(["prompt holds", "rows"], [[name, f"{count:,}"] for name, count in record["contexts"].items()])
    print_left_out(record["left_out"])
    if exported.older:
        say(
            f"{exported.older} rows show an older text of a changed section among others; --redraw brings them up to date."
        )
    output().print(
        f"{folder}: {sum(exported.counts.values()):,} rows, {exported.drawn:,} made in this run.", soft_wrap=True
    )


def print_left_out(reasons: Mapping[str, int] | Iterable[tuple[str, int]]) -> None:
    for reason, number in dict(reasons).items():
        output().print(f"left out {number:6}  {reason}", soft_wrap=True, markup=False)


if __name__ == "__main__":
    run_command(command)
