"""What the commands on packs and searches do. Their options: retrieval/cli.py."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer

from retrieval.check import check_domain
from retrieval.console import (
    escape,
    output,
    parse_where,
    print_json,
    print_reasons,
    print_table,
    say,
)
from retrieval.domain import list_domains, load_domain
from retrieval.errors import CorpusMissing, IndexMissing
from retrieval.index import Index
from retrieval.retrievers import Hit
from retrieval.scaffold import create_pack
from retrieval.scaffold_rows import create_pack_from_rows
from retrieval.settings import read_settings
from retrieval.wiring import build_embedder, fusion_method, index_retriever, open_index, subject_names


def init(name: str, source: Path, title: str, language: str) -> None:
    """Make a working pack from a folder of Markdown, or from questions and answers alone."""
    if source.expanduser().is_file():
        _init_from_rows(name, source, title, language)
        return
    report = create_pack(name, source, read_settings().domains_dir, title, language)
    output().print(
        f"Made {report.folder}: {report.documents} documents, {report.sections} sections, language {report.language}."
    )
    print_reasons("Left out", report.refused)
    output().print(f'Next: savia index sync --domain {name}, then savia ask --domain {name} "..."', soft_wrap=True)


def _init_from_rows(name: str, source: Path, title: str, language: str) -> None:
    report = create_pack_from_rows(name, source, read_settings().domains_dir, title, language)
    output().print(
        f"Made {report.folder}: {report.answered} questions with answers among {report.rows} rows, language {report.language}."
    )
    say(
        "The pack has no documents: nothing can be searched or cited. It can make a training set, and a model can be taught."
    )
    output().print(f"Next: savia dataset build --domain {name}", soft_wrap=True)


def list_packs(as_json: bool) -> None:
    """The packs that are there."""
    settings = read_settings()
    rows = []
    for name in list_domains(settings.domains_dir):
        domain = load_domain(name, settings.domains_dir)
        index = Index(domain, settings)
        try:
            view = index.view()
            state = f"{len(view)} passages, {view.state}"
        except CorpusMissing:
            state = "no documents"
        except IndexMissing:
            state = "not indexed"
        rows.append({"name": name, "title": domain.config.title, "language": domain.config.language, "index": state})
    if as_json:
        print_json(rows)
    else:
        print_table(["name", "title", "language", "index"], [list(row.values()) for row in rows])


def check_pack(name: str, as_json: bool) -> None:
    """Look for faults in a pack: links, ids, gold questions, front matter, languages, near-duplicates, unasked sections."""
    settings = read_settings()
    report = check_domain(load_domain(name, settings.domains_dir))
    if as_json:
        print_json(asdict(report))
    else:
        for fault in report.faults:
            output().print(f"[red]fault[/red]  {escape(fault)}", soft_wrap=True)
        for note in report.notes:
            output().print(f"[yellow]note[/yellow]   {escape(note)}", soft_wrap=True)
        output().print(
            f"{report.documents} documents, {report.sections} sections, {report.questions} questions: {len(report.faults)} faults, {len(report.notes)} notes"
        )
    if report.faults:
        raise typer.Exit(1)


def search(
    question: str,
    domain: str | None,
    retriever: str,
    limit: int,
    where: list[str] | None,
    fusion: str,
    as_json: bool,
) -> None:
    """Show the passages that a question finds, with their scores and spans."""
    settings = read_settings(domain=domain)
    index = open_index(settings)
    view = index.view()
    embedder = None if retriever == "bm25" else build_embedder(settings, say)
    if view.state != "complete" and retriever != "bm25":
        say(f"The index is {view.state}: vectors are still missing; run savia index sync.")
    names = subject_names(index.domain, view)
    finder = index_retriever(retriever, index, view, embedder, fusion_method(fusion), names=names)
    found = finder.search(question, limit, parse_where(where))
    if as_json:
        print_json([_hit_record(hit) for hit in found])
        return
    for hit in found:
        scores = ", ".join(f"{name} {value:.3f}" for name, value in hit.scores.items())
        output().print(
            f"[bold]{hit.rank}. {escape(hit.passage.section_id)}[/bold]  {hit.score:.3f} ({scores})  {hit.document.path}:{hit.passage.start}-{hit.passage.end}",
            soft_wrap=True,
        )
        output().print(f"   {escape(' '.join(hit.passage.text.split()))[:300]}", soft_wrap=True)
    if not found:
        output().print("Nothing found.")


def _hit_record(hit: Hit) -> dict[str, Any]:
    passage = hit.passage
    return {
        "rank": hit.rank,
        "passage_id": passage.id,
        "document": passage.document_id,
        "section": passage.section_id,
        "title": hit.document.title,
        "path": hit.document.path,
        "span": [passage.start, passage.end],
        "score": hit.score,
        "scores": hit.scores,
        "text": passage.text,
    }
