"""Small packs for the tests of parse and generate: sections in memory, and the shipped corpus read once."""

from functools import cache
from pathlib import Path

from retrieval.documents import parse_document
from retrieval.domain import Domain, DomainConfig, load_domain
from training.data_preparation.generate_qa import generate_examples
from training.data_preparation.parse_documents import parse_documents
from training.data_preparation.sections import ParsedSection, parse_section
from training.data_preparation.templates import read_templates
from training.example import Example

ROOT = Path(__file__).resolve().parents[3]

SABILA = """\
---
title: Sábila
uses: [quemaduras, tos]
---
# Sábila

La sábila es una planta de hojas gruesas. Se cultiva en casi todo México.

## Usos

La sábila se pone en quemaduras leves. También se toma para la tos. Según la tradición aleja la envidia. Se vende fresca.

## Toxicidad

La sábila no se toma en el embarazo. En exceso causa diarrea.
"""
NOPAL = """\
---
title: Nopal
uses: [tos, golpes]
---
# Nopal

El nopal es un cacto de pencas planas.

## Usos

El nopal se usa en golpes. El jarabe de nopal se toma para la tos.
"""
CONFIG = DomainConfig(
    title="Plantas",
    language="es",
    persona="Respondes sobre plantas.",
    refusal="No lo encuentro en los documentos.",
    disclaimer="Solo con fines educativos.",
    fields=("uses",),
)


def sections_of(documents: dict[str, str]) -> list[ParsedSection]:
    """Sections of documents given as {path: text}."""
    parsed = [parse_document(path, text) for path, text in documents.items()]
    return [found for document in parsed for s in document.sections if (found := parse_section(document, s)).text]


def examples_of(documents: dict[str, str], config: DomainConfig = CONFIG, folder: Path = Path("none")) -> list[Example]:
    return list(generate_examples(config, sections_of(documents), read_templates(folder, config)))


@cache
def herbolaria() -> Domain:
    return load_domain("herbolaria", ROOT / "data" / "domains")


@cache
def shipped_sections() -> tuple[ParsedSection, ...]:
    return tuple(parse_documents(herbolaria().corpus))


@cache
def shipped_examples() -> tuple[Example, ...]:
    domain = herbolaria()
    templates = read_templates(domain.folder, domain.config)
    return tuple(generate_examples(domain.config, shipped_sections(), templates))
