"""One section of a document as a row of `parse/sections.jsonl`: what every later stage knows about the corpus.

    write_sections(path, sections); list(read_sections(path))

The hash covers what a reader of the section sees (title, heading path, text), so an edit elsewhere in the file leaves it alone.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from retrieval.documents import Document, Section
from retrieval.errors import DataError
from retrieval.front_matter import FieldValue
from training.example import read_rows, write_rows

TOP = "top"  # how `domain.yaml` and `templates.yaml` name the text above the first heading
HASH_LENGTH = 16  # hex digits, as for rows


@dataclass(frozen=True, slots=True)
class ParsedSection:
    """`text` is the section's Markdown without its heading; `type` is the document's first folder."""

    id: str
    document: str
    title: str
    type: str
    path: str
    heading_path: tuple[str, ...]
    text: str
    hash: str
    fields: dict[str, FieldValue]

    @property
    def heading(self) -> str:
        """The innermost heading, or `top`."""
        return self.heading_path[-1] if self.heading_path else TOP

    @property
    def source(self) -> str:
        """Where the text stands, as prompts and citations label it: `Sábila › Toxicidad`."""
        return " › ".join((self.title, *self.heading_path))


def parse_section(document: Document, section: Section) -> ParsedSection:
    text = document.text[section.start : section.end].strip()
    seen = json.dumps([document.title, section.heading_path, text], ensure_ascii=False)
    digest = hashlib.sha256(seen.encode("utf-8", "surrogatepass")).hexdigest()[:HASH_LENGTH]
    return ParsedSection(
        section.id,
        document.id,
        document.title,
        document.type,
        document.path,
        section.heading_path,
        text,
        digest,
        document.fields,
    )


def write_sections(path: Path, sections: Iterable[ParsedSection]) -> None:
    """One JSON line a section, written whole or not at all."""
    write_rows(path, (asdict(section) for section in sections))


def read_sections(path: Path) -> Iterator[ParsedSection]:
    """Sections in the file's order. Raises `DataError` with the line that is none."""
    for number, row in read_rows(path):
        try:
            yield _from_row(row)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{path}, line {number} is no section ({error!s}).", "Make the file again: savia dataset parse"
            ) from error


def _from_row(row: dict[str, Any]) -> ParsedSection:
    fields = {name: value if isinstance(value, str) else tuple(value) for name, value in row["fields"].items()}
    return ParsedSection(**{**row, "heading_path": tuple(row["heading_path"]), "fields": fields})
