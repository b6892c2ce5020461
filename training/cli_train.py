"""Commands that make models, put together: `train`, `tiny-base`, `push`; each stands in its own module."""

import typer

from training.lazy_commands import mount_lazily


def mount(app: typer.Typer) -> None:
    """Add the commands to `savia`."""
    mount_lazily(app, "train", "training.train")
    mount_lazily(app, "tiny-base", "training.tiny_base")
    mount_lazily(app, "push", "training.hub")
