"""Candidate gold questions for sections that nobody asks about yet, written to a file for a person to read and correct.

    savia evaluate propose --domain herbolaria --output candidates.jsonl

The wording comes from the pack's templates and, where a language model has written rows (`savia dataset augment`), from those: they
ask in other words than the document. Nothing is added to questions.jsonl by itself: a gold question is one that a person has read.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from retrieval.console import DomainOption, JsonOption, output, print_json, run_command
from retrieval.domain import Domain, GoldQuestion, load_domain
from retrieval.errors import UsageError
from retrieval.settings import read_settings
from training.data_preparation.generate_qa import group_documents
from training.data_preparation.parse_documents import parse_documents
from training.data_preparation.section_rows import generate_section_examples
from training.data_preparation.templates import read_templates
from training.example import Example, read_examples, write_rows
from training.layout import BuildLayout

PARAPHRASE = "paraphrase"  # the augment task whose questions are in other words
TEST_SHARE = 0.5  # of the documents, by hash, where a pack has no split of its own yet


def propose_questions(
    domain: Domain, written: Iterable[Example], limit: int = 0, everything: bool = False
) -> list[dict[str, Any]]:
    """Rows in the format of questions.jsonl: one a section without gold (`everything`: every section), language-model rows first.

    The split is that of the document's other questions, else by the hash of its id: a document never stands on both sides.
    """
    gold = domain.questions()
    asked = {section for question in gold for section in question.relevant}
    known = {_folded(question.question) for question in gold}
    splits = document_splits(gold)
    seen: set[str] = set()
    found = []
    for example, kind in [*_written(written), *((example, "direct") for example in _templates(domain))]:
        section = example.sections[0]
        taken = section in seen or (section in asked and not everything)
        if taken or _folded(example.question) in known:
            continue
        seen.add(section)
        known.add(_folded(example.question))
        document = section.partition("#")[0]
        split = splits.get(document) or ("test" if _share(document) < TEST_SHARE else "calibration")
        row = {"question": example.question, "kind": kind, "relevant": list(example.sections), "split": split}
        found.append({"id": f"p-{example.id}", **row})
    return found[:limit] if limit else found


def document_splits(gold: Sequence[GoldQuestion]) -> dict[str, str]:
    """Document id -> the split of its questions; documents asked about in both have none."""
    sides: dict[str, set[str]] = {}
    for question in gold:
        for section in question.relevant:
            sides.setdefault(section.partition("#")[0], set()).add(question.split)
    return {document: min(found) for document, found in sides.items() if len(found) == 1}


def command(
    domain: DomainOption = None,
    to: Annotated[
        Path | None, typer.Option("--output", help="The file to write; default: data/build/<domain>/proposed.jsonl.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="At most so many; 0: all.")] = 0,
    everything: Annotated[bool, typer.Option("--all", help="Also for sections that have gold questions.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write candidate gold questions for sections that nobody asks about, to be read and corrected by a person."""
    settings = read_settings(domain=domain)
    layout = BuildLayout(settings.build_dir / settings.domain)
    path = layout.examples("augment")
    written = list(read_examples(path)) if path.is_file() else []
    rows = propose_questions(load_domain(settings.domain, settings.domains_dir), written, limit, everything)
    if not rows:
        raise UsageError(f"Every section of {settings.domain} has a gold question.", "Ask for more with --all.")
    target = to or layout.root / "proposed.jsonl"
    write_rows(target, rows)
    if as_json:
        print_json(rows)
    else:
        output().print(
            f"{len(rows)} candidates in {target}. Read them, correct them, and append the good ones to questions.jsonl.",
            soft_wrap=True,
            markup=False,
        )


def _written(examples: Iterable[Example]) -> Iterator[tuple[Example, str]]:
    """Questions by a language model that stand alone and have one section."""
    for example in examples:
        if example.answerable and not example.history and len(example.sections) == 1:
            yield example, "other_words" if example.task == PARAPHRASE else "direct"


def _templates(domain: Domain) -> Iterator[Example]:
    templates = read_templates(domain.folder, domain.config)
    sections = parse_documents(domain.corpus)
    for document in group_documents(sections, domain.config.language):
        for section in document.sections:
            yield from generate_section_examples(document.subject, section, templates, domain.config)[:1]


def _folded(question: str) -> str:
    return " ".join(question.lower().split())


def _share(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32


if __name__ == "__main__":
    run_command(command)
