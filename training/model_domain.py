"""Which domain a model belongs to: the one that is named, else the one of the run that made it.

find_domain(None, Path("models/herbolaria/20261121_101500/final"))
"""

from pathlib import Path

from retrieval.domain import Domain, load_domain
from retrieval.errors import DomainNotFound, UsageError
from retrieval.settings import read_settings
from training.run_folder import find_run


def find_domain(name: str | None, folder: Path | None) -> Domain | None:
    """The pack; None where none is named and the model's run knows none that is here.

    Raises `DomainNotFound` for a name that was given and is not there, `DomainInvalid`.
    """
    if name:
        return load_domain(name, read_settings(domain=name).domains_dir)
    found = run_domain(folder) if folder else ""
    try:
        return load_domain(found, read_settings().domains_dir) if found else None
    except DomainNotFound:
        return None


def run_domain(folder: Path) -> str:
    """The domain that the run of a model's folder was for; empty where the folder is no part of a run."""
    try:
        return str(find_run(folder).read_state().get("domain") or "")
    except (UsageError, OSError, ValueError):
        return ""
