"""What changed since the last build, and what a build would do about it: documents, sections, rows, calls and their cost.

savia dataset plan --domain herbolaria --json
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

import typer

from retrieval.console import DomainOption, JsonOption, output, print_json, print_table, run_command
from training.build_setup import Build, open_build
from training.build_steps import STEPS, Step
from training.data_preparation.augment_job import RunSettings, plan_job, read_last_settings, read_template_rows
from training.data_preparation.augment_report import estimate_plan, plan_json
from training.data_preparation.budget import PRICES, read_price
from training.data_preparation.export_dataset import FormatOption, RagOption, TagOption, check_choices
from training.data_preparation.journal import read_journal
from training.data_preparation.parse_documents import parse_documents
from training.data_preparation.recipe_part import RecipeOption
from training.data_preparation.sections import ParsedSection
from training.example import read_rows
from training.layout import SPLITS

MOST_SHOWN = 12  # names printed for each kind of change; --json has all


@dataclass(frozen=True, slots=True)
class Changes:
    """Ids that were added, changed and removed."""

    added: list[str]
    changed: list[str]
    removed: list[str]

    def __len__(self) -> int:
        return len(self.added) + len(self.changed) + len(self.removed)

    def shown(self) -> str:
        return f"{len(self.added)} added, {len(self.changed)} changed, {len(self.removed)} removed"


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """`rows` are rows of the last build that come from changed or removed sections; `calls` what a model would still be asked
    (None where none was ever asked)."""

    domain: str
    built: bool
    documents: Changes
    sections: Changes
    rows: int
    stages: list[str]
    calls: dict[str, Any] | None = field(default=None)

    @property
    def same(self) -> bool:
        return not self.stages


def make_plan(build: Build, model: str | None = None, max_samples: int | None = None) -> BuildPlan:
    """Compare the pack with its last build; nothing is written and nobody asked."""
    now = list(parse_documents(build.domain.corpus)) if build.corpus else []
    before = {section.id: section.hash for section in build.sections()}
    sections = compare(before, {section.id: section.hash for section in now})
    touched = {*sections.changed, *sections.removed}
    return BuildPlan(
        build.domain.name,
        bool(build.state.steps),
        compare(build.state.corpus, build.corpus),
        sections,
        count_rows(build, touched),
        stages_to_run(build),
        _calls(build, now, model, max_samples),
    )


def compare(before: Mapping[str, str], after: Mapping[str, str]) -> Changes:
    """What differs between two mappings of name to hash."""
    return Changes(
        sorted(set(after) - set(before)),
        sorted(name for name in set(after) & set(before) if after[name] != before[name]),
        sorted(set(before) - set(after)),
    )


def count_rows(build: Build, sections: Iterable[str]) -> int:
    """Rows of the last split that come from one of the sections."""
    wanted = set(sections)
    paths = [build.layout.split(name) for name in SPLITS]
    rows = (row for path in paths if path.is_file() for _, row in read_rows(path))
    return sum(not wanted.isdisjoint(row.get("sections", ())) for row in rows)


def stages_to_run(build: Build) -> list[str]:
    """The first stage that is out of date and those that may follow: a later one is left out if its inputs come out the same."""
    for place, step in enumerate(STEPS):
        if not build.state.is_current(step.name, step.inputs(build), build.layout):
            later = [step for step in STEPS[place:] if step.name != "import"]
            return [step.name, *(other.name for other in later if other.name != step.name and _may_run(other, build))]
    return []


def _may_run(step: Step, build: Build) -> bool:
    """The augment stage only follows where a model was asked before."""
    return step.name != "augment" or read_last_settings(build.layout) is not None


def _calls(
    build: Build, sections: list[ParsedSection], model: str | None, max_samples: int | None
) -> dict[str, Any] | None:
    """What a model has still to be asked, as its last run was set up or as asked here; None without either."""
    last = read_last_settings(build.layout)
    if not sections or (last is None and model is None):
        return None
    given = {name: value for name, value in (("model", model), ("max_samples", max_samples)) if value is not None}
    settings = (last or RunSettings()).model_copy(update=given)
    rows = read_template_rows(build.domain, build.layout, sections, own=not build.corpus or not build.state.steps)
    job = plan_job(build.domain, build.layout, sections, rows, settings)
    plan = asyncio.run(estimate_plan(job.items, job.writer, read_journal(job.journal)))
    return {"model": settings.model, **plan_json(plan, read_price(PRICES, settings.model))}


def command(
    domain: DomainOption = None,
    recipe: RecipeOption = "",
    model: Annotated[str | None, typer.Option(help="Count the calls of this model as well.")] = None,
    augmented_samples: Annotated[
        int | None, typer.Option("--augmented-samples", "--max-samples", min=1, help="Rows to ask the model for.")
    ] = None,
    template_samples: Annotated[
        int | None, typer.Option("--template-samples", min=1, help="At most so many template rows.")
    ] = None,
    rag: RagOption = None,
    form: FormatOption = None,
    tag: TagOption = None,
    seed: Annotated[int | None, typer.Option(help="Of the split and of the passages; default 42.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what changed since the last build and what a build would run; change nothing."""
    overrides = {"rag": rag, "seed": seed, **check_choices(form, tag)}
    build = open_build(domain, recipe, template_samples=template_samples, **overrides)
    plan = make_plan(build, model, augmented_samples)
    if as_json:
        print_json({**asdict(plan), "up_to_date": plan.same})
    else:
        _print_plan(plan)


def _print_plan(plan: BuildPlan) -> None:
    if not plan.built:
        output().print(f"{plan.domain} was not built yet.")
    counted = [("documents", plan.documents), ("sections", plan.sections)]
    print_table(
        ["", "added", "changed", "removed"],
        [[name, len(found.added), len(found.changed), len(found.removed)] for name, found in counted],
    )
    for kind in ("changed", "removed", "added") if plan.built else ():
        names = getattr(plan.sections, kind)
        for name in names[:MOST_SHOWN]:
            output().print(f"  {kind:8} {name}", soft_wrap=True, markup=False)
        if len(names) > MOST_SHOWN:
            output().print(f"  ... and {len(names) - MOST_SHOWN} more {kind}")
    output().print(f"{plan.rows} rows of the last build come from changed or removed sections.")
    if plan.calls:
        cost = "no price known" if plan.calls["usd"] is None else f"about {plan.calls['usd']:.4f} usd"
        model = plan.calls["model"] or "the model"
        output().print(f"{plan.calls['calls']} calls to {model} are left ({cost}).", markup=False)
    stages = ", ".join(plan.stages)
    output().print(
        f"A build would run {stages}." if stages else "Up to date: a build would run nothing.", soft_wrap=True
    )


if __name__ == "__main__":
    run_command(command)
