"""Who answers the next question: a switch with the live state of each backend, kept apart from the conversation.

    writers = choose_writers(assistant, settings, build_folder, say)       # one assistant, or two to compare

The switch is a fragment: it looks at the backends every few seconds, and a change of mind does not stop an answer that is being
written. Local models are cached for the whole process, which holds one of them in memory at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import streamlit as st

from assistant.answer import Assistant
from assistant.backends.base import ChatBackend
from assistant.backends.local import LocalBackend
from assistant.backends.model_files import check_model, find_model
from assistant.backends.served import ServedModel, choose_served
from assistant.backends.vllm import TimeLimits, VllmBackend
from assistant.settings import AssistantSettings, BackendName
from assistant.ui.safe_markdown import safe_text
from assistant.ui.strings import Words
from assistant.wiring import build_model_backend
from retrieval.errors import SaviaError
from retrieval.files import read_json

CHOSEN_MODEL = "chosen_model.json"  # written by the Training page into a domain's build folder
LIVE = 5.0  # seconds between two looks at the backends
BELIEVED = 4.0  # seconds that a look at a server is believed: several tabs ask it once
PATIENCE = 1.0  # seconds that a server has to accept a connection; one that is there does so at once
MOST_MODELS = 3  # local models whose tokenizers are kept; the weights of one at most
MOST_NAME = 60  # characters of a model's name in the list

WRITER, OTHER, COMPARE = "writer", "other writer", "compare"  # keys of the session's state

Level = Literal["ready", "busy", "down"]
_ICONS: dict[Level, str] = {
    "ready": ":green[:material/check_circle:]",
    "busy": ":orange[:material/hourglass_top:]",
    "down": ":red[:material/error:]",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """A backend with its model; `run` is the training run that a local model comes from."""

    backend: BackendName
    model: str = ""
    adapter: str = ""
    run: str = ""

    @property
    def key(self) -> str:
        return "\n".join((self.backend, self.model, self.adapter))


@dataclass(frozen=True, slots=True)
class Health:
    """The state of a backend at this moment, as Markdown."""

    level: Level
    text: str


def choose_writers(assistant: Assistant, settings: AssistantSettings, build: Path, say: Words) -> list[Assistant]:
    """Draw the switch in the sidebar; the assistants that answer the next question. `assistant` itself quotes the documents."""
    with st.sidebar:
        st.fragment(_show_switch, run_every=LIVE)(settings, build, say)
    choices = {choice.key: choice for choice in _choices(settings, build)}
    first = choices.get(str(st.session_state.get(WRITER)), next(iter(choices.values())))
    other = choices.get(str(st.session_state.get(OTHER))) if st.session_state.get(COMPARE) else None
    chosen = [first, *([other] if other and other != first else [])]
    return [_writer(choice, assistant, settings) for choice in chosen]


def list_choices(settings: AssistantSettings, chosen: Choice | None, served: Sequence[ServedModel]) -> list[Choice]:
    """The settings' own backend first; every served model, and the model handed over by training."""
    choices: list[Choice] = []
    for name in settings.offered_backends:
        match name:
            case "local":
                choices.append(Choice("local", settings.model, settings.adapter))
            case "vllm":
                choices.append(Choice("vllm", settings.vllm_model))
                default = choose_served(served, settings.vllm_model or None)
                choices.extend(Choice("vllm", model.id) for model in served if model != default)
            case _:
                choices.append(Choice(name))
    if chosen and chosen.key not in {choice.key for choice in choices}:
        choices.append(chosen)
    return list(dict.fromkeys(choices))


def read_chosen_model(build: Path) -> Choice | None:
    """The model that the Training page handed over; None where there is none or the file cannot be read."""
    try:
        stored = read_json(build / CHOSEN_MODEL)
        model, adapter, run = (stored.get(name) or "" for name in ("model", "adapter", "run"))
    except (OSError, ValueError, AttributeError):
        return None
    if not all(isinstance(text, str) for text in (model, adapter, run)) or not (model or adapter):
        return None
    return Choice("local", model, adapter, run)


def _choices(settings: AssistantSettings, build: Path) -> list[Choice]:
    return list_choices(settings, read_chosen_model(build), _known_models(settings))


def _writer(choice: Choice, assistant: Assistant, settings: AssistantSettings) -> Assistant:
    return assistant if choice.backend == "extractive" else replace(assistant, backend=_backend(choice, settings))


def _show_switch(settings: AssistantSettings, build: Path, say: Words) -> None:
    choices = {choice.key: choice for choice in _choices(settings, build)}
    keys = list(choices)

    def name_of(key: str) -> str:
        return _label(choices[key], settings, say) if key in choices else key

    first = st.selectbox(say["writer"], keys, format_func=name_of, key=WRITER, persist_state="session")
    _show_health(choices[first], settings, say)
    others = [key for key in keys if key != first]
    if others and st.toggle(say["compare"], key=COMPARE, help=say["compare_help"], persist_state="session"):
        other = st.selectbox(say["compare_with"], others, format_func=name_of, key=OTHER, persist_state="session")
        _show_health(choices[other], settings, say)
    _offer_release(choices[first], settings, say)


