"""Commands of the ground floor: packs, index, search, evaluation. They read options and print; the work is done elsewhere."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from retrieval.beir import beir_domain, document_names, read_beir
from retrieval.calibrate import calibrate, calibrate_unlabelled, read_calibration, write_calibration
from retrieval.check import check_domain
from retrieval.console import (
    DomainOption,
    JsonOption,
    WhereOption,
    errors,
    normalize,
    output,
    parse_where,
    print_json,
    progress_bar,
)
from retrieval.domain import GoldQuestion, list_domains, load_domain
from retrieval.embedders import Embedder
from retrieval.errors import EmbedderUnavailable, IndexMissing, UsageError
from retrieval.evaluate import Query, document_of, evaluate, gold_queries, section_of, summarise
from retrieval.files import write_atomically
from retrieval.index import Index, SyncReport
from retrieval.retrievers import NAMES, Hit, Method
from retrieval.scaffold import create_pack
from retrieval.settings import RetrievalSettings, read_settings
from retrieval.wiring import build_embedder, domain_rewriter, index_retriever, subject_names, usable_embedder

MOST_SHOWN = 10  # refused files and warnings printed; the rest is counted


def _group(help_text: str) -> typer.Typer:
    return typer.Typer(help=help_text, no_args_is_help=True, context_settings={"token_normalize_func": normalize})


app = _group("")
index_app = _group("Build, check and describe a domain's index.")
domains_app = _group("List and check domain packs.")
evaluate_app = _group("Measure how well questions are answered.")
app.add_typer(index_app, name="index")
app.add_typer(domains_app, name="domains")
app.add_typer(evaluate_app, name="evaluate")


@app.command()
def init(
    name: Annotated[str, typer.Argument(help="The new domain's name: lower-case letters, digits, hyphens.")],
    source: Annotated[Path, typer.Option("--from", help="A folder of Markdown files; they are copied.")],
    title: Annotated[str, typer.Option(help="Shown to readers; default: the name.")] = "",
    language: Annotated[str, typer.Option(help="Code such as es; default: detected.")] = "",
) -> None:
    """Make a working pack from a folder of Markdown."""
    report = create_pack(name, source, read_settings().domains_dir, title, language)
    output().print(
        f"Made {report.folder}: {report.documents} documents, {report.sections} sections, language {report.language}."
    )
    _print_reasons("Left out", report.refused)
    output().print(f'Next: savia index sync --domain {name}, then savia ask --domain {name} "..."', soft_wrap=True)


@domains_app.command("list")
def list_packs(as_json: JsonOption = False) -> None:
    """The packs that are there."""
    settings = read_settings()
    rows = []
    for name in list_domains(settings.domains_dir):
        domain = load_domain(name, settings.domains_dir)
        index = Index(domain, settings)
        try:
            view = index.view()
            state = f"{len(view)} passages, {view.state}"
        except IndexMissing:
            state = "not indexed"
        rows.append({"name": name, "title": domain.config.title, "language": domain.config.language, "index": state})
    if as_json:
        print_json(rows)
    else:
        _print_table(["name", "title", "language", "index"], [list(row.values()) for row in rows])


@domains_app.command("check")
def check_pack(name: Annotated[str, typer.Argument(help="The domain to check.")], as_json: JsonOption = False) -> None:
    """Look for faults in a pack: links, ids, gold questions, front matter, languages, near-duplicates, unasked sections."""
    settings = read_settings()
    report = check_domain(load_domain(name, settings.domains_dir))
    if as_json:
        print_json(asdict(report))
    else:
        for fault in report.faults:
            output().print(f"[red]fault[/red]  {_plain(fault)}", soft_wrap=True)
        for note in report.notes:
            output().print(f"[yellow]note[/yellow]   {_plain(note)}", soft_wrap=True)
        output().print(
            f"{report.documents} documents, {report.sections} sections, {report.questions} questions: {len(report.faults)} faults, {len(report.notes)} notes"
        )
    if report.faults:
        raise typer.Exit(1)


@index_app.command()
def sync(domain: DomainOption = None, as_json: JsonOption = False) -> None:
    """Bring the index in step with the documents; only what changed is read, embedded and written."""
    settings = read_settings(domain=domain)
    index = _index(settings)
    embedder = build_embedder(settings, _say)
    _print_report(sync_with_progress(index, embedder), as_json)


def sync_with_progress(index: Index, embedder: Embedder | None, fresh: bool = False) -> SyncReport:
    """Sync (or rebuild) with a progress bar, then calibrate where no calibration fits the embedder yet."""
    with progress_bar() as progress:
        report = index.rebuild(embedder, progress) if fresh else index.sync(embedder, progress)
    complete = report.state == "complete" and report.passages > 0
    if embedder and complete and read_calibration(index.folder, embedder.fingerprint).source == "default":
        calibrate_index(index, embedder)
    return report


def calibrate_index(index: Index, embedder: Embedder) -> None:
    with errors().status("Calibrating the fusion of words and vectors"):
        write_calibration(index.folder, calibrate(index.domain, index.view(), embedder))


@index_app.command()
def rebuild(domain: DomainOption = None, as_json: JsonOption = False) -> None:
    """Make the whole index anew from the documents; the old one answers until the new one is whole."""
    settings = read_settings(domain=domain)
    index = _index(settings)
    report = sync_with_progress(index, build_embedder(settings, _say), fresh=True)
    _print_report(report, as_json)


@index_app.command()
def verify(domain: DomainOption = None, as_json: JsonOption = False) -> None:
    """Compare files, read view and Chroma; exit 1 when they disagree."""
    report = _index(read_settings(domain=domain)).verify()
    if as_json:
        print_json({**asdict(report), "sound": report.sound})
    else:
        output().print(
            f"{report.files} files, {report.passages} passages, {report.rows} rows in Chroma: {report.missing} missing, "
            f"{report.orphans} orphans, {report.duplicates} duplicates, {report.outdated} documents out of date",
            soft_wrap=True,
        )
        for fault in report.faults:
            output().print(f"[red]fault[/red] {fault}")
    if not report.sound:
        errors().print("Mend it: savia index sync (or, if that does not help, savia index rebuild)")
        raise typer.Exit(1)


@index_app.command("calibrate")
def calibrate_command(domain: DomainOption = None, as_json: JsonOption = False) -> None:
    """Learn the fusion weight and the abstention threshold from the pack's calibration questions, or from the text alone."""
    settings = read_settings(domain=domain)
    index = _index(settings)
    view = index.view()
    embedder = usable_embedder(view, build_embedder(settings, _say))
    if embedder is None:
        raise EmbedderUnavailable(
            "There are no vectors to weigh against BM25 in this index.", "Run savia index sync first."
        )
    calibrate_index(index, embedder)
    _print_calibration(index, embedder.fingerprint, as_json)


