"""What all commands share: results go to stdout, progress and notices to stderr, options are spelled with - or _ alike."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from retrieval.errors import SaviaError, UsageError

DomainOption = Annotated[
    str | None,
    typer.Option("--domain", "-d", help="The domain pack; default SAVIA_DOMAIN, else herbolaria.", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
WhereOption = Annotated[
    list[str] | None,
    typer.Option("--where", help="field=value, repeatable: only documents with that front matter.", show_default=False),
]

MOST_SHOWN = 10  # refused files and warnings printed; the rest is counted

_STAGES = {
    "read": "Reading documents",
    "embed": "Embedding passages",
    "add": "Writing to Chroma",
    "delete": "Removing old passages",
    "ask": "Asking questions",
}


@cache
def errors() -> Console:
    """The console for people: stderr."""
    return Console(stderr=True, highlight=False)


@cache
def output() -> Console:
    """The console for results: stdout."""
    return Console(highlight=False)


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def normalize(token: str) -> str:
    """`--base_url` is `--base-url`; called with an option's name without its hyphens, or a command's, never with a value."""
    return token.replace("_", "-")


def parse_where(conditions: list[str] | None) -> dict[str, str] | None:
    """`field=value` options as a mapping. Raises `UsageError`."""
    found = {}
    for condition in conditions or ():
        name, separator, value = condition.partition("=")
        if not separator or not name.strip() or not value.strip():
            raise UsageError(
                f"--where {condition!r} is no condition.", "Write field=value, such as --where family=Lamiaceae."
            )
        found[name.strip()] = value.strip()
    return found or None


def command_group(help_text: str = "") -> typer.Typer:
    """A group of commands with the house's spelling of options."""
    return typer.Typer(help=help_text, no_args_is_help=True, context_settings={"token_normalize_func": normalize})


def escape(text: str) -> str:
    """Text that Rich prints as it is."""
    return text.replace("[", r"\[")


def say(text: str) -> None:
    """A notice for people."""
    errors().print(f"[yellow]Note:[/yellow] {escape(text)}", soft_wrap=True)


def print_reasons(label: str, reasons: dict[str, str]) -> None:
    """What was refused or odd, by path; the first few, then a count."""
    for path, reason in list(reasons.items())[:MOST_SHOWN]:
        errors().print(f"[yellow]{label}[/yellow] {escape(path)}: {escape(reason)}", soft_wrap=True)
    if len(reasons) > MOST_SHOWN:
        errors().print(f"... and {len(reasons) - MOST_SHOWN} more (--json lists all)")


def print_table(columns: list[str], rows: list[list[Any]]) -> None:
    """Aligned columns of any width: a table that is cut at 80 characters is worth nothing in a log."""
    cells = [columns, *([str(value) for value in row] for row in rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(columns))]
    for row in cells:
        typer.echo("  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip())


@contextmanager
def progress_bar() -> Iterator[Any]:
    """A `Progress` callback (stage, done, total) drawn on stderr with an estimate of the time left."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors(), transient=False) as progress:
        tasks: dict[str, Any] = {}

        def report(stage: str, done: int, total: int) -> None:
            if not total:
                return
            if stage not in tasks:
                tasks[stage] = progress.add_task(_STAGES.get(stage, stage), total=total)
            progress.update(tasks[stage], completed=done, total=total)

        yield report


def run_app(app: typer.Typer) -> None:
    """Run a command line to its end. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a gate refused, 130 interrupted."""
    try:
        app()
    except SaviaError as error:
        errors().print(f"[red]Error:[/red] {escape(error.message)}", soft_wrap=True)
        if error.mend:
            errors().print(escape(error.mend.strip()), soft_wrap=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        errors().print("Interrupted. Nothing is lost; run the same command again to go on.")
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone (`savia search ... | head`)
        sys.exit(0)


def run_command(command: Callable[..., None]) -> None:
    """Run one command as a module of its own: `python -m training.train --config ...`."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(context_settings={"token_normalize_func": normalize, "help_option_names": ["-h", "--help"]})(command)
    run_app(app)
