"""Rows that templates cannot make, written by a model behind an OpenAI-compatible server, checked, and paid for once.

    savia dataset augment --preset vllm --max-samples 100 --dry-run
    python -m training.data_preparation.augment_with_llm --data-dir docs/ --max-samples 100 --budget 5usd

Every reply is kept in `augment/journal.jsonl`; `examples.jsonl` and `rejected.jsonl` are made from it alone, in the order of the
plan. So a run can be stopped or killed at any time, and the next one goes on; `--offline` makes the files again without a call.
"""

import asyncio
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from retrieval.console import DomainOption, JsonOption, print_json, print_reasons, run_command, say
from retrieval.domain import load_domain
from retrieval.errors import DataError
from retrieval.files import write_json
from retrieval.settings import read_settings
from training.data_preparation.asking import Asker
from training.data_preparation.augment_job import (
    Job,
    RunSettings,
    derive,
    plan_job,
    read_last_settings,
    read_template_rows,
    settings_file,
)
from training.data_preparation.augment_report import (
    count_outcomes,
    estimate_plan,
    plan_json,
    print_plan,
    print_summary,
    show_progress,
    spent_json,
)
from training.data_preparation.augment_run import Result, run_items
from training.data_preparation.augmentation import Outcome
from training.data_preparation.budget import PRICES, Budget, Price, read_budget, read_price
from training.data_preparation.completions import connect
from training.data_preparation.endpoints import Endpoint, PresetName, choose_endpoint
from training.data_preparation.journal import Journal, open_journal, read_journal
from training.data_preparation.pacing import Pace
from training.data_preparation.parse_documents import (
    DataDirOption,
    DocTypeOption,
    check_types,
    corpus_of,
    parse_documents,
)

CONCURRENCY = 8
TIMEOUT = 120.0  # seconds for a whole reply; models that reason at length need more


@dataclass(frozen=True, slots=True)
class Limits:
    """How fast, how long and how much a run may ask."""

    budget: Budget = Budget()  # noqa: RUF009 (frozen)
    concurrency: int = CONCURRENCY
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    timeout: float = TIMEOUT


async def ask_all(job: Job, endpoint: Endpoint, limits: Limits, price: Price | None, journal: Journal) -> Result:
    """Ask for everything that the journal lacks."""
    async with connect(endpoint, limits.timeout) as server:
        pace = Pace(time.monotonic, limits.requests_per_minute, limits.tokens_per_minute)
        asker = Asker(server, journal, limits.budget, price, pace)
        with show_progress(len(job.items), price) as progress:
            return await run_items(job.items, job.writer, asker, limits.concurrency, progress.update)


