"""Starting a run: recipe and preset, first a dry run, then the training itself as a job.

show_start(place)
"""

from collections.abc import Iterable
from dataclasses import dataclass

import streamlit as st

from retrieval.errors import SaviaError
from training.recipes import PRESETS, load_recipe
from training.run_folder import new_run
from training.ui.job_view import show_job
from training.ui.place import Place, show_error
from training.ui.run_view import CHOSEN
from training.ui.runs import TRAINING

DRY_RUN = "dry-run"
SHOWN_LOG = 60_000  # bytes of a dry run: two rows, gates and memory


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person chose; empty or zero: as the recipe has it."""

    recipe: str = ""
    preset: str = "default"
    model: str = ""
    epochs: float = 0.0
    rows: int = 0
    merge: bool = False

    def arguments(self) -> Iterable[str]:
        """As `--option=value`, so that no value can be read as an option."""
        if self.recipe:
            yield f"--config={self.recipe}"
        yield f"--preset={self.preset}"
        if self.model.strip():
            yield f"--model-name={self.model.strip()}"
        if self.epochs:
            yield f"--epochs={self.epochs:g}"
        if self.rows:
            yield f"--max-samples={self.rows}"


def show_start(place: Place) -> None:
    """The form, the dry run's result, and the button that trains once a dry run of the same choice has passed."""
    say = place.say
    if not place.layout.exported("train").is_file():
        st.info(say["no_export"], icon=":material/dataset:")
    wish = _choose(place)
    job = place.job(DRY_RUN)
    state = job.read()
    going = bool(state and state.going)
    same = bool(state and state.command[1:] == tuple(_dry_run(place, wish)))
    passed = same and state is not None and state.phase == "done"
    with st.container(horizontal=True):
        dry = st.button(
            say["dry_run"],
            icon=":material/science:",
            key="dry run",
            disabled=going,
            type="secondary" if passed else "primary",
        )
        train = st.button(
            say["train"],
            icon=":material/model_training:",
            key="train",
            disabled=not passed,
            help=say["dry_run_first"],
            type="primary" if passed else "secondary",
        )
    if dry or train:
        _run(place, wish, bool(train))
    elif going or same:
        show_job(job, say, lambda: None, log=False)
        if not going:
            st.code(job.read_log(SHOWN_LOG), language=None, wrap_lines=True, height=520)
    else:
        st.caption(say["dry_run_first"])


def start_training(place: Place, wish: Wish) -> str:
    """Start `savia train` as a job; returns the run's name. Raises `UsageError`."""
    folder = new_run(place.settings.models_dir.resolve(), place.domain.name).root
    merge = ["--merge"] if wish.merge else []
    arguments = ["train", "--domain", place.domain.name, *wish.arguments(), f"--output-dir={folder}", *merge]
    place.job(f"{TRAINING}{folder.name}").start(arguments, place.environment)
    return folder.name


def start_dry_run(place: Place, wish: Wish) -> None:
    """Start `savia train --dry-run` as a job. Raises `UsageError`."""
    place.job(DRY_RUN).start(_dry_run(place, wish), place.environment)


def _dry_run(place: Place, wish: Wish) -> list[str]:
    return ["train", "--domain", place.domain.name, *wish.arguments(), "--dry-run"]


def _run(place: Place, wish: Wish, train: bool) -> None:
    try:
        if train:
            st.session_state[CHOSEN] = start_training(place, wish)
            st.session_state["training view wanted"] = "runs"
        else:
            start_dry_run(place, wish)
    except SaviaError as error:
        show_error(error)
        return
    st.rerun()


def _choose(place: Place) -> Wish:
    say = place.say
    folder = place.domain.folder / "recipes"
    recipes = sorted(path.stem for path in folder.glob("*.yaml")) if folder.is_dir() else []
    columns = st.columns(3)
    recipe = columns[0].selectbox(
        say["recipe"], recipes or [""], format_func=lambda name: name or say["no_recipe"], key="recipe"
    )
    preset = columns[1].selectbox(say["preset"], list(PRESETS), format_func=lambda name: name, key="preset")
    columns[1].caption(say["preset_" + preset])
    rows = columns[2].number_input(say["max_rows"], 0, 10_000_000, 0, key="max rows", help=say["zero_recipe"])
    model = columns[0].text_input(say["base_model"], key="base model", placeholder=_base_model(place, recipe))
    epochs = columns[2].number_input(say["epochs"], 0.0, 100.0, 0.0, 0.5, key="epochs", help=say["zero_recipe"])
    merge = columns[1].checkbox(say["merge"], key="merge")
    return Wish(recipe, preset, model, float(epochs), int(rows), merge)


def _base_model(place: Place, recipe: str) -> str:
    """The recipe's own base model; a recipe that cannot be read is reported by the dry run."""
    try:
        return load_recipe(place.domain, recipe).config.model.name
    except SaviaError:
        return ""
