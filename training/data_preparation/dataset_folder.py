"""The exported rows as a `datasets` folder, and on a hub.

write_dataset_folder(folder, {"train": rows, "validation": rows, "test": rows})
datasets.load_from_disk(folder / "dataset")["train"][0]
"""

import csv
import io
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from retrieval.errors import BackendError
from retrieval.files import write_atomically

FOLDER = "dataset"
UPLOADED = ("*.jsonl", "*.csv", "README.md", "plots/*", "provenance.json")
KEPT_HERE = ("choices.jsonl", "passages.jsonl", "rejected.jsonl")


def write_dataset_folder(folder: Path, parts: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """A `DatasetDict` in `folder/dataset`; the old one stays until the new one is whole. Empty parts are left out."""
    from datasets import Dataset, DatasetDict
    from datasets.utils.logging import disable_progress_bar

    disable_progress_bar()
    held = DatasetDict({name: Dataset.from_list([dict(row) for row in rows]) for name, rows in parts.items() if rows})
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f".{FOLDER}.*"):  # by an export that was killed
        shutil.rmtree(left, ignore_errors=True)
    draft = Path(mkdtemp(dir=folder, prefix=f".{FOLDER}."))
    try:
        held.save_to_disk(str(draft))
        draft.chmod(0o755)
        shutil.rmtree(folder / FOLDER, ignore_errors=True)
        draft.rename(folder / FOLDER)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Plain columns as CSV (UTF-8, quoted as RFC 4180 says)."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(dict.fromkeys(name for row in rows for name in row)), restval="")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue().encode("utf-8", "replace"))


def push_to_hub(folder: Path, repository: str, private: bool) -> str:
    """Upload rows, card and plots; returns the address. Raises `BackendError` where the hub cannot be reached or refuses."""
    from httpx import HTTPError
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import HfHubHTTPError

    again = f"Everything lies ready in {folder}; try again with --push-to-hub {repository}."
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON"):
        raise BackendError("HF_HUB_OFFLINE is set: nothing is uploaded.", again)
    if not get_token():
        raise BackendError("There is no token for the hub: nothing is uploaded.", f"Set HF_TOKEN. {again}")
    api = HfApi()
    try:
        address = api.create_repo(repository, repo_type="dataset", private=private, exist_ok=True)
        api.upload_folder(
            repo_id=address.repo_id,
            repo_type="dataset",
            folder_path=str(folder),
            allow_patterns=list(UPLOADED),
            ignore_patterns=list(KEPT_HERE),
            commit_message="Data set exported by Savia",
        )
    except HfHubHTTPError as error:
        reason = " ".join(str(error).split())[:200]
        raise BackendError(f"The hub refused the data set {repository}: {reason}", again) from error
    except (OSError, ValueError, HTTPError) as error:
        raise BackendError(
            f"The hub cannot be reached ({type(error).__name__}): nothing was uploaded.", again
        ) from error
    return str(address)
