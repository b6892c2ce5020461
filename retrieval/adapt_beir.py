"""A BEIR folder as something to adapt on: the judgements of some documents teach, those of the others judge.

    lesson = read_lesson(read_beir(folder), task, 0.4, progress)
    lesson.pairs, lesson.queries

Whole groups of documents are held out (the paragraphs of an article, the sections of a disease): no subject is on both sides.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from retrieval.adapt_pairs import Asked, Pair, build_pairs, spread
from retrieval.adapt_run import Progress
from retrieval.adapt_sources import MOST_PAIRS
from retrieval.beir import BeirData, document_names
from retrieval.errors import UsageError
from retrieval.evaluate import Query
from retrieval.tasks import Task
from retrieval.view import View


@dataclass(frozen=True)
class Lesson:
    """`queries` are about held-out documents alone, `pairs` about the others alone; `group_of` has every document's group."""

    pairs: list[Pair]
    queries: list[Query]
    group_of: Mapping[str, str]


def read_lesson(data: BeirData, task: Task, held_out: float, progress: Progress, most: int = MOST_PAIRS) -> Lesson:
    """Test queries and up to `most` pairs of an indexed collection. Raises `UsageError` where nothing can be held out."""
    view, names = task.index.view(), document_names(task.index.domain)
    hidden = held_out_documents(data, held_out)
    group_of = {identity: data.groups[name] for identity, name in names.items()}
    teaching = spread(
        [query for query in task.queries if _right(query) and not hidden.intersection(_right(query))], most
    )
    asked = _asked(teaching, names, _sections(view), progress)
    pairs = build_pairs(view, asked, frozenset(one for one, name in names.items() if name in hidden), group_of)
    queries = [query for query in task.queries if _right(query) and set(_right(query)) <= hidden]
    return Lesson(pairs, queries, group_of)


def held_out_documents(data: BeirData, share: float) -> frozenset[str]:
    """The documents of an exact share of the groups, the same ones every time; at least one group judges and one teaches."""
    groups = sorted(set(data.groups.values()), key=lambda name: hashlib.sha256(name.encode()).digest())
    if len(groups) < 2:
        raise UsageError(
            f"All documents of the collection {data.folder} are of one group, so none can be held out to judge.",
            "Give documents on different subjects different titles, or different metadata.document, in corpus.jsonl.",
        )
    count = min(max(round(share * len(groups)), 1), len(groups) - 1)
    chosen = set(groups[:count])
    return frozenset(name for name, group in data.groups.items() if group in chosen)


def _asked(
    queries: Sequence[Query], names: Mapping[str, str], sections: Mapping[str, Sequence[str]], progress: Progress
) -> Iterator[Asked]:
    """Judged queries with our sections of their right documents; `names` maps our document ids to the collection's."""
    identity_of = {name: identity for identity, name in names.items()}
    for done, query in enumerate(queries, 1):
        right = [identity_of[name] for name in _right(query) if name in identity_of]
        yield Asked(query.text, tuple(section for identity in right for section in sections.get(identity, ())))
        progress("Reading judgements", done, len(queries))


def _right(query: Query) -> list[str]:
    return [name for name, grade in query.relevant.items() if grade > 0]


def _sections(view: View) -> dict[str, list[str]]:
    documents = (view.document(number) for number in range(len(view.documents)))
    return {document.id: [section for section, _ in document.sections] for document in documents}
