"""Commands that make data sets, put together: each stands as `command` in its stage's module."""

from typing import Final

import typer

from retrieval.console import command_group
from training.lazy_commands import mount_lazily

_STAGES: Final = "training.data_preparation"
MODULES: Final = {
    "plan": "training.build_plan",
    "build": "training.build",
    "parse": f"{_STAGES}.parse_documents",
    "generate": f"{_STAGES}.generate_qa",
    "augment": f"{_STAGES}.augment_with_llm",
    "import": f"{_STAGES}.import_dataset",
    "combine": f"{_STAGES}.combine",
    "filter": f"{_STAGES}.quality",
    "split": f"{_STAGES}.split",
    "export": f"{_STAGES}.export_dataset",
}
"""Verb -> the module whose `command` it runs, in the order of the stages."""


def dataset_group() -> typer.Typer:
    """`savia dataset ...`."""
    app = command_group("Make a training set from documents: plan and build do all of it, the others one stage.")
    for verb, module in MODULES.items():
        mount_lazily(app, verb, module)
    return app
