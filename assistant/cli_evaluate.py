"""`savia evaluate answers`: its options, and what it does with them."""

import os
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from retrieval.console import DomainOption, JsonOption

Item = TypeVar("Item")


def evaluate_answers(
    domain: DomainOption = None,
    backend: Annotated[
        list[str] | None, typer.Option(help="Repeatable: extractive, local, vllm. Default: SAVIA_BACKEND.")
    ] = None,
    split: Annotated[str, typer.Option(help="Gold questions asked: test, calibration or all.")] = "test",
    limit: Annotated[int, typer.Option(min=0, help="Ask only so many, evenly spread; 0: all.")] = 0,
    judge_url: Annotated[
        str, typer.Option(help="An OpenAI-compatible server whose model judges the answers too.")
    ] = "",
    judge_model: Annotated[str, typer.Option(help="The judge's model; its key is read from SAVIA_JUDGE_API_KEY.")] = "",
    report: Annotated[Path | None, typer.Option(help="Write one HTML page with plots to this file.")] = None,
    output: Annotated[Path | None, typer.Option(help="Write all figures and answers as JSON to this file.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the gold questions and measure the answers: refusals, citations, support, topics, language, time."""
    from pydantic import SecretStr

    from assistant.evaluate_answers import AnswersFound, build_answers_report, evaluate_backend
    from assistant.judge import Judge
    from assistant.settings import read_assistant_settings
    from assistant.wiring import build_assistant
    from retrieval.console import print_json, progress_bar, say
    from retrieval.errors import UsageError
    from retrieval.files import write_json
    from retrieval.settings import read_settings
    from retrieval.wiring import build_embedder

    if bool(judge_url) != bool(judge_model):
        raise UsageError("A judge needs both --judge-url and --judge-model.")
    key = os.environ.get("SAVIA_JUDGE_API_KEY")
    judge = Judge(judge_url, judge_model, SecretStr(key) if key else None) if judge_url else None
    settings = read_settings(domain=domain)
    embedder = build_embedder(settings, say)
    found: dict[str, AnswersFound] = {}
    for name in backend or [read_assistant_settings().backend]:
        assistant = build_assistant(settings.domain, settings, read_assistant_settings(backend=name), embedder)
        questions = _spread([q for q in assistant.domain.questions() if split in ("all", q.split)], limit)
        if not questions:
            raise UsageError(f"The domain {settings.domain} has no gold questions for the split {split}.")
        with progress_bar() as progress:

            def tell(done: int, total: int, label: str = name) -> None:
                progress(f"Asking {label}", done, total)

            found[name] = evaluate_backend(assistant, questions, tell, judge, topics=not limit)
    figures = {name: one.as_json() for name, one in found.items()}
    if output:
        write_json(output, figures)
    if report:
        build_answers_report(settings.domain, found).write(report)
    shown = {name: {key: value for key, value in one.items() if key != "rows"} for name, one in figures.items()}
    if as_json:
        print_json(shown)
    else:
        _print(shown)


def _spread(items: list[Item], limit: int) -> list[Item]:
    step = len(items) / limit if 0 < limit < len(items) else 1
    return [items[int(place * step)] for place in range(min(limit or len(items), len(items)))]


def _print(figures: dict[str, dict[str, object]]) -> None:
    from retrieval.console import print_table

    names = [name for name in next(iter(figures.values())) if name != "risk_coverage"]
    rows = [[name.replace("_", " "), *(_shown(one[name]) for one in figures.values())] for name in names]
    print_table(["", *figures], rows)


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(part)}" for name, part in value.items())
    return f"{value:.3f}" if isinstance(value, float) else "-" if value is None else str(value)
