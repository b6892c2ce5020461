"""`savia domains check`: what is wrong or weak in a pack, shipped or a user's own.

    check_domain(load_domain("herbolaria", domains_dir)).faults      # []

Faults make the command fail; notes do not.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from retrieval.corpus import parse_file, read_file, scan
from retrieval.documents import Document, UnreadableText
from retrieval.domain import Domain, GoldQuestion
from retrieval.errors import DomainInvalid
from retrieval.language import detect_language
from retrieval.lexical import Analyzer, stop_words
from retrieval.text import slugify

SHINGLE = 5  # words; two documents sharing most of these say the same
NEAR = 0.6  # Jaccard similarity of shingles from which two documents are near-duplicates
COMMON = 20  # a shingle in more documents than this is a formula of the corpus and finds no pair
LEAST_LANGUAGE = 200  # characters of text below which a language cannot be told

_CODE = re.compile(r"(`+)[^`\n]+\1(?!`)")
_LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(\s*<?([^)\s>]+)>?[^)]*\)")


@dataclass(frozen=True)
class CheckReport:
    """Faults and notes as sentences that name the place."""

    documents: int = 0
    sections: int = 0
    questions: int = 0
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check_domain(domain: Domain) -> CheckReport:
    """Check documents, links, gold questions and configuration of a pack."""
    faults: list[str] = []
    notes: list[str] = []
    documents = _read(domain, faults, notes) if domain.corpus.is_dir() else []
    questions = _read_lines("questions.jsonl", domain.questions, faults)
    pairs = _read_lines("pairs.jsonl", domain.pairs, faults)
    faults.extend(_broken_links(documents))
    faults.extend(_gold_faults(questions, documents))
    faults.extend(_pair_faults(pairs, questions, documents))
    notes.extend(_field_notes(domain, documents))
    notes.extend(_language_notes(domain, documents))
    notes.extend(_heading_notes(domain, documents))
    notes.extend(
        f"{one} and {other} are near-duplicates ({share:.0%})" for one, other, share in near_duplicates(documents)
    )
    notes.extend(_unasked(questions, documents) if domain.corpus.is_dir() else _without_corpus(domain))
    sections = sum(len(document.sections) for document in documents)
    return CheckReport(len(documents), sections, len(questions), faults, notes)


def _read(domain: Domain, faults: list[str], notes: list[str]) -> list[Document]:
    documents = []
    for file in scan(domain.corpus):
        reason = file.refused
        if not reason:
            try:
                documents.append(parse_file(file, read_file(file)))
            except UnreadableText as error:
                reason = str(error)
        if reason:
            faults.append(f"{file.path}: {reason}")
    for document in documents:
        notes.extend(f"{document.path}: {warning}" for warning in document.warnings)
    ids = Counter(section.id for document in documents for section in document.sections)
    faults.extend(f"section id {name} stands {count} times" for name, count in ids.items() if count > 1)
    return documents


def _broken_links(documents: list[Document]) -> list[str]:
    """Relative links to files or headings that are not there; links that leave the corpus."""
    by_path = {document.path: document for document in documents}
    faults = []
    for document in documents:
        for target in _LINK.findall(_without_code(document)):
            if "://" in target or target.startswith(("mailto:", "#")):
                continue
            path, _, anchor = unquote(target).partition("#")
            found = by_path.get(_resolve(document.path, path))
            if found is None:
                if path.endswith((".md", ".markdown")):
                    faults.append(f"{document.path}: the link {target} leads to no document")
            elif anchor and slugify(anchor) not in _anchors(found):
                faults.append(f"{document.path}: the link {target} names a heading that {found.path} does not have")
    return faults


def _without_code(document: Document) -> str:
    """The text without code, where a link is an example and leads nowhere."""
    pieces, position = [], 0
    for block in (block for section in document.sections for block in section.blocks):
        for start, end in [(block.start, block.end)] if block.kind == "code_block" else block.fences:
            pieces.append(document.text[position:start])
            position = end
    return _CODE.sub("", "".join([*pieces, document.text[position:]]))


def _anchors(document: Document) -> set[str]:
    """What a link may name after `#`: the title and every heading."""
    headings = {section.id.rpartition("/")[2].rpartition("#")[2] for section in document.sections}
    return {slugify(document.title), *headings}


def _resolve(path: str, link: str) -> str:
    """A relative link as a path inside the corpus; empty when it leads out of it."""
    parts = [] if link.startswith("/") else path.split("/")[:-1]
    for part in link.split("/"):
        if part == "..":
            if not parts:
                return ""
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def _read_lines(name: str, read: Callable[[], list[GoldQuestion]], faults: list[str]) -> list[GoldQuestion]:
    try:
        return read()
    except DomainInvalid as error:
        faults.extend(f"{name}: {fault}" for fault in error.faults)
        return []


def _gold_faults(questions: list[GoldQuestion], documents: list[Document]) -> list[str]:
    ids = {section.id for document in documents for section in document.sections}
    faults = [
        f"questions.jsonl: {question.id} names the section {name}, which does not exist"
        for question in questions
        for name in question.relevant
        if name not in ids
    ]
    texts = Counter((question.question, question.history) for question in questions)
    faults.extend(f"questions.jsonl: the question {text!r} stands {n} times" for (text, _), n in texts.items() if n > 1)
    split: dict[str, set[str]] = {}
    for question in questions:
        if question.relevant:
            split.setdefault(question.relevant[0].split("#")[0], set()).add(question.split)
    faults.extend(
        f"questions.jsonl: {name} is the first source of questions in both halves"
        for name, found in split.items()
        if len(found) > 1
    )
    return faults


def _pair_faults(pairs: list[GoldQuestion], questions: list[GoldQuestion], documents: list[Document]) -> Iterator[str]:
    """What is learnt from must exist, and must not be what is measured with."""
    ids = {section.id for document in documents for section in document.sections}
    asked = {question.question for question in questions}
    measured = {
        question.relevant[0].partition("#")[0]
        for question in questions
        if question.split == "test" and question.relevant
    }
    for pair in pairs:
        line = f"pairs.jsonl: line {pair.id.partition(':')[2]}"
        yield from (
            f"{line} names the section {name}, which does not exist" for name in pair.relevant if name not in ids
        )
        if pair.question in asked:
            yield f"{line} asks a question of questions.jsonl"
        if held := sorted({name.partition("#")[0] for name in pair.relevant} & measured):
            yield f"{line} is about {held[0]}, which questions of the test half are about"


def _field_notes(domain: Domain, documents: list[Document]) -> list[str]:
    wanted = {*domain.config.fields, *domain.config.name_fields}
    known = {name for document in documents for name in document.fields}
    notes = [
        f"domain.yaml names the field {name}, which no document has" for name in sorted(wanted - known) if documents
    ]
    notes.extend(
        f"{document.path}: no title in the front matter or as a heading"
        for document in documents
        if document.title == Path(document.path).stem
    )
    return notes


def _language_notes(domain: Domain, documents: list[Document]) -> list[str]:
    if not stop_words(domain.config.language):
        return []
    notes = []
    for document in documents:
        found = detect_language(document.text) if len(document.text) >= LEAST_LANGUAGE else domain.config.language
        if found not in (domain.config.language, "und"):
            notes.append(f"{document.path}: looks like {found}, the domain's language is {domain.config.language}")
    return notes


def _heading_notes(domain: Domain, documents: list[Document]) -> list[str]:
    headings = {heading for document in documents for section in document.sections for heading in section.heading_path}
    return [
        f"domain.yaml describes the section {name!r}, which no document has"
        for name in domain.config.sections
        if documents and name != "top" and name not in headings
    ]


def near_duplicates(documents: list[Document]) -> list[tuple[str, str, float]]:
    """Pairs of documents that share most of their five-word runs. Linear in the text but for pairs that share runs."""
    analyzer = Analyzer("und")
    shingles = {document.path: _shingles(analyzer.words(document.text)) for document in documents}
    holders: dict[int, list[str]] = {}
    for path, found in shingles.items():
        for shingle in found:
            holders.setdefault(shingle, []).append(path)
    shared: Counter[tuple[str, str]] = Counter()
    for paths in holders.values():
        if 1 < len(paths) <= COMMON:
            shared.update((one, other) for place, one in enumerate(paths) for other in paths[place + 1 :])
    pairs = []
    for (one, other), common in shared.items():
        share = common / len(shingles[one] | shingles[other])
        if share >= NEAR:
            pairs.append((one, other, share))
    return sorted(pairs)


def _shingles(words: list[str]) -> set[int]:
    return (
        {hash(tuple(words[start : start + SHINGLE])) for start in range(max(1, len(words) - SHINGLE + 1))}
        if words
        else set()
    )


def _without_corpus(domain: Domain) -> list[str]:
    if not domain.datasets.is_dir():
        return ["there are neither documents (corpus/) nor ready-made rows (datasets/)"]
    return ["there are no documents (corpus/): the pack holds rows to train with and answers nothing from passages"]


def _unasked(questions: list[GoldQuestion], documents: list[Document]) -> list[str]:
    """One note that counts the sections no gold question asks about, by heading."""
    if not questions:
        return ["there are no gold questions (questions.jsonl): retrieval cannot be measured"]
    asked = {name for question in questions for name in question.relevant}
    unasked = Counter(
        section.heading_path[-1] if section.heading_path else "(introduction)"
        for document in documents
        for section in document.sections
        if section.id not in asked and section.blocks
    )
    total = sum(len([s for s in document.sections if s.blocks]) for document in documents)
    if not unasked:
        return []
    most = ", ".join(f"{heading} {count}" for heading, count in unasked.most_common(8))
    return [f"no gold question asks about {sum(unasked.values())} of {total} sections (most: {most})"]
