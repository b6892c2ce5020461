"""Commands of the ground floor: their options and help. What they do stands in commands*.py, imported when a command runs,
so that `savia --help` answers in a fifth of a second.
"""

from pathlib import Path
from typing import Annotated

import typer

from retrieval.console import DomainOption, JsonOption, WhereOption, command_group

RETRIEVERS = "bm25, dense, exact, hybrid, adapted, rerank"  # retrieval.retrievers.NAMES, without its imports
DOMAIN_STEPS, BEIR_STEPS = 120, 80  # of `savia adapt`: a pack's questions are of several sorts, a collection's of one

app = command_group()
index_app = command_group("Build, check and describe a domain's index.")
domains_app = command_group("List and check domain packs.")
evaluate_app = command_group("Measure how well questions are answered.")
app.add_typer(index_app, name="index")
app.add_typer(domains_app, name="domains")
app.add_typer(evaluate_app, name="evaluate")

FusionOption = Annotated[str, typer.Option(help="zscore or rrf (hybrid only).")]


@app.command()
def init(
    name: Annotated[str, typer.Argument(help="The new domain's name: lower-case letters, digits, hyphens.")],
    source: Annotated[
        Path,
        typer.Option(
            "--from", help="A folder of Markdown files, or a .json/.jsonl file of questions and answers; copied."
        ),
    ],
    title: Annotated[str, typer.Option(help="Shown to readers; default: the name.")] = "",
    language: Annotated[str, typer.Option(help="Code such as es; default: detected.")] = "",
) -> None:
    """Make a working pack from a folder of Markdown, or from questions and answers alone."""
    from retrieval.commands import init

    init(name, source, title, language)


@domains_app.command("list")
def list_packs(as_json: JsonOption = False) -> None:
    """The packs that are there."""
    from retrieval.commands import list_packs

    list_packs(as_json)


@domains_app.command("check")
def check_pack(name: Annotated[str, typer.Argument(help="The domain to check.")], as_json: JsonOption = False) -> None:
    """Look for faults in a pack: links, ids, gold questions, front matter, languages, near-duplicates, unasked sections."""
    from retrieval.commands import check_pack

    check_pack(name, as_json)


@index_app.command()
def sync(domain: DomainOption = None, as_json: JsonOption = False) -> None:
    """Bring the index in step with the documents; only what changed is read, embedded and written."""
    from retrieval.commands_index import sync

    sync(domain, as_json)


@index_app.command()
def rebuild(domain: DomainOption = None, as_json: JsonOption = False) -> None:
    """Make the whole index anew from the documents; the old one answers until the new one is whole."""
    from retrieval.commands_index import rebuild

    rebuild(domain, as_json)


@index_app.command()
def verify(domain: DomainOption = None, as_json: JsonOption = False) -> None:
    """Compare files, read view and Chroma; exit 1 when they disagree."""
    from retrieval.commands_index import verify

    verify(domain, as_json)


@index_app.command()
def calibrate(domain: DomainOption = None, as_json: JsonOption = False) -> None:
    """Learn the fusion weight and the abstention threshold from the pack's calibration questions, or from the text alone."""
    from retrieval.commands_index import calibrate_domain

    calibrate_domain(domain, as_json)


@index_app.command()
def stats(domain: DomainOption = None, as_json: JsonOption = False) -> None:
    """Count what the index holds and show what it was calibrated to."""
    from retrieval.commands_index import stats

    stats(domain, as_json)


@app.command()
def adapt(
    domain: DomainOption = None,
    beir: Annotated[Path | None, typer.Option(help="A BEIR folder instead of a domain.")] = None,
    held_out: Annotated[
        float | None,
        typer.Option(
            min=0.05,
            max=0.95,
            help="Share of the documents that only judge. Default: 0.25 of a domain, 0.4 of a BEIR folder.",
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"Training steps of the embedder, about 2 seconds each on two cores. Default: {DOMAIN_STEPS} of a domain, "
            f"{BEIR_STEPS} of a BEIR folder.",
            show_default=False,
        ),
    ] = None,
    reranker: Annotated[
        bool, typer.Option(help="Also train a reranker, kept only if it puts the first hits into a better order.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option(help="Where a BEIR folder's embedder is kept; default: below models/embedders.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Teach the embedder the domain's own words; kept only if held-out documents are found significantly better."""
    from retrieval.commands_adapt import AdaptOptions, adapt_collection, adapt_domain, check_together
    from retrieval.rerank_train import RerankPlan

    check_together(domain, beir, output)
    plan = RerankPlan() if reranker else None
    if beir:
        adapt_collection(beir, output, AdaptOptions(held_out or 0.4, steps or BEIR_STEPS, plan, as_json))
    else:
        adapt_domain(domain, AdaptOptions(held_out or 0.25, steps or DOMAIN_STEPS, plan, as_json))


@app.command()
def search(
    question: Annotated[str, typer.Argument(help="What to look for.")],
    domain: DomainOption = None,
    retriever: Annotated[str, typer.Option(help=f"One of {RETRIEVERS}.")] = "hybrid",
    limit: Annotated[int, typer.Option("--limit", "-k", min=1, max=1000, help="Passages shown.")] = 5,
    where: WhereOption = None,
    fusion: FusionOption = "zscore",
    as_json: JsonOption = False,
) -> None:
    """Show the passages that a question finds, with their scores and spans."""
    from retrieval.commands import search

    search(question, domain, retriever, limit, where, fusion, as_json)


@evaluate_app.command("retrieval")
def evaluate_retrieval(
    domain: DomainOption = None,
    beir: Annotated[Path | None, typer.Option(help="A BEIR folder instead of a domain.")] = None,
    retriever: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Repeatable: {RETRIEVERS}; hybrid takes settings, as in hybrid:weight=0.3,prior=off. "
            "Default: bm25 and hybrid."
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="Gold questions asked: test, calibration or all.")] = "test",
    fusion: FusionOption = "zscore",
    metric: Annotated[str, typer.Option(help="What is compared and gated.")] = "ndcg@10",
    baseline: Annotated[Path | None, typer.Option(help="An evaluation stored before, to compare with.")] = None,
    gate: Annotated[bool, typer.Option("--gate", help="Exit 3 where a retriever lost significantly.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write one HTML page with plots to this file.")] = None,
    output: Annotated[Path | None, typer.Option(help="Store the evaluation in this file: a baseline.")] = None,
    rows: Annotated[Path | None, typer.Option(help="Write one JSON line per query and retriever to this file.")] = None,
    run: Annotated[list[Path] | None, typer.Option(help="A TREC run file, measured beside the retrievers.")] = None,
    qrels: Annotated[Path | None, typer.Option(help="TREC judgements used instead of the gold ones.")] = None,
    write_trec: Annotated[Path | None, typer.Option(help="Write TREC run and qrels files to this folder.")] = None,
    worst: Annotated[int, typer.Option(min=0, help="Worst questions shown.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Measure retrievers on a pack's gold questions (by section) or on a BEIR folder (by document)."""
    from retrieval.commands_evaluate import EvaluateOptions, evaluate_retrieval

    files = (baseline, gate, report, output, rows, run or (), qrels, write_trec)
    evaluate_retrieval(EvaluateOptions(domain, beir, retriever or (), split, fusion, metric, *files, worst, as_json))
