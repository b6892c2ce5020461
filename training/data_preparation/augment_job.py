"""What one augmentation works on: a pack's plan, the writer of its prompts, the settings that shape both.

job = plan_job(pack, layout, sections, rows, RunSettings(model="m"))
derive(job, read_journal(job.journal), layout.examples("augment"), layout.rejected("augment"))
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from retrieval.domain import Domain
from retrieval.errors import DataError, UsageError, storage_errors
from retrieval.files import read_json
from training.data_preparation.augment_plan import Item, plan_items
from training.data_preparation.augment_prompts import Prompts, read_prompts
from training.data_preparation.augmentation import Outcome, Writer, derive_rows, write_outcomes
from training.data_preparation.generate_qa import generate_examples
from training.data_preparation.journal import Journal
from training.data_preparation.sections import ParsedSection
from training.data_preparation.templates import read_templates
from training.example import Example, read_examples
from training.layout import BuildLayout

MAX_SAMPLES: Final = 100  # rows: a first run costs little, and shows what the model is worth
MAX_TOKENS: Final = 2048  # of a reply: reasoning, question and answer with room to spare


class RunSettings(BaseModel):
    """What shapes the rows of a run, kept as `augment/settings.json` so that `--offline` finds its replies again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = ""
    max_samples: int = MAX_SAMPLES
    kinds: tuple[str, ...] = ()
    judged: bool = True
    max_tokens: int = MAX_TOKENS
    temperature: float | None = None


@dataclass(frozen=True)
class Job:
    """A pack's plan, ready to be estimated, asked for or derived."""

    pack: Domain
    layout: BuildLayout
    items: list[Item]
    known: list[Example]  # rows that templates made: no question of theirs is asked twice
    writer: Writer

    @property
    def journal(self) -> Path:
        return self.layout.folder("augment") / "journal.jsonl"


def plan_job(
    pack: Domain, layout: BuildLayout, sections: Sequence[ParsedSection], rows: list[Example], settings: RunSettings
) -> Job:
    """The plan for a pack's sections. Raises `DomainInvalid` for faulty prompts, `UsageError` for an unknown kind."""
    prompts = _only(read_prompts(pack.folder, pack.config), settings.kinds)
    fields = read_templates(pack.folder, pack.config).comparisons.fields or pack.config.fields
    items = plan_items(sections, prompts.kinds, pack.config, rows, fields, settings.max_samples)
    writer = Writer(pack.config, prompts, settings.model, settings.max_tokens, settings.temperature, settings.judged)
    return Job(pack, layout, items, rows, writer)


def derive(job: Job, journal: Journal, path: Path, rejected: Path) -> list[Outcome]:
    """Write the rows that the journal's replies come to; no call is made."""
    outcomes = asyncio.run(derive_rows(job.items, job.writer, journal, job.known))
    with storage_errors("write the rows"):
        write_outcomes(outcomes, path, rejected)
    return outcomes


def settings_file(layout: BuildLayout) -> Path:
    return layout.folder("augment") / "settings.json"


def read_last_settings(layout: BuildLayout) -> RunSettings | None:
    """The settings of the last run; None where there was none."""
    path = settings_file(layout)
    try:
        return RunSettings.model_validate(read_json(path)) if path.is_file() else None
    except ValueError as error:
        raise DataError(
            f"{path} cannot be read ({type(error).__name__}).", "Remove it and run savia dataset augment again."
        ) from error


def read_template_rows(
    pack: Domain, layout: BuildLayout, sections: Sequence[ParsedSection], own: bool
) -> list[Example]:
    """Rows of the generate stage; made in memory where it has not run, or where `sections` are not the pack's `own`."""
    if own and layout.examples("generate").is_file():
        return list(read_examples(layout.examples("generate")))
    return list(generate_examples(pack.config, sections, read_templates(pack.folder, pack.config)))


def _only(prompts: Prompts, kinds: Sequence[str]) -> Prompts:
    unknown = [name for name in kinds if name not in prompts.kinds]
    if unknown:
        raise UsageError(f"There is no kind {unknown[0]!r}.", f"There are: {', '.join(prompts.kinds)}.")
    return (
        prompts.model_copy(update={"kinds": {n: k for n, k in prompts.kinds.items() if n in kinds}})
        if kinds
        else prompts
    )
