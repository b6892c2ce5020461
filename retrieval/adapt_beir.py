"""A BEIR folder as something to adapt on: the judgements of some documents teach, those of the others judge.

    lesson = read_lesson(read_beir(folder), task, held_out=0.4)
    lesson.pairs, lesson.queries

Whole groups of documents are held out (the paragraphs of an article, the sections of a disease): no subject is on both sides.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from retrieval.adapt_pairs import Asked, Pair, build_pairs
from retrieval.beir import BeirData, document_names
from retrieval.evaluate import Query
from retrieval.tasks import Task
from retrieval.view import View


@dataclass(frozen=True)
class Lesson:
    """`queries` are about held-out documents alone, `pairs` about the others alone; `group_of` has every document's group."""

    pairs: list[Pair]
    queries: list[Query]
    group_of: Mapping[str, str]


def read_lesson(data: BeirData, task: Task, held_out: float) -> Lesson:
    """Pairs and test queries of an indexed collection."""
    view, theirs = task.index.view(), document_names(task.index.domain)
    hidden = held_out_documents(data, held_out)
    ours = {name: identity for identity, name in theirs.items()}
    group_of = {identity: data.groups[name] for identity, name in theirs.items()}
    sections = _sections(view)
    asked = []
    for query in task.queries:
        right = [ours[name] for name in _right(query) if name in ours]
        asked.append(Asked(query.text, tuple(section for identity in right for section in sections.get(identity, ()))))
    pairs = build_pairs(view, asked, frozenset(ours[name] for name in hidden), group_of)
    queries = [query for query in task.queries if _right(query) and set(_right(query)) <= hidden]
    return Lesson(pairs, queries, group_of)


def held_out_documents(data: BeirData, share: float) -> frozenset[str]:
    """The documents of an exact share of the groups, the same ones every time."""
    groups = sorted(set(data.groups.values()), key=lambda name: hashlib.sha256(name.encode()).digest())
    chosen = set(groups[: round(share * len(groups))])
    return frozenset(name for name, group in data.groups.items() if group in chosen)


def _right(query: Query) -> list[str]:
    return [name for name, grade in query.relevant.items() if grade > 0]


def _sections(view: View) -> dict[str, list[str]]:
    documents = (view.document(number) for number in range(len(view.documents)))
    return {document.id: [section for section, _ in document.sections] for document in documents}
