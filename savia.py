"""The command line: mounts the commands of the three packages."""

import typer

from assistant.cli import app as assistant_app
from assistant.cli_evaluate import evaluate_answers
from retrieval.cli import app as retrieval_app
from retrieval.cli import evaluate_app
from retrieval.console import normalize, run_app
from training.cli import app as training_app
from training.cli_evaluate import mount_evaluation

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
app.add_typer(training_app)
evaluate_app.command("answers")(evaluate_answers)
mount_evaluation(evaluate_app)


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a gate refused, 130 interrupted."""
    run_app(app)


if __name__ == "__main__":
    main()
