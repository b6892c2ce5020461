"""Whom to ask: the address, model and key of an OpenAI-compatible server, from a preset, options and the environment.

endpoint = choose_endpoint(preset="anthropic", base_url=None, model=None, environment=os.environ)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args
from urllib.parse import urlsplit

from pydantic import SecretStr

from assistant.backends.served import is_loopback, normal_url
from assistant.settings import VLLM_URL
from retrieval.errors import UsageError

PresetName = Literal["openai", "anthropic", "vllm"]


@dataclass(frozen=True, slots=True)
class Preset:
    """`keys` are environment variables, the first that is set is used; no `model`: the first one that is served."""

    base_url: str
    keys: tuple[str, ...]
    model: str = ""
    needs_key: bool = True


PRESETS: dict[str, Preset] = {
    "openai": Preset("https://api.openai.com/v1", ("OPENAI_API_KEY",), "gpt-4.1-mini"),
    "anthropic": Preset("https://api.anthropic.com/v1", ("ANTHROPIC_API_KEY",), "claude-sonnet-4-6"),
    "vllm": Preset(VLLM_URL, ("SAVIA_VLLM_API_KEY",), needs_key=False),
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`model` may be empty: then the server is asked what it serves."""

    base_url: str
    model: str
    key: SecretStr | None = None

    @property
    def secret(self) -> str:
        return self.key.get_secret_value() if self.key else ""


def choose_endpoint(
    preset: PresetName | None, base_url: str | None, model: str | None, environment: Mapping[str, str]
) -> Endpoint:
    """Without a preset and an address: the vendor whose key is in the environment, else a local vLLM.

    With an address alone, OPENAI_API_KEY is sent to a server of this machine or over https. Raises `UsageError`.
    """
    if preset is None and base_url:
        url = _check_url(base_url)
        return Endpoint(url, model or "", _key(("SAVIA_VLLM_API_KEY", "OPENAI_API_KEY"), environment, url))
    name: str = preset or next((name for name, known in PRESETS.items() if _key(known.keys, environment)), "vllm")
    if name not in PRESETS:
        raise UsageError(f"There is no preset {name!r}.", f"There are: {', '.join(get_args(PresetName))}.")
    chosen = PRESETS[name]
    url = _check_url(base_url or chosen.base_url)
    key = _key(chosen.keys, environment, url)
    if chosen.needs_key and key is None:
        raise UsageError(
            f"The preset {name} needs a key, and {chosen.keys[0]} is not set.", f"export {chosen.keys[0]}=..."
        )
    return Endpoint(url, model or chosen.model, key)


def _key(names: tuple[str, ...], environment: Mapping[str, str], url: str = "https://") -> SecretStr | None:
    """A key goes over an encrypted connection or to this machine, nowhere else."""
    found = next((value.strip() for name in names if (value := environment.get(name, "")).strip()), "")
    return SecretStr(found) if found and (url.startswith("https://") or is_loopback(url)) else None


def _check_url(text: str) -> str:
    url = normal_url(text)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"--base-url {text!r} is no address.", "Write one such as http://127.0.0.1:8000/v1.")
    return url
