"""What an export leaves in its folder: rows, the `datasets` folder, card, provenance, and the passages that were chosen.

write_export(folder, exported, domain, config, layout, finder)
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from retrieval.domain import Domain
from retrieval.files import file_sha256, write_json
from training.data_preparation.chat_rows import as_row
from training.data_preparation.data_card import CardFacts, write_card
from training.data_preparation.dataset_folder import write_csv, write_dataset_folder
from training.data_preparation.export_rows import Exported, token_estimate
from training.data_preparation.kept_choices import write_choices
from training.data_preparation.row_checks import TokenCount
from training.data_preparation.row_passages import (
    PassageFinder,
)
from training.data_preparation.sections import read_sections
from training.dataset_config import DatasetConfig
from training.example import as_row as example_row
from training.example import write_rows
from training.export_history import keep_export
from training.layout import BuildLayout
from training.rows import TrainingRow, hash_rows


def write_export(
    folder: Path,
    exported: Exported,
    domain: Domain,
    config: DatasetConfig,
    layout: BuildLayout | None = None,
    finder: PassageFinder | None = None,
    count: TokenCount | None = None,
) -> dict[str, str]:
    """Write rows, `datasets` folder, card and provenance; returns the SHA-256 of the row files by name."""
    count = count or token_estimate(domain.config.language)
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


def export_folder(layout: BuildLayout, config: DatasetConfig) -> Path:
    """Messages stand in `export/` itself, where training looks; other formats below it."""
    folder = layout.folder("export")
    return folder if config.format == "messages" else folder / config.format
