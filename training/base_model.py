"""The base model and its tokenizer, loaded for training: from a folder or the Hub, quantised as the recipe says.

tokenizer = load_tokenizer(config); model = load_model(config, device_settings)
"""

import logging as logging_of_python
import os
import re
import socket
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from assistant.backends.exact_weights import keep_weights_exact
from retrieval.errors import TrainingError
from training.chat_layout import prepare_tokenizer
from training.config import TrainingConfig
from training.device import DeviceSettings, quantization_settings

_GATED: Final = re.compile(r"gated|401|403|restricted", re.IGNORECASE)


def load_tokenizer(config: TrainingConfig) -> Any:
    """The model's tokenizer with the recipe's chat template. Raises `TrainingError`, `RecipeInvalid`."""
    from transformers import AutoConfig, AutoTokenizer

    check_available(config.model.name)
    with _loading(config.model.name):
        found: Any = AutoConfig.from_pretrained(config.model.name, **_source(config))
        tokenizer: Any = AutoTokenizer.from_pretrained(config.model.name, **_source(config))
    prepare_tokenizer(tokenizer, config.model.chat_template, str(found.model_type))
    return tokenizer


def check_available(name: str) -> None:
    """Raises `TrainingError` at once where a model is neither a folder, nor downloaded, nor to be had: no retries."""
    from huggingface_hub import constants, try_to_load_from_cache

    if (Path(name) / "config.json").is_file():
        return
    if Path(name).is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise TrainingError(
            f"There is no model in {name}.", "Give a folder that holds a config.json, or a name of the Hub."
        )
    if isinstance(try_to_load_from_cache(name, "config.json"), str):
        return
    if constants.HF_HUB_OFFLINE or not _can_reach(constants.ENDPOINT):
        raise TrainingError(
            f"The base model {name} is not on this machine, and the Hub cannot be reached.",
            "Connect once so that it is downloaded, or give a folder with --model-name.",
        )


def _can_reach(endpoint: str) -> bool:
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
        return True  # the proxy resolves names
    try:
        socket.getaddrinfo(urlsplit(endpoint).hostname or "", None)
    except OSError:
        return False
    return True


def load_model(config: TrainingConfig, settings: DeviceSettings) -> Any:
    """The base model, frozen weights quantised where the recipe says so. Raises `TrainingError`."""
    import torch
    from transformers import AutoModelForCausalLM

    with _loading(config.model.name):
        model: Any = AutoModelForCausalLM.from_pretrained(
            config.model.name,
            **_source(config),
            dtype=getattr(torch, settings.weights),
            quantization_config=quantization_settings(config, settings),
            attn_implementation=settings.attention,
            use_safetensors=True,
            **_placement(config, settings),
        )
    model.config.use_cache = False
    keep_weights_exact(model)
    return model


def find_missing_modules(model: Any, names: Sequence[str]) -> list[str]:
    """Names that no linear layer of a model ends in; for no names at all, the names that there are."""
    linear = {
        name.rpartition(".")[2]
        for name, module in model.named_modules()
        if "Linear" in type(module).__name__ and not name.endswith("lm_head")
    }
    if not names:
        return sorted(linear)
    return [] if tuple(names) == ("all-linear",) else [name for name in names if name.rpartition(".")[2] not in linear]


def _source(config: TrainingConfig) -> dict[str, Any]:
    return {
        "revision": config.model.revision or None,
        "trust_remote_code": config.model.trust_remote_code,
    }


def _placement(config: TrainingConfig, settings: DeviceSettings) -> dict[str, Any]:
    """A quantised model is loaded on its process' own card; FSDP and DeepSpeed place the weights themselves."""

    if settings.use_cpu or config.distributed in ("fsdp", "deepspeed") or os.environ.get("ACCELERATE_USE_FSDP"):
        return {}
    return {"device_map": {"": int(os.environ.get("LOCAL_RANK", "0"))}} if settings.bf16 or settings.fp16 else {}


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """No progress bars and no notes about names that the libraries themselves will change: our lines say what goes on."""
    from datasets.utils import disable_progress_bars
    from transformers.utils import logging

    silence: Any = logging.disable_progress_bar
    silence()
    disable_progress_bars()
    logging_of_python.getLogger("bitsandbytes.backends.cpu.ops").setLevel(
        logging_of_python.ERROR
    )  # kernels that are only for other CPUs
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning, module=r"transformers\.|trl\.|peft\.")
        warnings.filterwarnings("ignore", message=".*gradient_checkpointing.*", category=FutureWarning)
        yield


@contextmanager
def _loading(name: str) -> Iterator[None]:
    """What the libraries raise for a model that is not there, not ours to read, or broken, as one sentence."""
    try:
        yield
    except (OSError, ValueError) as error:
        text = str(error)
        if _GATED.search(text):
            raise TrainingError(
                f"The Hub does not give {name} to this user.", "Accept its licence there and set HF_TOKEN."
            ) from error
        reason = text.strip().splitlines()[0] if text.strip() else type(error).__name__
        raise TrainingError(
            f"The base model {name} cannot be loaded: {reason[:200]}",
            "Give a folder with --model-name, or connect to the Hub once so that it is downloaded.",
        ) from error