def command(
    domain: DomainOption = None,
    data_dir: DataDirOption = None,
    doc_type: DocTypeOption = None,
    preset: Annotated[
        PresetName | None,
        typer.Option(
            help="Whose server; default: the vendor whose key is set (OPENAI_API_KEY, ANTHROPIC_API_KEY), else vllm."
        ),
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="Any OpenAI-compatible server, such as http://127.0.0.1:8000/v1.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The model's name there; vllm: default the first one served.")
    ] = None,
    max_samples: Annotated[
        int | None,
        typer.Option(
            "--max-samples", "--augmented-samples", min=1, help="Rows to ask for, earlier ones included; default 100."
        ),
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option(help="Only this kind (comparison, safety, ...); repeatable.")
    ] = None,
    budget: Annotated[
        list[str] | None,
        typer.Option(help="Most that all runs together may cost: 200calls, 2000000tokens or 5usd; repeatable."),
    ] = None,
    prices: Annotated[Path, typer.Option(help="The price table.", show_default=False)] = PRICES,
    judge: Annotated[
        bool | None, typer.Option("--judge/--no-judge", help="Have the model check each row as well; default yes.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="Calls at a time.")] = CONCURRENCY,
    requests_per_minute: Annotated[float | None, typer.Option(min=0.1, help="At most so many calls a minute.")] = None,
    tokens_per_minute: Annotated[float | None, typer.Option(min=1, help="At most so many tokens a minute.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for a whole reply.")] = TIMEOUT,
    max_tokens: Annotated[int | None, typer.Option(min=64, help="Most tokens of a reply; default 2048.")] = None,
    temperature: Annotated[float | None, typer.Option(min=0, max=2, help="Default: the server's own.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The JSONL file to write.", show_default=False)
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan with calls, tokens and cost; ask nothing.")
    ] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Make the files from the replies that are there; ask nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Have a model write rows: comparisons, mechanisms, paraphrases, ... (checked; stopped and continued at will)."""
    corpus, layout = corpus_of(domain, data_dir)
    home = read_settings(domain=domain)
    pack = load_domain(home.domain, home.domains_dir)
    last = read_last_settings(layout)
    given = {
        "model": model, "max_samples": max_samples, "kinds": tuple(kind) if kind else None, "judged": judge,
        "max_tokens": max_tokens, "temperature": temperature,
    }  # fmt: skip
    if offline and last is None and model is None:
        raise DataError(
            f"{layout.folder('augment')} holds no earlier run.", "Run savia dataset augment with a server first."
        )
    settings = (last if last and offline else RunSettings()).model_copy(
        update={n: v for n, v in given.items() if v is not None}
    )
    limits = Limits(read_budget(budget), concurrency, requests_per_minute, tokens_per_minute, timeout)
    endpoint = None if offline else _endpoint(preset, base_url, model, timeout, dry_run, last)
    settings = settings.model_copy(update={"model": endpoint.model}) if endpoint else settings
    price = read_price(prices, settings.model)
    limits.budget.check_priced(price, settings.model, prices)
    sections = list(parse_documents(corpus, doc_type or ()))
    check_types(sections, corpus, doc_type)
    job = plan_job(pack, layout, sections, read_template_rows(pack, layout, sections, data_dir is None), settings)
    if not job.items:
        raise DataError(f"Nothing in {corpus} is long enough to ask about.", "Add documents, or choose other kinds.")
    path = output or layout.examples("augment")
    rejected = path.with_name(f"{path.stem}.rejected.jsonl") if output else layout.rejected("augment")
    if dry_run:
        _show_plan(job, price, as_json)
        return
    with open_journal(job.journal) as journal:
        if endpoint:
            write_json(settings_file(layout), settings.model_dump())
        result = asyncio.run(ask_all(job, endpoint, limits, price, journal)) if endpoint else Result()
        outcomes = derive(job, journal, path, rejected)
        _report(outcomes, result, path, journal, price, limits.budget, as_json)


def _endpoint(
    preset: PresetName | None,
    base_url: str | None,
    model: str | None,
    timeout: float,
    dry_run: bool,
    last: RunSettings | None,
) -> Endpoint:
    """The server with a model's name: given, the preset's, or what is served; a plan asks no server."""
    endpoint = choose_endpoint(preset, base_url, model, os.environ)
    if endpoint.model:
        return endpoint
    if dry_run:
        return replace(endpoint, model=last.model if last else "")

    async def fetch_model() -> str:
        async with connect(endpoint, timeout) as server:
            return await server.fetch_model()

    return replace(endpoint, model=asyncio.run(fetch_model()))


def _show_plan(job: Job, price: Price | None, as_json: bool) -> None:
    plan = asyncio.run(estimate_plan(job.items, job.writer, read_journal(job.journal)))
    if as_json:
        print_json({"model": job.writer.model, **plan_json(plan, price)})
    else:
        print_plan(plan, price, job.writer.model)


def _report(
    outcomes: list[Outcome],
    result: Result,
    path: Path,
    journal: Journal,
    price: Price | None,
    budget: Budget,
    as_json: bool,
) -> None:
    """Print what came of the run; raise what ended it early."""
    summary: dict[str, Any] = {"path": str(path), **count_outcomes(outcomes), **spent_json(journal.spent, price)}
    summary["failed"] = len(result.failed)
    summary["left"] -= summary["failed"]
    if as_json:
        print_json(summary | {"failures": result.failed})
    else:
        print_summary(summary)
    print_reasons("Failed", result.failed)
    if result.out_of_budget:
        say(f"The budget is used up ({budget}); raise --budget to go on.")
    if result.fault:
        raise result.fault
    if result.interrupted:
        say("Stopped. Nothing is lost; run the same command again to go on.")
        raise KeyboardInterrupt
    if result.failed:
        raise DataError(
            f"{len(result.failed)} rows could not be asked for.", "Run the same command again: only these are asked."
        )


if __name__ == "__main__":
    run_command(command)
