"""The filter: rows that would teach something wrong, twice or nothing are left out, each with its reason.

savia dataset filter --domain herbolaria
kept, drops = filter_examples(examples, sections, DatasetConfig(), language="es")
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from retrieval.console import DomainOption, JsonOption, output, print_json, print_table, progress_bar, run_command, say
from retrieval.domain import load_domain
from retrieval.embedders import Embedder
from retrieval.errors import DataError
from retrieval.lexical import Analyzer
from retrieval.settings import read_settings
from retrieval.wiring import build_embedder
from training.data_preparation.duplicates import Duplicate, find_duplicates, question_of
from training.data_preparation.grounding import check_grounding
from training.data_preparation.recipe_part import OutputOption, RecipeOption, dataset_config
from training.data_preparation.row_checks import (
    TokenCount,
    check_format,
    check_language,
    check_length,
    check_safety,
    estimate_tokens,
    load_token_count,
)
from training.data_preparation.sections import ParsedSection, read_sections
from training.dataset_config import DatasetConfig
from training.example import Example, as_row, read_examples, write_examples, write_rows
from training.layout import BuildLayout

STEP = 200  # rows between two reports of progress

_DETAIL = re.compile(
    r"(?<=number )\S+|(?<=question )\S+|(?<=name ).+(?= is not)|(?<=tag )\S+|(?<=placeholder )\S+|(?<=word ).+|\d+%|\d\.\d\d"
)


@dataclass(frozen=True, slots=True)
class Drop:
    """A row that was left out; `duplicate_of` is the id of the row that was kept in its place."""

    example: Example
    reason: str
    duplicate_of: str = ""


def filter_examples(
    examples: Sequence[Example],
    sections: Mapping[str, str],
    config: DatasetConfig,
    *,
    language: str,
    allowed: str = "",
    count: TokenCount = estimate_tokens,
    embedder: Embedder | None = None,
    cache: Path | None = None,
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> tuple[list[Example], list[Drop]]:
    """(kept, drops), both in the order of `examples`.

    `sections` are texts by section id, with title and headings (empty: a pack without a corpus, nothing is compared);
    `allowed` is text that any answer may use. With an `embedder`, paraphrases are looked for as well; `cache` keeps vectors.
    """
    analyzer = Analyzer(language)
    reasons: dict[int, str] = {}
    for number, example in enumerate(examples):
        reason = (
            check_safety(example, config.drop_safety_levels)
            or check_format(example)
            or check_length(example, count, config.min_tokens, config.max_tokens)
            or check_language(example, example.language or language)
            or _check_sections(example, sections, analyzer, allowed)
        )
        if reason:
            reasons[number] = reason
        if number % STEP == 0 or number + 1 == len(examples):
            progress("Checking rows", number + 1, len(examples))
    passed = [number for number in range(len(examples)) if number not in reasons]
    found = find_duplicates([examples[number] for number in passed], analyzer, embedder, cache)
    duplicates = {passed[number]: Duplicate(passed[d.of], d.reason) for number, d in found.items()}
    drops = [
        Drop(examples[number], reasons[number])
        if number in reasons
        else Drop(examples[number], duplicates[number].reason, examples[duplicates[number].of].id)
        for number in sorted({*reasons, *duplicates})
    ]
    return [examples[number] for number in passed if number not in duplicates], drops


def _check_sections(example: Example, sections: Mapping[str, str], analyzer: Analyzer, allowed: str) -> str:
    if not example.sections or not sections:
        return ""
    gone = [identity for identity in example.sections if identity not in sections]
    if gone:
        return f"its section {gone[0]} is not in the corpus"
    if not example.answerable:
        return ""
    basis = "\n".join(sections[identity] for identity in example.sections)
    return check_grounding(example.answer, basis, analyzer, f"{question_of(example)}\n{allowed}")


def section_texts(sections: Iterable[ParsedSection]) -> dict[str, str]:
    """What an answer on each section may state: its source line, its text and its document's fields."""
    texts = {}
    for section in sections:
        values = [value if isinstance(value, str) else ", ".join(value) for value in section.fields.values()]
        texts[section.id] = "\n".join([section.source, section.text, *values])
    return texts


