"""Settings of the middle floor, read once at the edge from the environment (`SAVIA_...`)."""

from typing import Literal

from pydantic_settings import BaseSettings, SettingsConfigDict

from retrieval.retrievers import Method
from retrieval.settings import settings_errors


class AssistantSettings(BaseSettings):
    """Who writes the answer and which passages it gets."""

    model_config = SettingsConfigDict(env_prefix="SAVIA_", env_file=".env", extra="ignore", frozen=True)

    backend: Literal["extractive"] = "extractive"
    retriever: Literal["bm25", "dense", "exact", "hybrid"] = "hybrid"
    fusion: Method = "zscore"


def read_assistant_settings() -> AssistantSettings:
    """Settings of the middle floor from the environment. Raises `SettingsError`."""
    with settings_errors():
        return AssistantSettings()
