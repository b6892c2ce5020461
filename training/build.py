"""The whole data set in one go: the stages that are out of date are run, each from where it stopped.

savia dataset build                                   # herbolaria, templates alone: no key, no server
savia dataset build --domain my-notes --base-url http://127.0.0.1:8000/v1 --augmented-samples 200 --budget 5usd

After an edit of the documents only the rows of changed sections are made again; all others keep every byte.
"""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from retrieval.console import (
    DomainOption,
    JsonOption,
    errors,
    escape,
    output,
    print_json,
    progress_bar,
    run_command,
    say,
)
from retrieval.errors import SaviaError, storage_errors
from retrieval.lock import writer_lock
from training.build_setup import Build, open_build
from training.build_state import ProgressFile, record_step, write_state
from training.build_steps import STEPS, Step
from training.data_preparation.dataset_folder import push_to_hub
from training.data_preparation.export_dataset import FormatOption, RagOption, TagOption, check_choices
from training.data_preparation.export_files import export_folder
from training.data_preparation.recipe_part import RecipeOption

LOCK = "build.lock"  # folder of the lock: two builds of one pack would write the same files


def run_build(build: Build, fresh: bool = False) -> dict[str, Any]:
    """Run what is out of date; returns counts by stage, stages run, seconds and how rows changed.

    Raises whatever a stage raises; the stages before it stay done.
    """
    began = time.monotonic()
    ran: list[str] = []
    with writer_lock(build.layout.root / LOCK, "savia dataset build", "data set"), _told(build) as told:
        for step in STEPS:
            inputs = step.inputs(build)
            if not (fresh or _is_wanted(step, build)) and build.state.is_current(step.name, inputs, build.layout):
                continue
            _run_step(step, build, told)
            ran.append(step.name)
        build.state.corpus = build.corpus
        write_state(build.layout, build.state)
    counts = {name: build.state.steps[name].counts for name in (step.name for step in STEPS)}
    return {
        "domain": build.domain.name,
        "folder": str(export_folder(build.layout, build.config)),
        "ran": ran,
        "stages": counts,
        "changes": build.changes,
        "seconds": round(time.monotonic() - began, 1),
    }


def _is_wanted(step: Step, build: Build) -> bool:
    """Stages that were asked for: a run with a model (which asks nothing twice), passages chosen anew."""
    return (step.name == "augment" and build.llm is not None) or (step.name == "export" and build.redraw)


def _run_step(step: Step, build: Build, told: ProgressFile) -> None:
    began = time.monotonic()
    told.stage = step.name
    told.write("running")
    errors().print(f"[bold]{step.name}[/bold]")
    with (
        storage_errors(f"write the stage {step.name}"),
        redirect_stdout(sys.stderr),  # what stages print is progress here; the result is the build's
        progress_bar() as shown,
    ):
        counts = step.run(build, told.report(shown))
    # Inputs are hashed again: the augment stage's journal has grown meanwhile.
    build.state.steps[step.name] = record_step(build.layout, step.inputs(build), step.outputs(build), counts, began)
    write_state(build.layout, build.state)


@contextmanager
def _told(build: Build) -> Iterator[ProgressFile]:
    """The progress file, with its end: done, failed or interrupted."""
    told = ProgressFile(build.layout)
    try:
        yield told
    except SaviaError as error:
        told.write("failed", message=str(error))
        raise
    except BaseException as error:
        told.write("interrupted" if isinstance(error, KeyboardInterrupt) else "failed", message=type(error).__name__)
        raise
    told.write("done")


def command(
    domain: DomainOption = None,
    recipe: RecipeOption = "",
    llm: Annotated[bool, typer.Option("--llm", help="Have a model write rows too; --base-url says where.")] = False,
    preset: Annotated[
        Literal["openai", "anthropic", "vllm"] | None, typer.Option(help="Whose server; implies --llm.")
    ] = None,
    base_url: Annotated[str | None, typer.Option(help="An OpenAI-compatible server; implies --llm.")] = None,
    model: Annotated[str | None, typer.Option(help="The model's name there; implies --llm.")] = None,
    augmented_samples: Annotated[
        int | None, typer.Option("--augmented-samples", "--max-samples", min=1, help="Rows to ask the model for.")
    ] = None,
    budget: Annotated[list[str] | None, typer.Option(help="As 200calls, 2000000tokens or 5usd; repeatable.")] = None,
    template_samples: Annotated[
        int | None, typer.Option("--template-samples", min=1, help="At most so many template rows.")
    ] = None,
    rag: RagOption = None,
    form: FormatOption = None,
    tag: TagOption = None,
    seed: Annotated[int | None, typer.Option(help="Of the split and of the passages; default 42.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run every stage, up to date or not.")] = False,
    redraw: Annotated[bool, typer.Option("--redraw", help="Choose the passages of every row anew.")] = False,
    push: Annotated[str, typer.Option("--push-to-hub", help="Upload to this data set afterwards.")] = "",
    private: Annotated[bool, typer.Option("--private/--public", help="Who may see the uploaded data set.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Make the data set: all stages that are out of date, from documents to train, validation and test."""
    wanted = llm or any((preset, base_url, model))
    given = {"preset": preset, "base_url": base_url, "model": model, "max_samples": augmented_samples, "budget": budget}
    build = open_build(
        domain,
        recipe,
        {name: value for name, value in given.items() if value} if wanted else None,
        template_samples,
        redraw or fresh,
        rag=rag,
        seed=seed,
        **check_choices(form, tag),
    )
    result = run_build(build, fresh)
    if as_json:
        print_json(result)
    else:
        _print_result(result)
    if push:
        say(f"Uploaded to {push_to_hub(Path(result['folder']), push, private)}")


def summarise(stages: Mapping[str, Mapping[str, Any]]) -> str:
    """Counts by stage in one line."""

    def count(stage: str, name: str = "rows") -> int:
        return int(stages.get(stage, {}).get(name, 0))

    parts = " / ".join(f"{name} {rows:,}" for name, rows in stages.get("export", {}).get("rows", {}).items())
    return (
        f"{count('parse', 'sections'):,} sections -> {count('generate'):,} template + {count('augment'):,} llm + "
        f"{count('import'):,} imported rows -> {count('combine'):,} combined -> {count('filter'):,} kept -> {parts}"
    )


def _print_result(result: dict[str, Any]) -> None:
    changes = ", ".join(f"{count:,} {name}" for name, count in result["changes"].items())
    ran = ", ".join(result["ran"]) or "nothing: all is up to date"
    output().print(escape(f"{result['domain']}: {summarise(result['stages'])}"), soft_wrap=True)
    output().print(
        escape(f"Ran {ran}; {result['seconds']} s. {'Rows: ' + changes + '.' if changes else ''}"), soft_wrap=True
    )
    for reason, number in result["stages"].get("export", {}).get("left_out", {}).items():
        say(f"{number:,} rows were left out at export: {reason}.")
    output().print(escape(f"Next: savia train --domain {result['domain']}   ({result['folder']})"), soft_wrap=True)


if __name__ == "__main__":
    run_command(command)
