"""Where the evaluation of a model lies, so that no two evaluations share a folder and a run finds its own again.

name_evaluation("models/herbolaria/20261121_101500/final", settings.models_dir, "herbolaria")      # 20261121_101500-final
find_report(run.root, build_folder)                                                   # the newest report on that run's model
"""

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from assistant.backends.model_files import ADAPTER_WEIGHTS, ModelFiles, hash_adapter, trained_by
from retrieval.files import read_json

FOLDER: Final = "evaluate"  # of the domain's build
OWN: Final = "evaluation"  # in a run: what the page had evaluated
RESULT: Final = "evaluation.json"
REPORT: Final = "report.html"
FINETUNED: Final = "finetuned"  # the column of the model that is judged, beside its base
AUTO: Final = "auto"
_PARTS: Final = ("final", "merged")  # of a run
_HASH_LENGTH: Final = 8


def name_evaluation(model: str, models: Path, domain: str, base: str = AUTO, quantization: str = AUTO) -> str:
    """A folder's name: the run and its part for one of the domain's runs as it is, else a name with a hash of what is measured."""
    folder = Path(model).expanduser()
    if not folder.is_dir():
        words, place = model.split("/"), model
    else:
        words, place = list(folder.resolve().parts[1:][-2:]), str(folder.resolve())
        parts = _below(folder.resolve(), models.resolve())
        plain = len(parts) == 3 and parts[0] == domain and parts[2] in _PARTS
        if plain and base in ("", AUTO) and quantization == AUTO:
            return f"{parts[1]}-{parts[2]}"
    digest = hashlib.sha256(json.dumps([place, base or AUTO, quantization]).encode()).hexdigest()[:_HASH_LENGTH]
    return "-".join([*words, digest])


def find_report(run: Path, build: Path) -> Path | None:
    """The newest report on a run's model as it is now: in the run's own folder, or in the build."""
    reports = [run / OWN / REPORT, *(build / FOLDER).glob(f"*/{REPORT}")]
    found = [path for path in reports if path.is_file() and _is_about(path.with_name(RESULT), run.resolve())]
    return max(found, key=lambda path: path.stat().st_mtime_ns, default=None)


def _below(place: Path, models: Path) -> tuple[str, ...]:
    return place.relative_to(models).parts if place.is_relative_to(models) else ()


def _is_about(result: Path, run: Path) -> bool:
    """Whether an evaluation judged a model that lies in a run's folder and has not been trained on since."""
    try:
        models: Any = read_json(result)["models"]
        entry = next(entry for entry in models if entry["label"] == FINETUNED)
        place = Path(entry["adapter"] or entry["model"])
        if run not in place.resolve().parents:
            return False
        present = _hash_of(place) if entry["adapter"] else trained_by(ModelFiles(str(place), None))
        return bool(present == entry["adapter_sha256"])
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        return False


def _hash_of(adapter: Path) -> str:
    stat = (adapter / ADAPTER_WEIGHTS).stat()
    return _hash_version(adapter, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=64)
def _hash_version(adapter: Path, modified: int, size: int) -> str:
    """A page asks at every redraw: a file that has not changed is read once."""
    return hash_adapter(adapter)
