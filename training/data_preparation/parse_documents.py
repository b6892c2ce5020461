"""Documents and sections of a pack, or of any folder of Markdown, read by the parser that the index uses.

python -m training.data_preparation.parse_documents --data-dir docs/ --stats
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer

from retrieval.console import DomainOption, JsonOption, print_json, print_reasons, print_table, run_command, say
from retrieval.corpus import CorpusFile, parse_file, read_file, scan
from retrieval.documents import Document, UnreadableText
from retrieval.domain import load_domain
from retrieval.errors import DataError, UsageError, storage_errors
from retrieval.report import write_chart
from retrieval.settings import read_settings
from training.data_preparation.sections import ParsedSection, parse_section, write_sections
from training.layout import BuildLayout

MOST_HEADINGS = 40  # headings listed by --stats; --json has all

DataDirOption = Annotated[
    Path | None,
    typer.Option("--data-dir", help="A folder of Markdown instead of the pack's corpus.", show_default=False),
]
DocTypeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--doc-type", help="Only documents of this type (their first folder); repeatable.", show_default=False
    ),
]


@dataclass(frozen=True, slots=True)
class ParseStats:
    """Counts over parsed sections; lengths are in words."""

    documents: int
    sections: int
    words: int
    documents_by_type: dict[str, int]
    sections_by_name: dict[str, int]
    lengths: dict[str, int]  # shortest, median, longest section
    lengths_by_name: dict[str, int]  # median words of the sections with that name


def parse_documents(
    corpus: Path, types: Iterable[str] = (), refused: dict[str, str] | None = None
) -> Iterator[ParsedSection]:
    """Sections of every readable document, in the order of paths; `types` keeps those first folders only.

    A section without text is left out: there is nothing to ask about it. Files that cannot be read are added to `refused`
    with the reason.
    """
    wanted = set(types)
    for file in scan(corpus):
        if wanted and _type_of(file.path) not in wanted:
            continue
        document = _read_document(file, {} if refused is None else refused)
        if document is not None:
            parsed = (parse_section(document, section) for section in document.sections)
            yield from (section for section in parsed if section.text)


def parse_stats(sections: Iterable[ParsedSection]) -> ParseStats:
    """Documents by type, sections by name, and how long they are."""
    types: dict[str, str] = {}
    lengths: dict[str, list[int]] = {}
    for section in sections:
        types[section.document] = section.type
        lengths.setdefault(section.heading, []).append(len(section.text.split()))
    everything = sorted(length for found in lengths.values() for length in found)
    if not everything:
        return ParseStats(0, 0, 0, {}, {}, {"shortest": 0, "median": 0, "longest": 0}, {})
    by_count = sorted(lengths, key=lambda name: (-len(lengths[name]), name))
    return ParseStats(
        len(types),
        len(everything),
        sum(everything),
        dict(sorted(Counter(types.values()).items())),
        {name: len(lengths[name]) for name in by_count},
        {"shortest": everything[0], "median": round(median(everything)), "longest": everything[-1]},
        {name: round(median(lengths[name])) for name in by_count},
    )


def draw_lengths(sections: Iterable[ParsedSection]) -> Any:
    """An Altair histogram of section lengths in words, coloured by document type."""
    import altair

    rows = [{"words": len(section.text.split()), "type": section.type or "(none)"} for section in sections]
    return (
        altair.Chart(altair.InlineData(values=rows), title="Section lengths")
        .mark_bar()
        .encode(
            x=altair.X("words:Q", bin=altair.Bin(maxbins=40), title="words in the section"),
            y=altair.Y("count():Q", title="sections"),
            color=altair.Color("type:N", title="document type"),
        )
        .properties(width=620, height=280)
    )


def corpus_of(domain: str | None, data_dir: Path | None) -> tuple[Path, BuildLayout]:
    """The folder to read and where its results go. Raises `DomainError`, `UsageError`."""
    settings = read_settings(domain=domain)
    layout = BuildLayout(settings.build_dir / settings.domain)
    if data_dir is None:
        return load_domain(settings.domain, settings.domains_dir).corpus, layout
    if not data_dir.expanduser().is_dir():
        raise UsageError(f"--data-dir {data_dir} is no folder.", "Give a folder with Markdown files.")
    return data_dir.expanduser(), layout


def check_types(sections: list[ParsedSection], corpus: Path, types: list[str] | None) -> None:
    """Raises `DataError` when nothing was found, with the types that are there."""
    if sections:
        return
    there = sorted({_type_of(file.path) for file in scan(corpus) if not file.refused} - {""})
    if types and there:
        raise UsageError(f"No document is of type {', '.join(types)}.", f"There are: {', '.join(there)}.")
    raise DataError(f"{corpus} holds no readable Markdown with text.", "Add .md files, or name another --data-dir.")


def command(
    domain: DomainOption = None,
    data_dir: DataDirOption = None,
    doc_type: DocTypeOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The JSONL file to write.", show_default=False)
    ] = None,
    stats: Annotated[bool, typer.Option("--stats", help="Print counts and lengths.")] = False,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw section lengths to an .svg or .png file.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read documents into sections: one JSON line a section."""
    corpus, layout = corpus_of(domain, data_dir)
    target = output or (layout.sections if data_dir is None else None)
    refused: dict[str, str] = {}
    sections = list(parse_documents(corpus, doc_type or (), refused))
    print_reasons("Refused", refused)
    check_types(sections, corpus, doc_type)
    with storage_errors("write the sections"):
        if plot:
            write_chart(draw_lengths(sections), plot)
        if target:
            write_sections(target, sections)
    counted = parse_stats(sections)
    if target:
        say(f"{counted.sections:,} sections of {counted.documents:,} documents written to {target}.")
    if as_json:
        print_json({**{name: getattr(counted, name) for name in ParseStats.__slots__}, "refused": refused})
    elif stats or not target:
        _print_stats(counted)


def _print_stats(counted: ParseStats) -> None:
    typer.echo(f"{counted.documents:,} documents, {counted.sections:,} sections, {counted.words:,} words")
    print_table(["type", "documents"], [[name or "(none)", n] for name, n in counted.documents_by_type.items()])
    typer.echo("")
    rows = [[name, n, counted.lengths_by_name[name]] for name, n in counted.sections_by_name.items()]
    print_table(["section", "sections", "median words"], rows[:MOST_HEADINGS])
    if len(rows) > MOST_HEADINGS:
        typer.echo(f"... and {len(rows) - MOST_HEADINGS} more names (--json lists all)")
    lengths = counted.lengths
    typer.echo(
        f"\nwords in a section: shortest {lengths['shortest']}, median {lengths['median']}, longest {lengths['longest']}"
    )


def _type_of(path: str) -> str:
    return path.split("/", 1)[0] if "/" in path else ""


def _read_document(file: CorpusFile, refused: dict[str, str]) -> Document | None:
    if not file.refused:
        try:
            return parse_file(file, read_file(file))
        except UnreadableText as error:
            refused[file.path] = str(error)
            return None
    refused[file.path] = file.refused
    return None


if __name__ == "__main__":
    run_command(command)
