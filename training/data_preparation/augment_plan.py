"""Which sections get a prompt of which kind: decided by names alone, so an edited section changes its own prompts and no others.

items = plan_items(sections, prompts.kinds, config, rows=template_rows, pair_fields=("uses",), most=100)

Within a kind, candidates are ordered by a hash of their ids; across kinds, they are dealt out by share. A section that is added or
removed moves the end of the list at most.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from retrieval.domain import DomainConfig
from training.data_preparation.augment_prompts import Kind, fits
from training.data_preparation.comparisons import pair_documents
from training.data_preparation.forms import ranked, score
from training.data_preparation.generate_qa import group_documents
from training.data_preparation.sections import ParsedSection
from training.example import Example

LEAST_WORDS = 25  # a shorter section holds no more than one fact: templates have asked for it
MOST_PAIRS = 2  # of sections, in one document


@dataclass(frozen=True, slots=True)
class Item:
    """One row to be made: from these sections, or from a row whose question is put in other words."""

    id: str
    kind: str
    sections: tuple[ParsedSection, ...]
    row: Example | None = None


def plan_items(
    sections: Sequence[ParsedSection],
    kinds: Mapping[str, Kind],
    config: DomainConfig,
    rows: Iterable[Example] = (),
    pair_fields: Sequence[str] = (),
    most: int | None = None,
) -> list[Item]:
    """All items, or the first `most`, in the order in which they are asked for."""
    by_row = _rows_by_section(rows) if any(kind.sources == "row" for kind in kinds.values()) else {}
    places: list[tuple[float, str, Item]] = []
    for name, kind in kinds.items():
        suited = [section for section in sections if _suits(section, kind, config)]
        found = sorted(
            _candidates(name, kind, sections, suited, by_row, config, pair_fields),
            key=lambda item: score("augment", item.id),
        )
        places.extend(((place + 0.5) / kind.share, name, item) for place, item in enumerate(found))
    places.sort(key=lambda entry: entry[:2])
    return [item for _, _, item in places[:most]]


def _candidates(
    name: str,
    kind: Kind,
    sections: Sequence[ParsedSection],
    suited: Sequence[ParsedSection],
    rows: Mapping[str, list[Example]],
    config: DomainConfig,
    pair_fields: Sequence[str],
) -> Iterator[Item]:
    match kind.sources:
        case "section":
            yield from (Item(f"{name}:{section.id}", name, (section,)) for section in suited)
        case "two_sections":
            for document, own in _by_document(suited):
                order = ranked(own, f"{name}:{document}", key=lambda section: section.id)
                pairs = list(zip(order[::2], order[1::2], strict=False))[:MOST_PAIRS]
                yield from (_item(name, _in_order(pair, own)) for pair in pairs)
        case "two_documents":
            yield from _compared(name, sections, suited, config, pair_fields)
        case "document":
            wanted = {section.document for section in suited}
            whole = _by_document([section for section in sections if section.document in wanted])
            # A document that is cut in the prompt cannot be said to lack anything.
            yield from (Item(f"{name}:{document}", name, tuple(own)) for document, own in whole if fits(own))
        case "row":
            known = {section.id: section for section in sections}
            for section in suited:
                if candidates := rows.get(section.id):
                    row = max(candidates, key=lambda row: score(f"{name}:{section.id}", f"{row.task}\0{row.form}"))
                    yield Item(
                        f"{name}:{section.id}",
                        name,
                        tuple(known[other] for other in row.sections if other in known),
                        row,
                    )


def _compared(
    name: str,
    sections: Sequence[ParsedSection],
    suited: Sequence[ParsedSection],
    config: DomainConfig,
    fields: Sequence[str],
) -> Iterator[Item]:
    """Two documents that share a value, by a heading that both have."""
    usable = {section.id for section in suited}
    seen: set[tuple[str, str]] = set()
    for first, second, _ in pair_documents(group_documents(sections, config.language), fields):
        if (first.id, second.id) in seen:
            continue
        seen.add((first.id, second.id))
        theirs = {section.heading: section for section in second.sections if section.id in usable}
        shared = [(own, theirs[own.heading]) for own in first.sections if own.id in usable and own.heading in theirs]
        if shared:
            yield _item(name, ranked(shared, f"{first.id}\0{second.id}", key=lambda pair: pair[0].heading)[0])


def _suits(section: ParsedSection, kind: Kind, config: DomainConfig) -> bool:
    """By type, length and role; in a pack whose headings have no roles, every section suits every kind."""
    if len(section.text.split()) < LEAST_WORDS or (kind.types and section.type not in kind.types):
        return False
    if not kind.roles or not any(rule.role for rule in config.sections.values()):
        return True
    rule = config.sections.get(section.heading)
    return rule is not None and rule.role in kind.roles


def _rows_by_section(rows: Iterable[Example]) -> dict[str, list[Example]]:
    """Rows that stand alone and have an answer, by their first section."""
    found: dict[str, list[Example]] = {}
    for row in rows:
        if row.sections and row.answerable and not row.history and row.origin == "template":
            found.setdefault(row.sections[0], []).append(row)
    return found


def _by_document(sections: Sequence[ParsedSection]) -> Iterator[tuple[str, list[ParsedSection]]]:
    for document, own in groupby(sections, key=lambda section: section.document):
        yield document, list(own)


def _in_order(pair: tuple[ParsedSection, ParsedSection], own: Sequence[ParsedSection]) -> tuple[ParsedSection, ...]:
    return tuple(section for section in own if section in pair)


def _item(name: str, sections: Sequence[ParsedSection]) -> Item:
    return Item(f"{name}:{'+'.join(section.id for section in sections)}", name, tuple(sections))
