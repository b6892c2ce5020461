"""What each exported data set was made of, kept by the hash that training runs record: from an adapter back to its documents.

keep_export(folder, provenance); find_export(folder, run_data_sha256)["sections"]
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retrieval.errors import DataError
from retrieval.files import read_json, write_json

FOLDER = "history"
KEY_LENGTH = 16
MOST_KEPT = 50  # exports; the oldest go: some 100 kB each for two thousand rows


def keep_export(folder: Path, provenance: Mapping[str, Any]) -> None:
    """Keep an export's provenance under its `data_sha256`."""
    history = folder / FOLDER
    path = history / f"{provenance['data_sha256'][:KEY_LENGTH]}.json"
    if path.is_file():
        path.touch()
    else:
        write_json(path, provenance)
    for old in sorted(history.glob("*.json"), key=lambda kept: kept.stat().st_mtime_ns)[:-MOST_KEPT]:
        old.unlink()


def find_export(folder: Path, data_sha256: str) -> dict[str, Any] | None:
    """The provenance of the export with that hash; None where it is not known (other rows, or too long ago)."""
    path = folder / FOLDER / f"{data_sha256[:KEY_LENGTH]}.json"
    try:
        found = read_json(path) if data_sha256 else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}).", "Remove it; the next export writes it again.") from error
    return found if isinstance(found, dict) else None
