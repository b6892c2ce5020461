"""From a pack's name and a person's options to the build that they mean.

build = open_build("herbolaria", rag=False)
"""

from typing import Any

from retrieval.domain import load_domain
from retrieval.settings import read_settings
from training.build_state import read_state
from training.build_steps import Build
from training.data_preparation.recipe_part import dataset_config
from training.layout import BuildLayout


def open_build(
    domain: str | None,
    recipe: str = "",
    llm: dict[str, Any] | None = None,
    template_samples: int | None = None,
    redraw: bool = False,
    **overrides: Any,
) -> Build:
    """A pack's build as the settings and the recipe have it. Raises `DomainError`, `RecipeInvalid`, `UsageError`."""
    settings = read_settings(domain=domain)
    pack = load_domain(settings.domain, settings.domains_dir)
    layout = BuildLayout(settings.build_dir / pack.name)
    config = dataset_config(pack, recipe, **overrides)
    return Build(settings, pack, layout, config, read_state(layout), llm, template_samples, redraw)
