"""What changed since the last build, one button that brings the data set up to date, and the build's progress.

show_build(place)
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

import streamlit as st

from assistant.ui.safe_markdown import safe_text
from retrieval.errors import SaviaError
from retrieval.files import read_json
from retrieval.lock import is_being_written
from training.build import LOCK
from training.build_plan import BuildPlan, make_plan
from training.build_setup import open_build
from training.build_state import hash_of, read_state
from training.data_preparation.endpoints import PresetName
from training.layout import SPLITS
from training.ui.job_view import POLL, Progress, show_job
from training.ui.place import Place, corpus_stamp, show_error, stamp
from training.ui.strings import Words

JOB = "dataset-build"
PLAN_SECONDS = 60  # a plan is made anew after so long, whatever was seen to change
MOST_NAMED = 50  # sections listed for each kind of change
STAGES = ("parse", "generate", "augment", "import", "combine", "filter", "split", "export")


@dataclass(frozen=True, slots=True)
class Model:
    """A model that is to write rows too."""

    preset: str = ""
    base_url: str = ""
    name: str = ""
    rows: int = 0
    budget: str = ""

    def arguments(self) -> Iterable[str]:
        """As `--option=value`, so that no value can be read as an option."""
        given = {"preset": self.preset, "base-url": self.base_url, "model": self.name, "budget": self.budget}
        yield "--llm"
        yield from (f"--{name}={value}" for name, value in given.items() if value.strip())
        if self.rows:
            yield f"--augmented-samples={self.rows}"


def show_build(place: Place) -> None:
    """Plan, button and progress; counts of the last build below."""
    job = place.job(JOB)
    state = job.read()
    going = bool(state and state.going)
    elsewhere = not going and is_being_written(place.layout.root / LOCK)
    if not going and not elsewhere:
        _offer_build(place)
    if elsewhere:
        st.info(place.say["build_elsewhere"], icon=":material/hourglass_top:")
        st.fragment(_show_elsewhere, run_every=POLL)(place)
    else:
        show_job(job, place.say, lambda: read_progress(place))
    _show_counts(place)


def start_build(place: Place, model: Model | None = None) -> None:
    """Start `savia dataset build` as a job; where it goes on depends on what is there. Raises `UsageError`."""
    wanted = tuple(model.arguments()) if model else ()
    arguments = ["dataset", "build", "--domain", place.domain.name, *wanted]
    place.job(JOB).start(arguments, place.environment)


def read_progress(place: Place) -> Progress | None:
    """How far the build is, from the file that it keeps."""
    try:
        found = read_json(place.layout.root / "progress.json")
        stage, done, total = str(found["stage"]), int(found["done"]), int(found["total"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if found.get("phase") != "running" or stage not in STAGES:
        return None
    part = min(1.0, done / total) if total > 0 else 0.0
    counted = f" · {done} / {total}" if total > 0 else ""
    return Progress(f"{place.say['stage_' + stage]}{counted}", (STAGES.index(stage) + part) / len(STAGES))


def open_plan(place: Place) -> BuildPlan:
    """What a build would do, looked at again when documents, decisions or the last build changed. Raises what a build raises."""
    domain, layout = place.domain, place.layout
    pack = [path for path in domain.folder.rglob("*") if domain.corpus not in path.parents and path.is_file()]
    changed = hash_of(corpus_stamp(domain.corpus), stamp(*sorted(pack), layout.decisions, layout.root / "build.json"))
    return _plan_once(place.domain.name, str(layout.root.resolve()), changed)


@st.cache_data(ttl=PLAN_SECONDS, max_entries=8, show_spinner=False)
def _plan_once(domain: str, root: str, changed: str) -> BuildPlan:
    return make_plan(open_build(domain))


def _offer_build(place: Place) -> None:
    say = place.say
    try:
        plan = open_plan(place)
    except SaviaError as error:
        show_error(error)
        return
    if plan.same:
        st.success(say["up_to_date"], icon=":material/task_alt:")
    else:
        text = say["changed_since"] if plan.built else say["not_built"]
        st.warning(text, icon=":material/update:") if plan.built else st.info(text, icon=":material/dataset:")
        _show_plan(plan, say)
    model = _choose_model(say)
    label = say["build_update"] if plan.built else say["build_first"]
    idle = plan.same and model is None
    if st.button(label, type="primary", icon=":material/build:", key="build data set", disabled=idle):
        try:
            start_build(place, model)
        except SaviaError as error:
            show_error(error)
            return
        st.rerun()


def _show_plan(plan: BuildPlan, say: Words) -> None:
    counted = [("documents", plan.documents), ("sections", plan.sections)]
    if plan.built and not len(plan.documents) and not len(plan.sections):
        st.caption(say["changed_otherwise"])
    columns = st.columns(3)
    for column, (name, changes) in zip(columns, counted, strict=False):
        detail = say["changes"].format(
            added=len(changes.added), changed=len(changes.changed), removed=len(changes.removed)
        )
        column.metric(say["plan_" + name], len(changes), help=detail)
        column.caption(detail)
    columns[2].metric(say["plan_rows"], plan.rows)
    stages = " → ".join(say["stage_" + name] for name in plan.stages if name in STAGES)
    st.caption(f"{say['stages_to_run']}: {stages}")
    if plan.calls:
        st.caption(say["calls_left"].format(calls=int(plan.calls["calls"]), model=safe_text(plan.calls["model"] or "")))
    if plan.built and len(plan.sections):
        with st.expander(say["changed_sections"], icon=":material/difference:"):
            for kind in ("changed", "added", "removed"):
                names = getattr(plan.sections, kind)
                if names:
                    st.caption(say["kind_" + kind].format(count=len(names)))
                    st.code("\n".join(names[:MOST_NAMED]), language=None)


def _choose_model(say: Words) -> Model | None:
    """Where a model shall write rows too: which, and how much it may cost."""
    with st.expander(say["llm"], icon=":material/smart_toy:"):
        st.caption(say["llm_more"])
        if not st.checkbox(say["llm_use"], key="llm use"):
            return None
        left, right = st.columns(2)
        presets = ["", *get_args(PresetName)]
        preset = left.selectbox(say["llm_preset"], presets, format_func=lambda name: name or "—", key="llm preset")
        base_url = right.text_input(say["llm_url"], placeholder="http://127.0.0.1:8000/v1", key="llm url")
        name = left.text_input(say["llm_model"], key="llm model")
        rows = right.number_input(say["llm_rows"], 1, 100_000, 50, key="llm rows")
        budget = left.text_input(say["llm_budget"], placeholder="200calls · 5usd", key="llm budget")
    return Model(preset, base_url, name, int(rows), budget)


def _show_elsewhere(place: Place) -> None:
    if not is_being_written(place.layout.root / LOCK):
        st.rerun()
    progress = read_progress(place)
    st.progress(progress.share if progress else 0.0, text=progress.text if progress else place.say["building"])


def _show_counts(place: Place) -> None:
    """The last build in numbers."""
    steps, say = read_state(place.layout).steps, place.say
    if "export" not in steps:
        return
    st.markdown(f"#### {say['last_build']}", anchors=False)
    parts: Mapping[str, Any] = steps["export"].counts.get("rows", {})
    figures = [("rows_made", sum(int(steps[name].counts.get("rows", 0)) for name in _MAKING if name in steps))]
    figures += [("rows_kept", int(steps["filter"].counts.get("rows", 0)) if "filter" in steps else 0)]
    figures += [("part_" + name, int(parts.get(name, 0))) for name in SPLITS]
    for column, (name, count) in zip(st.columns(len(figures)), figures, strict=True):
        column.metric(say[name], f"{count:,}".replace(",", "\u202f"))
    st.caption(f"{say['finished']}: {safe_text(steps['export'].finished)}")
    st.code(f"savia dataset build --domain {place.domain.name}", language=None)


_MAKING = ("generate", "augment", "import")
