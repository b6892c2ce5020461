"""The command line: mounts the commands of the three packages and turns Savia's errors into a sentence and an exit code."""

import sys

import typer

from assistant.cli import app as assistant_app
from retrieval.cli import app as retrieval_app
from retrieval.console import errors, escape, normalize
from retrieval.errors import SaviaError

app = typer.Typer(
    name="savia",
    help="A folder of Markdown becomes a private expert: it finds, it cites, it learns.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"token_normalize_func": normalize, "help_option_names": ["-h", "--help"]},
)
app.add_typer(retrieval_app)
app.add_typer(assistant_app)


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
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


if __name__ == "__main__":
    main()
