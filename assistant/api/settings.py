"""Settings of the API, read once at the edge (`SAVIA_API_...`): keys, limits, origins.

settings = read_api_settings()          # SAVIA_API_KEYS, SAVIA_API_RATE, ...
"""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from retrieval.settings import settings_errors

RATE = 300  # requests a minute: far above a person, far below a loop
MAX_BODY = 256 * 1024  # bytes: the longest question with a hundred turns of history
CONCURRENCY = 64  # answers written at once; each holds a thread while its backend works
SHUTDOWN_SECONDS = 30  # a stream that is being read gets this long to end


class ApiSettings(BaseSettings):
    """Who may ask, how much, and from where."""

    model_config = SettingsConfigDict(env_prefix="SAVIA_API_", env_file=".env", extra="ignore", frozen=True)

    keys: str = ""
    """SHA-256 hashes of the keys, with commas between; `name:hash` names a key in the log."""
    keys_file: Path | None = None
    """A file of such hashes, one a line."""
    rate: Annotated[int, Field(ge=0)] = RATE
    """Requests a minute for each key (each address, where there are no keys); 0: no limit."""
    max_body: Annotated[int, Field(ge=1024)] = MAX_BODY
    concurrency: Annotated[int, Field(ge=1, le=1024)] = CONCURRENCY
    cors_origins: str = ""
    """Web pages that may ask from a browser, such as https://example.org, with commas between; empty: none."""
    shutdown_seconds: Annotated[int, Field(ge=0)] = SHUTDOWN_SECONDS

    @property
    def origins(self) -> list[str]:
        return [origin.strip() for origin in self.cors_origins.split(",") if origin.strip()]


def read_api_settings(**given: Any) -> ApiSettings:
    """Settings of the API, with `given` values on top (None is left out). Raises `SettingsError`."""
    with settings_errors("SAVIA_API_"):
        return ApiSettings(**{name: value for name, value in given.items() if value is not None})
