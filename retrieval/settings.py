"""Settings of the ground floor, read once at the edge from the environment (`SAVIA_...`) and handed down.

settings = RetrievalSettings()          # SAVIA_DOMAIN, SAVIA_EMBEDDER, ... or a .env file
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from retrieval.errors import SettingsError


def default_home() -> Path:
    """The folder that holds `data/`: the current one if it does, else the checkout this code was installed from."""
    here = Path.cwd()
    return here if (here / "data" / "domains").is_dir() else Path(__file__).resolve().parent.parent


class RetrievalSettings(BaseSettings):
    """Where things lie and how passages are made and found."""

    model_config = SettingsConfigDict(env_prefix="SAVIA_", env_file=".env", extra="ignore", frozen=True)

    home: Path = Field(default_factory=default_home)
    domain: str = "herbolaria"
    embedder: str = "auto"
    """`auto` (the domain's adapted model where `savia adapt` kept one, else the packaged one), `packaged`, `none` (BM25 alone),
    or a sentence-transformers name or path."""
    reranker: Literal["auto", "none"] = "auto"
    """`auto`: where `savia adapt` kept a reranker, answers use it; `none`: the hybrid's own order stays."""
    passage_tokens: Annotated[int, Field(ge=68, le=8192)] = 256
    """Hard cap on a passage's tokens, title and headings included; an embedder with a shorter window lowers it."""
    chroma_url: str = ""
    """A Chroma server such as http://127.0.0.1:8000; empty: embedded."""

    @property
    def domains_dir(self) -> Path:
        return self.home / "data" / "domains"

    @property
    def build_dir(self) -> Path:
        return self.home / "data" / "build"

    @property
    def models_dir(self) -> Path:
        return self.home / "models"

    def index_dir(self, domain: str) -> Path:
        return self.build_dir / domain / "index"


def read_settings(**given: Any) -> RetrievalSettings:
    """Settings from the environment, with `given` values on top (None is left out). Raises `SettingsError`."""
    with settings_errors():
        return RetrievalSettings(**{name: value for name, value in given.items() if value is not None})


@contextmanager
def settings_errors(prefix: str = "SAVIA_") -> Iterator[None]:
    """Turn settings that pydantic refuses into a `SettingsError` that names their variables and values."""
    try:
        yield
    except ValidationError as error:
        faults = "; ".join(
            f"{prefix}{'_'.join(str(part) for part in fault['loc']).upper()}={fault.get('input')!r}: {fault['msg']}"
            for fault in error.errors()
        )
        raise SettingsError(
            f"A setting cannot be read: {faults}.", "Correct the environment variable or .env file."
        ) from error
