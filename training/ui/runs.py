"""Training runs as the page knows them: where each stands, its curves, its figures, and how its documents changed since.

for run in list_known_runs(place): run.name, run.phase
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from retrieval.errors import UsageError
from retrieval.files import read_json
from training.build_plan import Changes, compare
from training.evaluation.places import OWN
from training.export_history import find_export
from training.jobs import Job, list_jobs
from training.layout import BuildLayout
from training.processes import is_alive_since
from training.run_folder import MERGED, RunFolder

TRAINING = "train-"  # how jobs that train are named: this, then the run's name

Phase = Literal["starting", "running", "stopping", "finished", "stopped", "interrupted", "failed"]
ENDS: dict[str, Phase] = {"finished": "finished", "stopped": "stopped", "failed": "failed"}
GOING: tuple[Phase, ...] = ("starting", "running", "stopping")


@dataclass(frozen=True, slots=True)
class Run:
    """A run's folder, what its run.json says, where it stands, and the job that trains it, if the page started it."""

    folder: RunFolder
    state: dict[str, Any]
    phase: Phase
    job: Job

    @property
    def name(self) -> str:
        return self.folder.root.name

    @property
    def going(self) -> bool:
        return self.phase in GOING

    @property
    def share(self) -> float:
        """How far it is, from 0 to 1."""
        total = _number(self.state.get("total_steps"))
        return min(1.0, _number(self.state.get("step")) / total) if total else 0.0

    @property
    def evaluation(self) -> Path:
        """Where the page has this run evaluated; `find_report` knows of others."""
        return self.folder.root / OWN


def list_known_runs(models: Path, layout: BuildLayout, domain: str) -> list[Run]:
    """Runs on disk and those that are just starting (or failed to), the newest first."""
    jobs = layout.root / "jobs"
    roots = {path.parent.name: path.parent for path in (models / domain).glob("*/run.json")}
    for job in list_jobs(jobs):
        if job.folder.name.startswith(TRAINING):
            name = job.folder.name.removeprefix(TRAINING)
            roots.setdefault(name, models / domain / name)
    return [read_run(RunFolder(roots[name]), Job(jobs / f"{TRAINING}{name}")) for name in sorted(roots, reverse=True)]


def read_run(folder: RunFolder, job: Job) -> Run:
    """A run as it stands now."""
    try:
        state = folder.read_state()
    except (OSError, ValueError):
        state = {}
    return Run(folder, state, _phase(folder, state, job), job)


def _phase(folder: RunFolder, state: dict[str, Any], job: Job) -> Phase:
    """A run says of itself that it runs; whether its process is still there is asked of the system."""
    known = job.read()
    said = str(state.get("state", ""))
    if known is not None and known.going:
        if known.phase == "stopping":
            return "stopping"
        return "running" if said in ("running", "finished") else "starting"  # finished: it is uploaded or merged now
    if said in ENDS:
        return ENDS[said]
    if said == "running" and known is None and _is_running_elsewhere(folder, state):
        return "running"
    if known is not None and known.phase == "failed":
        return "failed"
    return "interrupted"


def _is_running_elsewhere(folder: RunFolder, state: dict[str, Any]) -> bool:
    try:
        written = folder.state.stat().st_mtime
    except OSError:
        return False
    return is_alive_since(int(_number(state.get("pid"))), written)


def read_metrics(folder: RunFolder) -> list[dict[str, float]]:
    """The logged steps; a last line that is just being written is left out."""
    try:
        lines = folder.metrics.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    rows = (_row(line) for line in lines)
    return [row for row in rows if "step" in row]


def curves(runs: Iterable[tuple[str, Sequence[dict[str, float]]]]) -> list[dict[str, Any]]:
    """Points (run, curve, step, loss) of the losses, in a chart's shape."""
    return [
        {"run": name, "curve": curve, "step": row["step"], "loss": row[curve]}
        for name, rows in runs
        for row in rows
        for curve in ("loss", "eval_loss")
        if curve in row
    ]


def figures_of(run: Run) -> dict[str, float]:
    """A finished run's figures as it wrote them; of any other the last losses that it logged, which are about all of it."""
    figures = run.state.get("figures")
    if run.phase == "finished" and isinstance(figures, dict) and figures:
        return {str(name): _number(value) for name, value in figures.items()}
    last: dict[str, float] = {}
    for row in read_metrics(run.folder):
        last |= {name: row[name] for name in ("loss", "eval_loss") if name in row}
    return last


def recipe_differences(runs: Sequence[Run]) -> list[dict[str, str]]:
    """The settings in which runs differ: one row a setting, one column a run."""
    recipes = {run.name: _flat(_read_recipe(run.folder.recipe)) for run in runs}
    names = dict.fromkeys(name for recipe in recipes.values() for name in recipe)
    rows = []
    for name in names:
        values = {run: recipe.get(name, "") for run, recipe in recipes.items()}
        if len(set(values.values())) > 1 and name != "output_dir":
            rows.append({"": name, **values})
    return rows


def changes_since(run: Run, layout: BuildLayout, now: dict[str, str]) -> Changes | None:
    """How the sections that the run learned from differ from those of `now` (hash by id); None where they are not known.

    Raises `DataError` for a damaged history.
    """
    data = run.state.get("data")
    export = find_export(layout.folder("export"), str(data.get("sha256", ""))) if isinstance(data, dict) else None
    sections = export.get("sections") if export else None
    if not isinstance(sections, dict):
        return None
    return compare(sections, {name: digest for name, digest in now.items() if name in sections})


def model_of(run: Run) -> tuple[str, str | None]:
    """(model, adapter) to serve a run: its merged model where there is one, else the base with the adapter. Raises `UsageError`."""
    root, final = run.folder.root.resolve(), run.folder.final.resolve()
    if (root / MERGED / "config.json").is_file():
        return str(root / MERGED), None
    if (final / "adapter_config.json").is_file():
        base = str(
            run.state.get("base_model") or _read(final / "adapter_config.json").get("base_model_name_or_path", "")
        )
        if base:
            return base, str(final)
    elif (final / "config.json").is_file():
        return str(final), None
    raise UsageError(f"The run {run.name} has no model yet.", "Let it finish, or go on with it.")


def _flat(values: Any, prefix: str = "") -> dict[str, str]:
    if not isinstance(values, dict):
        return {prefix.rstrip("."): json.dumps(values, ensure_ascii=False, default=str)}
    found: dict[str, str] = {}
    for name, value in values.items():
        found |= _flat(value, f"{prefix}{name}.")
    return found


def _read_recipe(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}


def _row(line: str) -> dict[str, float]:
    try:
        row = json.loads(line)
    except ValueError:
        return {}
    if not isinstance(row, dict):
        return {}
    return {name: float(value) for name, value in row.items() if isinstance(value, int | float)}


def _read(path: Path) -> dict[str, Any]:
    try:
        found = read_json(path)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
