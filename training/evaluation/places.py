"""Where the evaluation of a model lies, so that no two models share a folder and a run finds its own again.

name_evaluation("models/herbolaria/20261121_101500/final", settings.models_dir, "herbolaria")      # 20261121_101500-final
find_report(run.root, build_folder)                                                   # the newest report on that run's model
"""

import hashlib
from pathlib import Path
from typing import Any, Final

from retrieval.files import read_json

FOLDER: Final = "evaluate"  # of the domain's build
OWN: Final = "evaluation"  # in a run: what the page had evaluated
RESULT: Final = "evaluation.json"
REPORT: Final = "report.html"
_HASH_LENGTH: Final = 8


def name_evaluation(model: str, models: Path, domain: str) -> str:
    """A folder's name for a model: its place below `models`, or its own and its parent's name with a hash of its whole path.

    A name on the Hub is kept, with a hyphen after its owner.
    """
    folder = Path(model).expanduser()
    if not folder.is_dir():
        return model.replace("/", "-")
    place = folder.resolve()
    try:
        parts = place.relative_to(models.resolve()).parts
    except ValueError:
        digest = hashlib.sha256(str(place).encode()).hexdigest()[:_HASH_LENGTH]
        return "-".join([*place.parts[1:][-2:], digest])
    return "-".join(parts[1:] if len(parts) > 1 and parts[0] == domain else parts)


def find_report(run: Path, build: Path) -> Path | None:
    """The newest report on a model of a run: in the run's own folder, or in the build, where its paths say so."""
    found = [path for path in (build / FOLDER).glob(f"*/{REPORT}") if _is_about(path.with_name(RESULT), run.resolve())]
    own = run / OWN / REPORT
    found += [own] if own.is_file() else []
    return max(found, key=lambda path: path.stat().st_mtime_ns, default=None)


def _is_about(result: Path, run: Path) -> bool:
    """Whether an evaluation measured a model, or an adapter, that lies in a run's folder."""
    try:
        models: Any = read_json(result)["models"]
        paths = [Path(entry[name]) for entry in models for name in ("model", "adapter") if entry[name]]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return any(run in path.resolve().parents for path in paths)
