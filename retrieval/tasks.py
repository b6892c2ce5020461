"""What an evaluation asks: a pack's gold questions by section, or a BEIR folder's queries by document.

task = gold_task(settings, "test")
evaluate(retriever, task.queries, task.unit)
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from retrieval.beir import beir_domain, document_names, read_beir
from retrieval.calibrate import calibrate_unlabelled, read_calibration, write_calibration
from retrieval.console import progress_bar
from retrieval.domain import GoldQuestion
from retrieval.embedders import Embedder
from retrieval.errors import UsageError
from retrieval.evaluate import Query, document_of, gold_queries, section_of
from retrieval.index import Index
from retrieval.retrievers import Hit
from retrieval.settings import RetrievalSettings
from retrieval.view import View
from retrieval.wiring import domain_rewriter, open_index


@dataclass(frozen=True)
class Task:
    """`unit` names what a hit counts as; `unasked` are sections that no gold question of any split asks about."""

    name: str
    split: str
    index: Index
    queries: list[Query]
    unit: Callable[[Hit], str]
    unasked: tuple[str, ...] = ()


def gold_task(settings: RetrievalSettings, split: str) -> Task:
    """A pack's gold questions. Raises `UsageError` where the split is unknown or empty."""
    if split not in ("test", "calibration", "all"):
        raise UsageError(f"--split {split!r} is none of test, calibration, all.")
    index = open_index(settings)
    view = index.view()
    questions = index.domain.questions()
    gold = [question for question in questions if split in ("all", question.split)]
    if not gold:
        raise UsageError(
            f"The domain {index.domain.name} has no gold questions for the split {split}.",
            "Write questions.jsonl, or choose --split all.",
        )
    rewriter = domain_rewriter(index.domain, view)

    def rewrite(question: GoldQuestion) -> str:
        return rewriter.rewrite(question.question, question.history)

    asked = {section for question in questions for section in question.relevant}
    unasked = tuple(section for section in _sections(view) if section not in asked)
    return Task(index.domain.name, split, index, gold_queries(gold, rewrite), section_of, unasked)


def beir_task(folder: Path, settings: RetrievalSettings, embedder: Embedder | None) -> Task:
    """Index the collection (cached by content) with a weight calibrated on its text, never on its judgements."""
    data = read_beir(folder)
    domain = beir_domain(data, settings.build_dir)
    index = Index(domain, settings)
    with progress_bar() as progress:
        report = index.sync(embedder, progress)
    if (
        embedder
        and report.state == "complete"
        and read_calibration(index.folder, embedder.fingerprint).source == "default"
    ):
        write_calibration(index.folder, calibrate_unlabelled(index.view(), embedder))
    names = document_names(domain)
    queries = [Query(name, text, data.qrels[name]) for name, text in data.queries.items() if name in data.qrels]

    def unit(hit: Hit) -> str:
        return names[document_of(hit)]

    return Task(folder.name, "test", index, queries, unit)


def _sections(view: View) -> list[str]:
    return list(dict.fromkeys(view.section_of(row)[0] for row in range(len(view))))