def reason_counts(drops: Iterable[Drop]) -> dict[str, int]:
    """How many rows were left out for each kind of reason, most frequent first."""
    return dict(Counter(_DETAIL.sub("…", drop.reason) for drop in drops).most_common())


def write_filtered(kept: Iterable[Example], drops: Iterable[Drop], path: Path, rejected: Path) -> None:
    """Write kept rows to `path` and the others, with reason and both ids, to `rejected`."""
    write_rows(rejected, (_drop_row(drop) for drop in drops))
    write_examples(path, kept)


def _drop_row(drop: Drop) -> dict[str, Any]:
    about = {"id": drop.example.id, "reason": drop.reason}
    return {
        **about,
        **({"duplicate_of": drop.duplicate_of} if drop.duplicate_of else {}),
        "example": as_row(drop.example),
    }


def command(
    domain: DomainOption = None,
    recipe: RecipeOption = "",
    source: Annotated[Path | None, typer.Option("--input", help="Rows to filter; default: what combine wrote.")] = None,
    tokenizer: Annotated[
        Path | None, typer.Option(help="A model's folder: lengths are counted by its tokenizer.")
    ] = None,
    min_tokens: Annotated[
        int | None, typer.Option(min=1, help="Shortest row kept; default: the recipe's, or 8.")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=16, help="Longest row kept; default: the recipe's, or 2048.")
    ] = None,
    drop_safety_level: Annotated[
        list[str] | None, typer.Option(help="Leave rows of this level out; repeatable.")
    ] = None,
    paraphrases: Annotated[bool, typer.Option(help="Look for paraphrases with the embedder.")] = True,
    target: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Leave out rows that are wrong, ungrounded or there twice; every drop is logged with its reason."""
    settings = read_settings(domain=domain)
    pack = load_domain(settings.domain, settings.domains_dir)
    layout = BuildLayout(settings.build_dir / pack.name)
    examples = list(read_examples(source or layout.examples("combine")))
    config = dataset_config(
        pack,
        recipe,
        min_tokens=min_tokens,
        max_tokens=max_tokens,
        drop_safety_levels=drop_safety_level,
    )
    sections = section_texts(read_sections(layout.sections)) if layout.sections.is_file() else {}
    if not sections and any(example.sections for example in examples):
        raise DataError(f"There is no {layout.sections} to compare rows with.", "Make it: savia dataset parse")
    if tokenizer is None:
        say("Lengths are estimated, three characters a token; --tokenizer MODEL_FOLDER counts them.")
    with progress_bar() as progress:
        kept, drops = filter_examples(
            examples,
            sections,
            config,
            language=pack.config.language,
            allowed=f"{pack.config.disclaimer}\n{pack.config.refusal}",
            count=load_token_count(tokenizer) if tokenizer else estimate_tokens,
            embedder=build_embedder(settings, say) if paraphrases else None,
            cache=layout.folder("filter") / "vectors",
            progress=progress,
        )
    path = target or layout.examples("filter")
    write_filtered(
        kept, drops, path, path.with_name(f"{path.stem}.rejected.jsonl") if target else layout.rejected("filter")
    )
    counts = reason_counts(drops)
    if as_json:
        print_json(
            {"path": str(path), "rows": len(examples), "kept": len(kept), "dropped": len(drops), "reasons": counts}
        )
        return
    print_table(["dropped", "reason"], [[number, reason] for reason, number in counts.items()])
    output().print(f"{path}: {len(kept)} of {len(examples)} rows kept.", soft_wrap=True)


if __name__ == "__main__":
    run_command(command)