def _label(choice: Choice, settings: AssistantSettings, say: Words) -> str:
    match choice.backend:
        case "local":
            name = Path(choice.model or choice.adapter).name
            part = choice.run or Path(choice.adapter).name
            return say["writer_local"].format(model=_short(f"{name} + {part}" if part and part != name else name))
        case "vllm":
            default = choose_served(_known_models(settings), settings.vllm_model or None)
            name = choice.model or (default.id if default else "")
            return say["writer_server"].format(model=_short(name or settings.server_url))
        case _:
            return say["writer_extractive"]


def _short(name: str) -> str:
    name = " ".join(name.split())
    return name if len(name) <= MOST_NAME else f"…{name[-MOST_NAME:]}"


def _show_health(choice: Choice, settings: AssistantSettings, say: Words) -> None:
    health = read_health(choice, settings, say)
    st.caption(f"{_ICONS[health.level]} {health.text}")


def read_health(choice: Choice, settings: AssistantSettings, say: Words) -> Health:
    """Whether the choice can answer now. A server is asked; of a local model the files are looked at, nothing is loaded."""
    match choice.backend:
        case "local":
            return _local_health(choice, settings, say)
        case "vllm":
            served, problem = _look_at_server(settings.server_url, settings)
            if problem:
                return Health("down", safe_text(problem))
            if choose_served(served, choice.model or None) is None:
                return Health("down", safe_text(say["model_gone"].format(model=choice.model)))
            return Health("ready", say["server_ready"])
        case _:
            return Health("ready", say["extractive_ready"])


def _local_health(choice: Choice, settings: AssistantSettings, say: Words) -> Health:
    backend = _backend(choice, settings)
    assert isinstance(backend, LocalBackend)
    if backend.loading:
        _, done, total = backend.loading
        return Health("busy", say["waiting_loading"].format(done=done, total=total))
    try:
        check_model(find_model(choice.model, choice.adapter or None))
    except SaviaError as error:
        return Health("down", safe_text(str(error)))
    if backend.queue_position:
        return Health("busy", say["local_line"].format(count=backend.queue_position))
    if backend.without_adapter:
        return Health("busy", safe_text(backend.without_adapter))
    return Health("ready", say["local_loaded" if backend.loaded else "local_ready"])


def _offer_release(choice: Choice, settings: AssistantSettings, say: Words) -> None:
    """A button that gives the memory of a loaded model back."""
    backend = _backend(choice, settings) if choice.backend == "local" else None
    if isinstance(backend, LocalBackend) and backend.loaded and not backend.queue_position:
        st.button(say["release"], icon=":material/memory:", key="release", type="tertiary", on_click=backend.close)


# --- What is kept open ----------------------------------------------------------------------------------------------------


def _backend(choice: Choice, settings: AssistantSettings) -> ChatBackend:
    if choice.backend == "local":
        return _local_backend(choice.model, choice.adapter, settings)
    return _server_backend(settings.server_url, choice.model, settings)


def _close(backend: ChatBackend) -> None:
    close = getattr(backend, "close", None)
    if close:
        close()


@st.cache_resource(max_entries=MOST_MODELS, on_release=_close, show_spinner=False)
def _local_backend(model: str, adapter: str, _settings: AssistantSettings) -> ChatBackend:
    return build_model_backend("local", _settings.model_copy(update={"model": model, "adapter": adapter}))


@st.cache_resource(max_entries=16, show_spinner=False)
def _server_backend(url: str, model: str, _settings: AssistantSettings) -> ChatBackend:
    return build_model_backend("vllm", _settings.model_copy(update={"vllm_model": model}))


@st.cache_data(ttl=BELIEVED, max_entries=16, show_spinner=False)
def _look_at_server(url: str, _settings: AssistantSettings) -> tuple[tuple[ServedModel, ...], str]:
    """What the server serves, or what is wrong with it."""
    try:
        served = VllmBackend(url, None, _settings.vllm_api_key, TimeLimits(connect=PATIENCE)).served()
    except SaviaError as error:
        return (), str(error)
    return served, ""


def _known_models(settings: AssistantSettings) -> tuple[ServedModel, ...]:
    """What the server served when it last answered, so that the choice stays while it is down."""
    if "vllm" not in settings.offered_backends:
        return ()
    served, _ = _look_at_server(settings.server_url, settings)
    last = _last_served()
    if served:
        last[settings.server_url] = served
    return last.get(settings.server_url, ())


@st.cache_resource(show_spinner=False)
def _last_served() -> dict[str, tuple[ServedModel, ...]]:
    return {}
