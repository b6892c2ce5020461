"""How good a trained model is, beside its base, with retrieval and without: figures with intervals, and a page to read.

    savia evaluate model --model-path models/herbolaria-merged --eval-dataset data/build/herbolaria/export/test.jsonl
    savia evaluate model --model-path RUN/final --base auto --rag --limit 100

The same as a module: `python -m training.evaluate`. What was answered is kept: stopped and started again, it goes on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from assistant.backends.local_model import ModelRequest, Quantization, load_prompt
from assistant.backends.model_files import MERGE_RECORD, find_model
from assistant.backends.scripted import ScriptedBackend
from assistant.messages import Message, Options
from assistant.prompts import Budget, build_messages
from assistant.settings import read_assistant_settings
from assistant.wiring import build_assistant
from retrieval.console import (
    DomainOption,
    JsonOption,
    errors,
    escape,
    output,
    print_json,
    print_table,
    progress_bar,
    run_command,
    say,
)
from retrieval.domain import Domain, load_domain
from retrieval.errors import CorpusMissing, DomainNotFound, IndexProblem, UsageError, storage_errors
from retrieval.files import read_json, write_json
from retrieval.lexical import Analyzer
from retrieval.settings import RetrievalSettings, read_settings
from retrieval.wiring import build_embedder
from training.evaluation.answer_checks import LABELS
from training.evaluation.arms import Retrieval, Settings
from training.evaluation.items import Item, benchmark_items, holds_passages, row_items, spread
from training.evaluation.journal import open_journal
from training.evaluation.model_evaluation import Candidate, Evaluation, Plan, evaluate_models
from training.evaluation.model_report import build_report, ratio_sentence
from training.evaluation.places import AUTO, FINETUNED, FOLDER, REPORT, RESULT, name_evaluation
from training.layout import BuildLayout
from training.model_domain import run_domain
from training.rows import TrainingRow, read_rows_of

ANSWERED: Final = 50  # rows answered unless said otherwise: an interval of about +-0.14 around a rate of one half
MAX_TOKENS: Final = 512
SHOWN: Final = 3  # samples printed


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be evaluated, as a person says it."""

    model: str
    adapter: str = ""
    base: str = ""
    dataset: Path | None = None
    rag: bool | None = None
    rows: int = 0
    answers: int = ANSWERED
    benchmark: bool = True
    max_tokens: int = MAX_TOKENS
    quantization: Quantization = "auto"
    seed: int = 0


def make_plan(wanted: Wanted, domain: Domain | None, settings: RetrievalSettings, tell: Callable[[str], None]) -> Plan:
    """Models, rows and questions of an evaluation. Raises `UsageError`, `DataError`, `BackendError`, `IndexProblem`."""
    finetuned = ModelRequest(wanted.model, wanted.adapter or None, wanted.quantization)
    budget = load_prompt(finetuned).budget(wanted.max_tokens)
    path = wanted.dataset or _default_dataset(domain, settings)
    rows = read_rows_of(path, domain)
    retrieve = None if wanted.rag is False else _open_retrieval(domain, settings, budget, bool(wanted.rag), tell)
    modes = _modes(wanted.rag, rows, retrieve is not None)
    candidates = [Candidate(FINETUNED, finetuned)]
    if wanted.base:
        candidates.insert(0, Candidate("base", ModelRequest(_find_base(wanted), None, wanted.quantization)))
    chosen: dict[Retrieval, list[Item]] = {}
    asked: dict[Retrieval, list[Item]] = {}
    for mode in modes:
        finder = retrieve if mode == "rag" else None
        chosen[mode] = row_items(spread(rows, wanted.rows), domain, mode == "rag", finder)
        asked[mode] = row_items(spread(rows, wanted.answers), domain, mode == "rag", finder) if wanted.answers else []
        benchmark = wanted.benchmark and wanted.answers and (mode == "no-rag" or finder is not None)
        if benchmark and domain is not None:
            asked[mode] = [*benchmark_items(domain, finder), *asked[mode]]
    config = domain.config if domain else None
    language = config.language if config else ""
    judged = Settings(
        Options(wanted.max_tokens, 0.0, wanted.seed), language, config.refusal if config else "", Analyzer(language)
    )
    return Plan(candidates, chosen, asked, judged, str(path), domain.name if domain else "")


def evaluate(plan: Plan, folder: Path, report: Callable[[str, int, int], None]) -> Evaluation:
    """Measure, and write evaluation.json, report.html and the journal answers.jsonl into a folder."""
    with storage_errors(f"write the evaluation to {folder}"), open_journal(folder / "answers.jsonl") as journal:
        evaluation = evaluate_models(plan, journal, report)
        write_json(folder / RESULT, evaluation.as_json())
        build_report(evaluation).write(folder / REPORT)
    return evaluation


