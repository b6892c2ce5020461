"""One build: the pack, where its files lie, the settings of the data set, and what the person asked for.

build = open_build("herbolaria", rag=False)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from retrieval.console import say
from retrieval.corpus import scan
from retrieval.domain import Domain, load_domain
from retrieval.embedders import Embedder
from retrieval.files import file_sha256
from retrieval.settings import RetrievalSettings, read_settings
from retrieval.wiring import build_embedder
from training.build_state import BuildState, read_state
from training.data_preparation.export_dataset import has_corpus
from training.data_preparation.recipe_part import dataset_config
from training.data_preparation.sections import ParsedSection, read_sections
from training.dataset_config import DatasetConfig
from training.layout import BuildLayout

IMPORTED = (".json", ".jsonl", ".ndjson", ".gz", ".xml", ".parquet")


@dataclass
class Build:
    """One pack's build: where things lie, the settings of the data set, and what the person asked for."""

    settings: RetrievalSettings
    domain: Domain
    layout: BuildLayout
    config: DatasetConfig
    state: BuildState
    llm: Mapping[str, Any] | None = None
    """Options for the augment stage; None: no model is asked."""
    template_samples: int | None = None
    redraw: bool = False
    changes: dict[str, int] = field(default_factory=dict)

    @cached_property
    def embedder(self) -> Embedder | None:
        return build_embedder(self.settings, say)

    @cached_property
    def corpus(self) -> dict[str, str]:
        """SHA-256 of every readable document, by path."""
        if not self.domain.corpus.is_dir():
            return {}
        return {file.path: file_sha256(file.location) for file in scan(self.domain.corpus) if not file.refused}

    @property
    def with_passages(self) -> bool:
        return self.config.rag and has_corpus(self.domain)

    def sections(self) -> list[ParsedSection]:
        return list(read_sections(self.layout.sections)) if self.layout.sections.is_file() else []

    def pack_files(self) -> list[Path]:
        """The pack's ready-made rows."""
        folder = self.domain.folder / "datasets"
        found = sorted(folder.iterdir()) if folder.is_dir() else []
        return [path for path in found if path.is_file() and path.suffix.lower() in IMPORTED]

    def imported_files(self) -> list[Path]:
        folder = self.layout.folder("import")
        return sorted(path for path in folder.glob("*.jsonl") if not path.name.endswith(".rejected.jsonl"))


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