@index_app.command()
def stats(domain: DomainOption = None, as_json: JsonOption = False) -> None:
    """Count what the index holds and show what it was calibrated to."""
    index = _index(read_settings(domain=domain))
    view = index.view()
    fingerprint = (view.meta["embedder"] or {}).get("fingerprint", "")
    types: dict[str, int] = {}
    sections = 0
    for number in range(len(view.documents)):
        record = json.loads(view.documents[number])
        types[record["type"] or "."] = types.get(record["type"] or ".", 0) + 1
        sections += len(record["sections"])
    calibration = asdict(read_calibration(index.folder, fingerprint))
    found = {
        "domain": index.domain.name,
        "state": view.state,
        "documents": len(view.documents),
        "documents_by_type": types,
        "sections": sections,
        "passages": len(view),
        "terms": len(view.vocabulary.terms),
        "refused": {path: entry["refused"] for path, entry in view.files.items() if "refused" in entry},
        "embedder": fingerprint or None,
        "passage_tokens": view.meta["cap"],
        "bytes": sum(path.stat().st_size for path in index.folder.rglob("*") if path.is_file()),
        "calibration": calibration,
    }
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        if name == "calibration":
            value = (
                f"dense weight {calibration['weight']} ({calibration['source']}, {calibration['questions']} questions)"
            )
        output().print(f"{name.replace('_', ' '):18} {_plain(str(value))}", soft_wrap=True)


