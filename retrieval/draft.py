"""Documents that changed, parsed, cut and written into a new view; everything else is carried over.

    view = write_draft(index_folder, domain, meta, before, plan, counter, cap, pool, ready, progress)

The draft answers by words at once; its vectors are those that the pool has and Chroma holds already.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.corpus import CorpusFile, parse_file, read_file
from retrieval.documents import Document, UnreadableText
from retrieval.domain import Domain, DomainConfig
from retrieval.lexical import Analyzer
from retrieval.passages import TokenCounter, split_documents
from retrieval.plan import Plan
from retrieval.vectors import VectorPool
from retrieval.view import View
from retrieval.view_writer import ViewWriter

PARSE_BATCH = 64  # documents parsed, tokenized and written at once: bounds memory

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total); stages are read, embed, add, delete."""


def write_draft(
    folder: Path,
    domain: Domain,
    meta: Mapping[str, Any],
    before: View | None,
    plan: Plan,
    counter: TokenCounter,
    cap: int,
    pool: VectorPool | None,
    ready: NDArray[np.uint64],
    progress: Progress,
) -> View:
    """The new view, not published. `ready` are the passage ids that Chroma holds; a failed draft leaves nothing behind."""
    writer = ViewWriter(folder, Analyzer(domain.config.language), meta)
    try:
        if before is not None:
            writer.keep(before, plan.keep)
        for start in range(0, len(plan.read), PARSE_BATCH):
            progress("read", start, len(plan.read))
            documents = list(_parse(plan.read[start : start + PARSE_BATCH], plan.files))
            for document, passages in zip(documents, split_documents(documents, counter, cap), strict=True):
                headings = {section.id: section.heading_path for section in document.sections}
                aliases = [" ".join(_aliases(domain, headings[passage.section_id])) for passage in passages]
                writer.add(document, passages, _other_names(domain, document), aliases)
        progress("read", len(plan.read), len(plan.read))
        return View(writer.finish(plan.files, domain.config.fields, pool, ready))
    except BaseException:
        writer.abandon()
        raise


def _parse(files: Sequence[CorpusFile], entries: dict[str, dict[str, str]]) -> Iterable[Document]:
    """Documents of readable files; an unreadable one gets its reason in `entries`."""
    for file in files:
        try:
            yield parse_file(file, read_file(file))
        except UnreadableText as error:
            entries[file.path] = {**entries[file.path], "refused": str(error)}


def _other_names(domain: Domain, document: Document) -> str:
    names: list[str] = []
    for name in domain.config.name_fields:
        value = document.fields.get(name, ())
        names.extend([value] if isinstance(value, str) else value)
    return " ".join(names)


def _aliases(domain: Domain, heading_path: tuple[str, ...]) -> Iterable[str]:
    for heading in heading_path or ("top",):
        rule = domain.config.sections.get(heading)
        if rule:
            yield from rule.aliases


def synonym_terms(config: DomainConfig) -> dict[str, list[str]]:
    """The pack's synonyms as index terms; words that are no single term are left out."""
    analyzer = Analyzer(config.language)
    found: dict[str, list[str]] = {}
    for word, others in config.synonyms.items():
        terms = analyzer.terms(word)
        if len(terms) == 1:
            known = found.setdefault(terms[0], [])
            known.extend(term for other in others for term in analyzer.terms(other) if term not in known)
    return found
