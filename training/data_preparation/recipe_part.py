"""What the pack's recipe says about its data set, with the options of a command on top; and options that stages share.

dataset_config(pack, "", seed=7)            # the `dataset` part of the pack's qlora.yaml, with another seed
"""

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from retrieval.domain import Domain
from retrieval.errors import UsageError
from training.dataset_config import DatasetConfig
from training.recipes import load_recipe

RecipeOption = Annotated[
    str, typer.Option("--config", help="A recipe, for its `dataset` part; default: the pack's own.", show_default=False)
]

OutputOption = Annotated[
    Path | None, typer.Option("--output", help="Write here instead of the domain's build folder.", show_default=False)
]


def dataset_config(pack: Domain, recipe: str, **given: Any) -> DatasetConfig:
    """The recipe's data-set part; `given` values that are not None replace its own. Raises `RecipeInvalid`, `UsageError`."""
    values = load_recipe(pack, recipe).config.dataset.model_dump()
    try:
        return DatasetConfig.model_validate(
            {**values, **{key: value for key, value in given.items() if value is not None}}
        )
    except ValidationError as error:
        fault = error.errors()[0]
        raise UsageError(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']} ({fault['input']!r}).", "Correct it."
        ) from error
