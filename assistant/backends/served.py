"""What an OpenAI-compatible server says about itself: its models, their windows, which of them are LoRA adapters.

read_served(page)    # page: the models that GET /v1/models listed, as mappings
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

MOST_NAMED = 8  # served names shown in a message
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One entry of the list. `window` is in tokens, 0 where the server does not say; `parent` is a LoRA adapter's base."""

    id: str
    window: int = 0
    parent: str = ""
    root: str = ""


def read_served(entries: Iterable[Mapping[str, Any]]) -> tuple[ServedModel, ...]:
    """The served models, in the server's order; an adapter without a window of its own has its base's."""
    models = [_read_one(entry) for entry in entries if isinstance(entry.get("id"), str)]
    windows = {model.id: model.window for model in models}
    return tuple(
        ServedModel(model.id, model.window or windows.get(model.parent, 0), model.parent, model.root)
        for model in models
    )


def choose_served(models: Sequence[ServedModel], wanted: str | None) -> ServedModel | None:
    """The model of that name; without a name the first adapter, else the first model."""
    if wanted:
        return next((model for model in models if model.id == wanted), None)
    return next((model for model in models if model.parent), models[0] if models else None)


def served_names(models: Sequence[ServedModel]) -> str:
    """The names for a message: `a, b (adapter of a)`."""
    names = [f"{model.id} (adapter of {model.parent})" if model.parent else model.id for model in models]
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def normal_url(url: str) -> str:
    """The API's base address: `/v1` is added where the address has no path."""
    url = url.strip().rstrip("/")
    url = url if "://" in url else f"http://{url}"
    return url if urlsplit(url).path.strip("/") else f"{url}/v1"


def is_loopback(url: str) -> bool:
    return urlsplit(url).hostname in LOOPBACK


def _read_one(entry: Mapping[str, Any]) -> ServedModel:
    window, parent, root = entry.get("max_model_len"), entry.get("parent"), entry.get("root")
    return ServedModel(
        entry["id"],
        window if isinstance(window, int) and window > 0 else 0,
        parent if isinstance(parent, str) else "",
        root if isinstance(root, str) else "",
    )