def command(
    model_path: Annotated[
        str, typer.Option("--model-path", "--model", help="A merged model or an adapter; a folder or a Hub name.")
    ],
    eval_dataset: Annotated[
        Path | None,
        typer.Option(
            help="Rows, or a file of any known layout; default: the domain's exported test rows.", show_default=False
        ),
    ] = None,
    adapter: Annotated[str, typer.Option("--adapter", "--adapter-path", help="An adapter of that model.")] = "",
    base: Annotated[
        str, typer.Option("--base", "--base-model", help="A model to compare with; auto: the one it was trained from.")
    ] = "",
    rag: Annotated[
        bool | None,
        typer.Option("--rag/--no-rag", help="With passages, or without; default: both.", show_default=False),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", "--max-samples", min=0, help="Rows answered; 0: perplexity alone.")
    ] = ANSWERED,
    rows: Annotated[int, typer.Option(min=0, help="Rows for the perplexity, evenly spread; 0: all.")] = 0,
    benchmark: Annotated[
        bool, typer.Option("--benchmark/--no-benchmark", help="Ask the pack's benchmark questions too.")
    ] = True,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer.")] = MAX_TOKENS,
    quantization: Annotated[Quantization, typer.Option(help="Hold the models in 4 or 8 bits.")] = "auto",
    seed: Annotated[int, typer.Option(help="Of whatever is drawn; answers are greedy.")] = 0,
    samples: Annotated[int, typer.Option(min=0, help="Answers printed to read.")] = SHOWN,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "--output-dir", "--output", help="Default: data/build/DOMAIN/evaluate/RUN-final.", show_default=False
        ),
    ] = None,
    domain: DomainOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a trained model: perplexity, topics, ROUGE-L, entities, numbers, safety levels, format, language, speed."""
    wanted = Wanted(
        model_path, adapter, base, eval_dataset, rag, rows, limit, benchmark, max_tokens, quantization, seed
    )
    settings = read_settings(domain=domain or _domain_of(wanted) or None)
    pack = _load_pack(settings, eval_dataset is not None and domain is None)
    plan = make_plan(wanted, pack, settings, say)
    name = name_evaluation(adapter or model_path, settings.models_dir, settings.domain, base, quantization)
    folder = output_dir or settings.build_dir / settings.domain / FOLDER / name
    with progress_bar() as report:
        evaluation = evaluate(plan, folder, report)
    if as_json:
        print_json({**{k: v for k, v in evaluation.as_json().items() if k != "answers"}, "folder": str(folder)})
        return
    _print(evaluation, samples)
    output().print(escape(str(folder / REPORT)), soft_wrap=True)


def _load_pack(settings: RetrievalSettings, optional: bool) -> Domain | None:
    try:
        return load_domain(settings.domain, settings.domains_dir)
    except DomainNotFound:
        if optional:
            return None
        raise


def _domain_of(wanted: Wanted) -> str:
    """The domain of the run that made the model."""
    return run_domain(Path(wanted.adapter or wanted.model))


def _default_dataset(domain: Domain | None, settings: RetrievalSettings) -> Path:
    if domain is not None:
        layout = BuildLayout(settings.build_dir / domain.name)
        for part in ("test", "validation"):
            path = layout.exported(part)
            if path.is_file() and path.stat().st_size:
                return path
    raise UsageError(
        f"There are no exported test rows of {settings.domain}.",
        "Run savia dataset build, or give --eval-dataset FILE.",
    )


def _find_base(wanted: Wanted) -> str:
    """The base model: named, or the one that the adapter or the merge's record names."""
    if wanted.base != AUTO:
        return wanted.base
    files = find_model(wanted.model, wanted.adapter or None)
    if files.adapter is not None:
        return files.base
    record = (files.folder / MERGE_RECORD) if files.folder else None
    if record is not None and record.is_file():
        return str(read_json(record)["base_model"])
    raise UsageError(f"{wanted.model} does not say which model it was made from.", "Name it with --base.")


def _modes(rag: bool | None, rows: list[TrainingRow], can_retrieve: bool) -> list[Retrieval]:
    if rag is not None:
        return ["rag" if rag else "no-rag"]
    return ["no-rag", "rag"] if can_retrieve or any(map(holds_passages, rows)) else ["no-rag"]


def _open_retrieval(
    domain: Domain | None, settings: RetrievalSettings, budget: Budget, required: bool, tell: Callable[[str], None]
) -> Callable[[str], list[Message]] | None:
    """Questions with the passages that the app itself would offer; None where the pack has no index and none is demanded."""
    if domain is None:
        return None
    try:
        asked = build_assistant(
            domain.name,
            settings,
            read_assistant_settings(),
            build_embedder(settings, tell),
            backend=ScriptedBackend(()),
        )
    except IndexProblem as problem:
        if required and not isinstance(problem, CorpusMissing):
            raise
        if not isinstance(problem, CorpusMissing):
            tell(f"{problem.message} Benchmark questions are asked without passages.")
        return None

    def retrieve(question: str) -> list[Message]:
        return build_messages(domain.config, question, asked.ask(question).sources, budget=budget)

    return retrieve


def _print(evaluation: Evaluation, samples: int) -> None:
    arms = evaluation.arms
    for note in evaluation.notes:
        say(note)
    table: list[list[Any]] = [["perplexity", *(f"{arm.perplexity:.3f}" for arm in arms)]]
    for name, label in LABELS.items():
        means = [arm.mean(name) for arm in arms]
        if any(means):
            table.append([label, *(f"{found[0]:.3f}" if found else "-" for found in means)])
    if any(arm.answers for arm in arms):
        table.append(["tokens per second", *(f"{arm.tokens_per_second:.1f}" for arm in arms)])
    print_table(["", *(arm.label for arm in arms)], table)
    for one, other, ratio, _ in evaluation.differences():
        errors().print(escape(f"From {one.label} to {other.label}: {ratio_sentence(ratio)}"), soft_wrap=True)
    for answered in spread(arms[-1].answers, samples) if samples else ():
        errors().print(f"[bold]{escape(answered.item.question)}[/bold]", soft_wrap=True)
        errors().print(escape(answered.written.answer), soft_wrap=True)


if __name__ == "__main__":
    run_command(command)