@app.command()
def search(
    question: Annotated[str, typer.Argument(help="What to look for.")],
    domain: DomainOption = None,
    retriever: Annotated[str, typer.Option(help=f"One of {', '.join(NAMES)}.")] = "hybrid",
    limit: Annotated[int, typer.Option("--limit", "-k", min=1, max=1000, help="Passages shown.")] = 5,
    where: WhereOption = None,
    fusion: Annotated[str, typer.Option(help="zscore or rrf (hybrid only).")] = "zscore",
    as_json: JsonOption = False,
) -> None:
    """Show the passages that a question finds, with their scores and spans."""
    settings = read_settings(domain=domain)
    index = _index(settings)
    view = index.view()
    embedder = None if retriever == "bm25" else build_embedder(settings, _say)
    if view.state != "complete" and retriever != "bm25":
        _say(f"The index is {view.state}: vectors are still missing; run savia index sync.")
    names = subject_names(index.domain, view)
    finder = index_retriever(retriever, index, view, embedder, _method(fusion), names=names)
    found = finder.search(question, limit, parse_where(where))
    if as_json:
        print_json([_hit_record(hit) for hit in found])
        return
    for hit in found:
        scores = ", ".join(f"{name} {value:.3f}" for name, value in hit.scores.items())
        output().print(
            f"[bold]{hit.rank}. {_plain(hit.passage.section_id)}[/bold]  {hit.score:.3f} ({scores})  {hit.document.path}:{hit.passage.start}-{hit.passage.end}",
            soft_wrap=True,
        )
        output().print(f"   {_plain(' '.join(hit.passage.text.split()))[:300]}", soft_wrap=True)
    if not found:
        output().print("Nothing found.")


@evaluate_app.command("retrieval")
def evaluate_retrieval(
    domain: DomainOption = None,
    beir: Annotated[Path | None, typer.Option(help="A BEIR folder instead of a domain.")] = None,
    retriever: Annotated[
        list[str] | None, typer.Option(help=f"Repeatable: {', '.join(NAMES)}. Default: bm25 and hybrid.")
    ] = None,
    split: Annotated[str, typer.Option(help="Gold questions asked: test, calibration or all.")] = "test",
    rows: Annotated[Path | None, typer.Option(help="Write one JSON line per query and retriever to this file.")] = None,
    fusion: Annotated[str, typer.Option(help="zscore or rrf (hybrid only).")] = "zscore",
    as_json: JsonOption = False,
) -> None:
    """Measure retrievers on a pack's gold questions (by section) or on a BEIR folder (by document)."""
    settings = read_settings(domain=domain)
    chosen = retriever or ["bm25", "hybrid"]
    for name in chosen:
        if name not in NAMES:
            raise UsageError(f"There is no retriever {name!r}.", f"Choose one of {', '.join(NAMES)}.")
    embedder = None if chosen == ["bm25"] else build_embedder(settings, _say)
    index, queries, unit = _beir_task(beir, settings, embedder) if beir else _gold_task(settings, split)
    view = index.view()
    names = subject_names(index.domain, view)
    summaries: list[dict[str, Any]] = []
    lines: list[str] = []
    for name in chosen:
        with progress_bar() as progress:
            found = evaluate(
                index_retriever(name, index, view, embedder, _method(fusion), names=names),
                queries,
                unit,
                lambda done: progress("ask", done, len(queries)),
            )
        summaries.append(summarise(name, found))
        lines.extend(json.dumps({"retriever": name, **asdict(row)}, ensure_ascii=False) for row in found)
    if rows:
        write_atomically(rows, ("\n".join(lines) + "\n").encode())
    if as_json:
        print_json(summaries)
        return
    table = [
        [
            s["retriever"],
            s["queries"],
            *(f"{v:.4f}" for v in s["metrics"].values()),
            *(f"{v:.1f}" for v in s["latency_ms"].values()),
        ]
        for s in summaries
    ]
    _print_table(["retriever", "queries", *summaries[0]["metrics"], "p50 ms", "p95 ms"], table)


