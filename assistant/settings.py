"""Settings of the middle floor, read once at the edge: defaults, then `.env`, then the environment, then what is given (flags),
each stronger than the one before.

settings = read_assistant_settings(backend="vllm")     # SAVIA_BACKEND, SAVIA_MODEL, SAVIA_VLLM_URL, ...
"""

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from retrieval.retrievers import Method
from retrieval.settings import settings_errors

BackendName = Literal["extractive", "local", "vllm"]

VLLM_URL = "http://127.0.0.1:8000/v1"  # where `savia serve --mode vllm` and vLLM itself listen
CONNECT_SECONDS = 5.0  # a server that is there answers a connection at once
FIRST_TOKEN_SECONDS = 120.0  # a long prompt in a busy queue takes this long before it is hopeless
TOTAL_SECONDS = 600.0  # no answer of a few thousand tokens takes longer
MAX_TOKENS = 1024  # reasoning and a long answer


class AssistantSettings(BaseSettings):
    """Who writes the answer and which passages it gets."""

    model_config = SettingsConfigDict(
        env_prefix="SAVIA_", env_file=".env", extra="ignore", frozen=True, populate_by_name=True
    )

    backend: BackendName = "extractive"
    retriever: Literal["bm25", "dense", "exact", "hybrid", "adapted", "rerank"] = "hybrid"
    fusion: Method = "zscore"

    max_tokens: Annotated[int, Field(ge=1, le=131_072)] = MAX_TOKENS
    """Most tokens of an answer, reasoning included."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    """0 writes the likeliest answer, the same each time; higher values vary it."""

    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Above a temperature of 0: only the likeliest tokens that make up this share are drawn from."""
    seed: int | None = None

    model: str = Field("", validation_alias=AliasChoices("SAVIA_MODEL", "MODEL_NAME"))
    """Of the local backend: a folder under `models/`, any path, or a model's name; merged, or the base of `adapter`."""
    adapter: str = Field("", validation_alias=AliasChoices("SAVIA_ADAPTER", "LORA_MODEL_PATH"))
    """A LoRA adapter's folder; empty: the model alone."""
    quantization: Literal["auto", "none", "4bit", "8bit"] = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device: str = "auto"
    """`auto`, `cuda`, `cuda:1`, `mps` or `cpu`."""
    attention: Literal["auto", "sdpa", "flash_attention_2", "eager"] = "auto"
    allow_base: bool = False
    """Answer with the base model where the adapter cannot be used, and say so; otherwise that is an error."""
    hf_token: SecretStr | None = Field(None, validation_alias=AliasChoices("SAVIA_HF_TOKEN", "HF_TOKEN"))

    vllm_url: str = ""
    """An OpenAI-compatible server such as http://127.0.0.1:8000/v1; where it is set, the backend vllm is offered."""
    vllm_model: str = ""
    """The model asked for there, or a LoRA adapter's served name; empty: the first one that is served."""
    vllm_api_key: SecretStr | None = None
    vllm_connect_seconds: Annotated[float, Field(gt=0)] = CONNECT_SECONDS
    vllm_first_token_seconds: Annotated[float, Field(gt=0)] = FIRST_TOKEN_SECONDS
    vllm_total_seconds: Annotated[float, Field(gt=0)] = TOTAL_SECONDS

    @field_validator("model", "adapter", mode="before")
    @classmethod
    def _nothing(cls, value: Any) -> Any:
        """`LORA_MODEL_PATH=None`, as it is often written, names no adapter."""
        return "" if value is None or str(value).strip().lower() in ("none", "null") else value

    @property
    def server_url(self) -> str:
        return self.vllm_url or VLLM_URL

    @property
    def offered_backends(self) -> tuple[BackendName, ...]:
        """The backends that can be chosen: the settings' own first, then those that are set up; `extractive` always is."""
        ready: dict[BackendName, bool] = {
            "extractive": True,
            "local": bool(self.model or self.adapter),
            "vllm": bool(self.vllm_url),
        }
        others = [name for name, usable in ready.items() if usable and name != self.backend]
        return (self.backend, *others)


def read_assistant_settings(**given: Any) -> AssistantSettings:
    """Settings of the middle floor, with `given` values on top (None is left out). Raises `SettingsError`."""
    with settings_errors():
        return AssistantSettings(**{name: value for name, value in given.items() if value is not None})
