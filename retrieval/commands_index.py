"""What the commands on a domain's index do: sync, verify, rebuild, calibrate, stats. Their options: retrieval/cli.py."""

import json
from collections.abc import Iterator
from dataclasses import asdict

import typer

from retrieval.calibrate import Calibration, as_shown, read_calibration
from retrieval.calibrate_domain import calibrate, calibrate_bm25
from retrieval.confidence import SIGN_NAMES
from retrieval.console import (
    errors,
    escape,
    output,
    print_json,
    print_reasons,
    progress_bar,
    say,
)
from retrieval.embedders import Embedder
from retrieval.errors import EmbedderUnavailable, UsageError
from retrieval.index import Index
from retrieval.lexical import DEFAULT_BM25
from retrieval.rerank import RerankerRecord, read_record, reranker_folder
from retrieval.rescored import RescoredView
from retrieval.settings import read_settings
from retrieval.sync import SyncReport
from retrieval.wiring import build_embedder, open_index, usable_embedder


def sync(domain: str | None, as_json: bool) -> None:
    """Bring the index in step with the documents; only what changed is read, embedded and written."""
    settings = read_settings(domain=domain)
    index = open_index(settings)
    embedder = build_embedder(settings, say)
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
        folder = index.view().folder
        view = RescoredView(folder, DEFAULT_BM25)
        found = calibrate(index.domain, view, embedder)
        bm25 = calibrate_bm25(index.domain, view, embedder, found)
        if bm25 != DEFAULT_BM25:
            found = calibrate(index.domain, RescoredView(folder, bm25), embedder)
        index.keep_calibration(found)


def rebuild(domain: str | None, as_json: bool) -> None:
    """Make the whole index anew from the documents; the old one answers until the new one is whole."""
    settings = read_settings(domain=domain)
    index = open_index(settings)
    report = sync_with_progress(index, build_embedder(settings, say), fresh=True)
    _print_report(report, as_json)


def verify(domain: str | None, as_json: bool) -> None:
    """Compare files, read view and Chroma; exit 1 when they disagree."""
    report = open_index(read_settings(domain=domain)).verify()
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


def calibrate_domain(domain: str | None, as_json: bool) -> None:
    """Learn weights, BM25's constants and the abstention threshold from the pack's questions, or weights from the text alone."""
    settings = read_settings(domain=domain)
    index = open_index(settings)
    view = index.view()
    embedder = usable_embedder(view, build_embedder(settings, say))
    if embedder is None:
        raise EmbedderUnavailable(
            "There are no vectors to weigh against BM25 in this index.", "Run savia index sync first."
        )
    calibrate_index(index, embedder)
    _print_calibration(index, embedder.fingerprint, as_json)


def stats(domain: str | None, as_json: bool) -> None:
    """Count what the index holds and show what it was calibrated to."""
    index = open_index(read_settings(domain=domain))
    view = index.view()
    fingerprint = (view.meta["embedder"] or {}).get("fingerprint", "")
    types: dict[str, int] = {}
    sections = 0
    for number in range(len(view.documents)):
        record = json.loads(view.documents[number])
        types[record["type"] or "."] = types.get(record["type"] or ".", 0) + 1
        sections += len(record["sections"])
    calibration = read_calibration(index.folder, fingerprint)
    reranker, reranker_line = _kept_reranker(index)
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
        "calibration": as_shown(calibration),
        "reranker": reranker.as_json() if reranker else None,
    }
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        if name == "calibration":
            value = "; ".join(_calibration_lines(calibration))
        if name == "reranker":
            value = reranker_line
        output().print(f"{name.replace('_', ' '):18} {escape(str(value))}", soft_wrap=True)


def _kept_reranker(index: Index) -> tuple[RerankerRecord | None, str]:
    """The record, and a line about it: also about one that cannot be read."""
    try:
        record = read_record(reranker_folder(index.settings.models_dir, index.domain.name))
    except UsageError as error:
        return None, str(error)
    if record is None:
        return None, "none"
    return record, f"weight {record.weight} over the first {record.depth} hits, beside the embedder {record.embedder}"


def _print_report(report: SyncReport, as_json: bool) -> None:
    if as_json:
        print_json(asdict(report))
        return
    output().print(
        f"{report.added} added, {report.changed} changed, {report.deleted} deleted, {report.unchanged} unchanged; "
        f"{report.passages} passages, {report.embedded} embedded, {report.state}, {report.seconds:.1f} s",
        soft_wrap=True,
    )
    print_reasons("Refused", report.refused)
    print_reasons("Warning", {path: "; ".join(found) for path, found in report.warnings.items()})


def _print_calibration(index: Index, fingerprint: str, as_json: bool) -> None:
    found = read_calibration(index.folder, fingerprint)
    if as_json:
        print_json(as_shown(found))
        return
    for line in _calibration_lines(found):
        output().print(line, soft_wrap=True)
    for weight, value in (found.curve or {}).items():
        output().print(f"  {float(weight):.2f}  {value:.4f}  {'#' * round(value * 60)}")


def _calibration_lines(found: Calibration) -> Iterator[str]:
    pairs = f" and {found.pairs:,} pairs" if found.pairs else ""
    yield f"dense weight {found.weight} ({found.source}, {found.questions} questions{pairs})"
    k1, b = found.bm25
    yield f"BM25 with k1 {k1} and b {b}; {found.candidates} candidates of each list where Chroma serves"
    if found.prior:
        yield (
            f"a named document counts {found.prior['subject']}, another one {found.prior.get('document', 0.0)} times what it says of the "
            f"question, a kind of section asked for {found.prior['asks']}, words typical of its heading {found.prior['kind']}"
        )
        standing = sorted(found.prior["roles"].items(), key=lambda item: -item[1])
        yield "kinds of sections: " + ", ".join(f"{role} {value:+.2f}" for role, value in standing)
    if found.threshold:
        signs = zip(SIGN_NAMES, found.threshold["weights"][:-1], strict=True)  # the constant has no name
        yield "signs of an answer: " + ", ".join(f"{name} {weight:+.2f}" for name, weight in signs)
        yield f"answers are given from a confidence of {found.threshold['threshold']:.2f}"
