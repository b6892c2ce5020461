"""The model that a person chose for answering, kept beside the domain's build: `data/build/<domain>/chosen_model.json`.

choose_model(build_folder, model="models/base", adapter="models/herbolaria/20261121_101500/final", run="20261121_101500")
"""

from pathlib import Path
from typing import Any

from retrieval.errors import storage_errors
from retrieval.files import read_json, write_json

FILE = "chosen_model.json"


def choose_model(build: Path, model: str, adapter: str | None, run: str) -> None:
    """Hand a model to the local backend; `adapter` is None for a merged one."""
    with storage_errors(f"write {build / FILE}"):
        write_json(build / FILE, {"model": model, "adapter": adapter, "run": run})


def read_chosen_model(build: Path) -> dict[str, Any]:
    """The choice; empty where there is none that can be read."""
    try:
        found = read_json(build / FILE)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def forget_model(build: Path) -> None:
    """Back to the settings' own model."""
    with storage_errors(f"remove {build / FILE}"):
        (build / FILE).unlink(missing_ok=True)
