"""The last stage: rows as a trainer reads them, with the passages that a served model would see, in train, validation and test.

savia dataset export --domain herbolaria
savia dataset export --format sharegpt --reasoning-tag pensamiento --output /tmp/rows
python -m training.data_preparation.export_dataset --template-samples training_samples.jsonl --output data/herbolaria_training
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from retrieval.console import DomainOption, JsonOption, output, print_json, print_table, progress_bar, run_command, say
from retrieval.domain import Domain, load_domain
from retrieval.errors import DataError, IndexMissing, UsageError, storage_errors
from retrieval.files import file_sha256, write_json
from retrieval.index import Index
from retrieval.lexical import Analyzer
from retrieval.settings import RetrievalSettings, read_settings
from retrieval.wiring import build_embedder
from training.data_preparation.chat_rows import FORMATS, TAGS, as_row
from training.data_preparation.combine import combine_datasets, read_sources
from training.data_preparation.data_card import CardFacts, write_card
from training.data_preparation.dataset_folder import push_to_hub, write_csv, write_dataset_folder
from training.data_preparation.kept_choices import read_choices, write_choices
from training.data_preparation.leakage import check_leakage
from training.data_preparation.recipe_part import RecipeOption, dataset_config
from training.data_preparation.render import RenderedRow, render
from training.data_preparation.row_checks import TokenCount, estimate_tokens, load_token_count
from training.data_preparation.row_passages import (
    NEAR,
    WIDE,
    Choice,
    PassageFinder,
    choice_key,
    choose_passages,
    kind_of,
    still_stands,
    without_last_distractor,
)
from training.data_preparation.sections import read_sections
from training.data_preparation.split import split_examples
from training.dataset_config import DatasetConfig, ExportFormat, ReasoningTag
from training.decisions import read_decisions
from training.example import Example, read_examples, write_rows
from training.example import as_row as example_row
from training.export_history import keep_export
from training.layout import SPLITS, BuildLayout
from training.rows import TrainingRow, hash_rows

Progress = Callable[[str, int, int], None]
Parts = Mapping[str, Sequence[Example]]
STEP = 20  # rows between two reports of progress


@dataclass(frozen=True, slots=True)
class Exported:
    """Rendered rows by part, the choice of passages behind each, and rows left out with the reason.

    `drawn` counts rows whose passages were chosen in this run, `older` those that show an older text of a section that has
    changed since as a distractor.
    """

    rows: dict[str, list[RenderedRow]]
    choices: list[Choice]
    left_out: list[tuple[Example, str]] = field(default_factory=list)
    drawn: int = 0
    older: int = 0

    @property
    def counts(self) -> dict[str, int]:
        return {name: len(rows) for name, rows in self.rows.items()}


def export_rows(
    parts: Parts,
    domain: Domain,
    config: DatasetConfig,
    finder: PassageFinder | None = None,
    earlier: Mapping[str, Choice] | None = None,
    count: TokenCount = estimate_tokens,
    progress: Progress = lambda *_: None,
) -> Exported:
    """Render every row; a training row as often as its weight says. `earlier` choices are used again where they still stand."""
    owners = {section: name for name, examples in parts.items() for example in examples for section in example.sections}
    analyzer = finder.analyzer if finder else Analyzer(domain.config.language)
    exported = Exported({name: [] for name in parts}, [])
    total, done, drawn, older = sum(map(len, parts.values())), 0, 0, 0
    if finder:
        _prepare(finder, parts, config, earlier or {})
    for name, examples in parts.items():
        for example in examples:
            done += 1
            if done % STEP == 0 or done == total:
                progress("Rendering rows", done, total)
            if finder and example.sections and not all(map(finder.holds, example.sections)):
                exported.left_out.append((example, "a section of it is not in the index"))
                continue
            choice, new = _choose(example, finder, config, earlier or {}, name, owners)
            row, choice = _fit(example, choice, domain, config, analyzer, count)
            if row is None:
                exported.left_out.append((example, f"longer than {config.max_tokens} tokens with its prompt"))
                continue
            drawn += new
            older += finder is not None and any(s.passage_id not in finder.passage_ids for s in choice.sources)
            exported.choices.append(choice)
            exported.rows[name] += _repeat(row, round(example.weight) if name == "train" else 1)
    return Exported(exported.rows, exported.choices, exported.left_out, drawn, older)


def _prepare(finder: PassageFinder, parts: Parts, config: DatasetConfig, earlier: Mapping[str, Choice]) -> None:
    """Embed the questions of rows that were not exported before, all at once."""
    new = (example for examples in parts.values() for example in examples if example.id not in earlier)
    asked = [example for example in new if kind_of(example, config, True) != "closed_book"]
    finder.prepare((example.question, example.history) for example in asked)


def _choose(
    example: Example,
    finder: PassageFinder | None,
    config: DatasetConfig,
    earlier: Mapping[str, Choice],
    part: str,
    owners: Mapping[str, str],
) -> tuple[Choice, bool]:
    """The row's passages, and whether they were chosen now. No part shows passages of another part's sources."""

    def allowed(section: str) -> bool:
        return owners.get(section, part) == part

    known = earlier.get(example.id)
    key = choice_key(example, kind_of(example, config, finder is not None), finder, config)
    if known and still_stands(known, key, finder, allowed):
        return known, False
    return choose_passages(example, finder, config, allowed, NEAR if part == "train" else WIDE), True


def _fit(
    example: Example, choice: Choice, domain: Domain, config: DatasetConfig, analyzer: Analyzer, count: TokenCount
) -> tuple[RenderedRow | None, Choice]:
    """The rendered row with as many distractors as `max_tokens` allows; None where it is too long without any."""
    kept: Choice | None = choice
    while kept is not None:
        row = render(example, kept, domain.config, analyzer)
        if sum(count(text) for text in row.texts) <= config.max_tokens:
            return row, kept
        kept = without_last_distractor(kept)
    return None, choice


def _repeat(row: RenderedRow, times: int) -> list[RenderedRow]:
    more = (
        RenderedRow(f"{row.id}#{number}", row.messages, row.reasoning, row.answer, row.metadata)
        for number in range(2, times + 1)
    )
    return [row, *more]


def write_export(
    folder: Path,
    exported: Exported,
    domain: Domain,
    config: DatasetConfig,
    layout: BuildLayout | None = None,
    finder: PassageFinder | None = None,
    count: TokenCount = estimate_tokens,
) -> dict[str, str]:
    """Write rows, `datasets` folder, card and provenance; returns the SHA-256 of the row files by name."""
    rows = {
        name: [as_row(row, config.format, config.reasoning_tag) for row in held] for name, held in exported.rows.items()
    }
    faults = ({"id": e.id, "reason": reason, "example": example_row(e)} for e, reason in exported.left_out)
    write_rows(folder / "rejected.jsonl", faults)
    write_choices(folder, exported.choices)
    for name, held in rows.items():
        write_rows(folder / f"{name}.jsonl", held)
        if config.format == "autotrain":
            write_csv(folder / f"{name}.csv", held)
    files = {f"{name}.jsonl": file_sha256(folder / f"{name}.jsonl") for name in rows}
    write_dataset_folder(folder, rows)
    facts = _facts(exported, domain, config, files, finder, count)
    provenance = _provenance(facts, exported, layout)
    if config.format == "messages":  # what a run records of its data, so that a run leads back to its documents
        learned = [row for name in ("train", "validation") for row in rows.get(name, ())]
        provenance["data_sha256"] = hash_messages(learned)
        keep_export(folder, provenance)
    write_json(folder / "provenance.json", {name: value for name, value in provenance.items() if name != "ids"})
    write_card(folder, facts)
    return files


def _facts(
    exported: Exported,
    domain: Domain,
    config: DatasetConfig,
    files: dict[str, str],
    finder: PassageFinder | None,
    count: TokenCount,
) -> CardFacts:
    described = [
        (name, row.metadata, sum(count(text) for text in row.texts))
        for name, held in exported.rows.items()
        for row in held
    ]
    documents = {}
    if finder:
        found = (finder.view.document(number) for number in range(len(finder.view.documents)))
        documents = {document.id: document.hash for document in found}
    reasons = dict(Counter(reason for _, reason in exported.left_out))
    return CardFacts(domain, config, exported.counts, described, reasons, documents, files)


def _provenance(facts: CardFacts, exported: Exported, layout: BuildLayout | None) -> dict[str, Any]:
    """Hashes of documents and of the sections that rows come from: what the rows were made of."""
    used = {name for held in exported.rows.values() for row in held for name in row.metadata["source_sections"]}
    known = read_sections(layout.sections) if layout and layout.sections.is_file() else ()
    return {
        "domain": facts.domain.name,
        "config": facts.config.model_dump(mode="json"),
        "rows": dict(facts.counts),
        "files": dict(facts.files),
        "documents": dict(facts.documents),
        "sections": {section.id: section.hash for section in known if section.id in used},
        "ids": {name: [row.id for row in held] for name, held in exported.rows.items()},
    }


def hash_messages(rows: Iterable[Mapping[str, Any]]) -> str:
    """The hash that a training run records for these rows (`training.rows.hash_rows`)."""
    return hash_rows(TrainingRow(row["id"], tuple(row["messages"])) for row in rows)


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
    gold, language = domain.questions(), domain.config.language
    split = split_examples(combined.examples, gold, language=language, ratios=config.ratios, seed=config.seed)
    check_leakage(split.parts, gold, Analyzer(language))
    return split.parts


def _without_weights(config: DatasetConfig) -> DatasetConfig:
    return config.model_copy(update={"weights": {}})


def report_counts(exported: Exported, folder: Path) -> dict[str, Any]:
    """What an export gave, as a record."""
    reasons = dict(Counter(reason for _, reason in exported.left_out).most_common())
    contexts = Counter(row.metadata["context"] for held in exported.rows.values() for row in held)
    return {
        "folder": str(folder),
        "rows": exported.counts,
        "contexts": dict(contexts.most_common()),
        "drawn": exported.drawn,
        "older": exported.older,
        "left_out": reasons,
    }


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
    count = load_token_count(tokenizer) if tokenizer else estimate_tokens
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


def export_folder(layout: BuildLayout, config: DatasetConfig) -> Path:
    """Messages stand in `export/` itself, where training looks; other formats below it."""
    folder = layout.folder("export")
    return folder if config.format == "messages" else folder / config.format


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
