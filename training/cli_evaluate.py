"""Commands on models that are trained, and on gold questions: `merge`, `try`, `evaluate model` and `evaluate propose`; each stands in its own module."""

import typer

from training.lazy_commands import mount_lazily


def mount(app: typer.Typer) -> None:
    """Add the commands to `savia`."""
    mount_lazily(app, "merge", "training.merge_adapter")
    mount_lazily(app, "try", "training.try_model")


def mount_evaluation(evaluate_app: typer.Typer) -> None:
    """Add `model` and `propose` to the group of `savia evaluate`."""
    mount_lazily(evaluate_app, "model", "training.evaluate")
    mount_lazily(evaluate_app, "propose", "training.propose")
