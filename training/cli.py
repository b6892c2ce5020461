"""Commands of the top floor, put together: `dataset ...`, and what trains, merges, tries and evaluates models.

A command stands with its stage, as `command` in the stage's module, so that it also runs as `python -m training.train`.
"""

from retrieval.console import command_group

app = command_group()
dataset_app = command_group(
    "Make a training set from documents: parse, generate, augment, import, combine, filter, split, export."
)
app.add_typer(dataset_app, name="dataset")
