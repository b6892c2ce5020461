"""Commands of the top floor, put together: `dataset ...`, and what trains, merges, tries and evaluates models.

A command stands with its stage, as `command` in the stage's module, so that it also runs as `python -m training.train`.
"""

from retrieval.console import command_group
from training import cli_evaluate, cli_train
from training.cli_dataset import dataset_group
from training.lazy_commands import mount_lazily

app = command_group()
dataset_app = dataset_group()
app.add_typer(dataset_app, name="dataset")
cli_train.mount(app)
cli_evaluate.mount(app)
mount_lazily(app, "trace", "training.trace")
