"""Template rows from sections: questions people ask, the thinking about this very passage, answers in the section's own words.

    python -m training.data_preparation.generate_qa --domain herbolaria

Each sentence of an answer stands word for word (after `assistant.citations.plain`) in one of the row's sections, apart from a
short opening such as "Sobre la sábila:" and the titles that name the two sides of a comparison. Rows depend on their own
sections, on the documents' titles, fields and headings, and on templates and settings: nothing is counted across rows, so
one edited section remakes its own rows and leaves every other byte alone.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import typer

from retrieval.console import DomainOption, JsonOption, print_json, print_table, progress_bar, run_command, say
from retrieval.domain import Domain, DomainConfig, load_domain
from retrieval.errors import storage_errors
from retrieval.settings import read_settings
from training.data_preparation.comparisons import ParsedDocument, generate_pair_examples, pair_documents
from training.data_preparation.grammar import ARTICLE_FIELD, make_subject
from training.data_preparation.parse_documents import (
    DataDirOption,
    DocTypeOption,
    check_types,
    corpus_of,
    parse_documents,
)
from training.data_preparation.refusals import generate_refusal_examples
from training.data_preparation.section_rows import generate_section_examples
from training.data_preparation.sections import ParsedSection
from training.data_preparation.template_schema import Templates
from training.data_preparation.templates import read_templates
from training.data_preparation.turns import generate_turn_examples
from training.example import Example, write_examples

MOST_TURN_DOCUMENTS = 1_000  # beyond that, more conversations of the same kind teach nothing new


def generate_examples(
    config: DomainConfig, sections: Iterable[ParsedSection], templates: Templates
) -> Iterator[Example]:
    """All template rows, in the order of documents: rows of sections, conversations, comparisons, refusals."""
    documents = group_documents(sections, config.language)
    for number, document in enumerate(documents):
        for section in document.sections:
            yield from generate_section_examples(document.subject, section, templates, config)
        if number < MOST_TURN_DOCUMENTS:
            yield from generate_turn_examples(document, templates, config)
    fields = templates.comparisons.fields or config.fields
    for first, second, shared in pair_documents(documents, fields):
        yield from generate_pair_examples(first, second, shared, templates, config)
    yield from generate_refusal_examples(documents, templates, config)


def group_documents(sections: Iterable[ParsedSection], language: str) -> list[ParsedDocument]:
    """Sections by document, with what each document is about; sections of a document must follow each other."""
    documents = []
    for _, found in groupby(sections, key=lambda section: section.document):
        own = tuple(found)
        article = own[0].fields.get(ARTICLE_FIELD, "")
        subject = make_subject(
            own[0].title, (section.text for section in own), language, article if isinstance(article, str) else ""
        )
        documents.append(ParsedDocument(subject, own))
    return documents


def count_examples(examples: Sequence[Example]) -> dict[str, Any]:
    """Counts by task, type and form, and how far the questions differ."""
    forms = Counter(example.form for example in examples)
    return {
        "rows": len(examples),
        "tasks": dict(sorted(Counter(example.task for example in examples).items())),
        "types": dict(sorted(Counter(example.type for example in examples).items())),
        "forms": len(forms),
        "most_used_form": dict(forms.most_common(1)),
        "distinct_questions": len({example.question for example in examples}),
        "sections": len({name for example in examples for name in example.sections}),
    }


def command(
    domain: DomainOption = None,
    data_dir: DataDirOption = None,
    doc_type: DocTypeOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The JSONL file to write.", show_default=False)
    ] = None,
    template_samples: Annotated[
        int | None,
        typer.Option("--template-samples", min=1, help="At most so many rows, spread evenly.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make rows from templates: questions, reasoning and answers, grounded in the sections."""
    corpus, layout = corpus_of(domain, data_dir)
    pack = _load(domain)
    templates = read_templates(pack.folder, pack.config)
    sections = list(parse_documents(corpus, doc_type or ()))
    check_types(sections, corpus, doc_type)
    examples = _collect(generate_examples(pack.config, sections, templates), len(sections))
    if template_samples is not None:
        examples = spread(examples, template_samples)
    target = output or layout.examples("generate")
    with storage_errors("write the rows"):
        write_examples(target, examples)
    counted = count_examples(examples)
    say(f"{counted['rows']:,} rows written to {target}.")
    if as_json:
        print_json(counted)
    else:
        _print_counts(counted)


def spread(examples: Sequence[Example], most: int) -> list[Example]:
    """At most so many rows, taken at even steps so that every part of the corpus is there."""
    if len(examples) <= most:
        return list(examples)
    return [examples[place * len(examples) // most] for place in range(most)]


def _collect(examples: Iterator[Example], sections: int) -> list[Example]:
    kept: list[Example] = []
    done: set[str] = set()
    with progress_bar() as report:
        for example in examples:
            kept.append(example)
            done.update(example.sections)
            report("Writing rows", len(done), sections)
    return kept


def _load(domain: str | None) -> Domain:
    settings = read_settings(domain=domain)
    return load_domain(settings.domain, settings.domains_dir)


def _print_counts(counted: dict[str, Any]) -> None:
    print_table(["task", "rows"], [[name or "(none)", n] for name, n in counted["tasks"].items()])
    typer.echo("")
    print_table(["type", "rows"], [[name or "(none)", n] for name, n in counted["types"].items()])
    form, most = next(iter(counted["most_used_form"].items()), ("", 0))
    typer.echo(
        f"\n{counted['rows']:,} rows, {counted['distinct_questions']:,} distinct questions, {counted['forms']:,} forms; "
        f"the most used ({form}) has {most}"
    )


if __name__ == "__main__":
    run_command(command)