def _gold_task(settings: RetrievalSettings, split: str) -> tuple[Index, list[Query], Any]:
    if split not in ("test", "calibration", "all"):
        raise UsageError(f"--split {split!r} is none of test, calibration, all.")
    index = _index(settings)
    view = index.view()
    gold = [question for question in index.domain.questions() if split in ("all", question.split)]
    if not gold:
        raise UsageError(
            f"The domain {index.domain.name} has no gold questions for the split {split}.",
            "Write questions.jsonl, or choose --split all.",
        )
    rewriter = domain_rewriter(index.domain, view)

    def rewrite(question: GoldQuestion) -> str:
        return rewriter.rewrite(question.question, question.history)

    return index, gold_queries(gold, rewrite), section_of


def _beir_task(folder: Path, settings: RetrievalSettings, embedder: Embedder | None) -> tuple[Index, list[Query], Any]:
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

    return index, queries, unit


def _index(settings: RetrievalSettings) -> Index:
    return Index(load_domain(settings.domain, settings.domains_dir), settings)


def _method(name: str) -> Method:
    if name == "zscore" or name == "rrf":
        return "zscore" if name == "zscore" else "rrf"
    raise UsageError(f"--fusion {name!r} is none of zscore, rrf.")


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


def _print_report(report: SyncReport, as_json: bool) -> None:
    if as_json:
        print_json(asdict(report))
        return
    output().print(
        f"{report.added} added, {report.changed} changed, {report.deleted} deleted, {report.unchanged} unchanged; "
        f"{report.passages} passages, {report.embedded} embedded, {report.state}, {report.seconds:.1f} s",
        soft_wrap=True,
    )
    _print_reasons("Refused", report.refused)
    _print_reasons("Warning", {path: "; ".join(found) for path, found in report.warnings.items()})


def _print_reasons(label: str, reasons: dict[str, str]) -> None:
    for path, reason in list(reasons.items())[:MOST_SHOWN]:
        errors().print(f"[yellow]{label}[/yellow] {_plain(path)}: {_plain(reason)}", soft_wrap=True)
    if len(reasons) > MOST_SHOWN:
        errors().print(f"... and {len(reasons) - MOST_SHOWN} more (--json lists all)")


def _print_calibration(index: Index, fingerprint: str, as_json: bool) -> None:
    found = read_calibration(index.folder, fingerprint)
    if as_json:
        print_json(asdict(found))
        return
    output().print(f"Dense weight {found.weight} ({found.source}, {found.questions} questions)")
    for weight, value in (found.curve or {}).items():
        output().print(f"  {float(weight):.2f}  {value:.4f}  {'#' * round(value * 60)}")
    if found.threshold:
        output().print(f"Answers are given from a confidence of {found.threshold['threshold']:.2f}")


def _print_table(columns: list[str], rows: list[list[Any]]) -> None:
    """Aligned columns of any width: a table that is cut at 80 characters is worth nothing in a log."""
    cells = [columns, *([str(value) for value in row] for row in rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(columns))]
    for row in cells:
        typer.echo("  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip())


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


def _say(text: str) -> None:
    errors().print(f"[yellow]Note:[/yellow] {_plain(text)}", soft_wrap=True)
