"""The networks of a merge: base and adapter side by side, and the sum of both.

    network = add_adapter(files, "base", "float32", prompt, report)

All on the CPU, where fp32 is exact and memory is cheap.
"""

import logging as logging_of_python
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from assistant.backends.chat_prompt import ChatPrompt
from assistant.backends.exact_weights import keep_weights_exact
from assistant.backends.local_model import ModelRequest, Precision, Progress, load_config, load_model
from assistant.backends.model_files import ModelFiles
from retrieval.errors import TrainingError

Way = Literal["base", "dequantized"]  # into the unquantised base, or into the 4-bit one, dequantised


def add_adapter(files: ModelFiles, into: Way, dtype: Precision, prompt: ChatPrompt, report: Progress) -> Any:
    """The merged network in memory, on the CPU. Raises `BackendError`."""
    from peft import PeftModel

    assert files.adapter is not None
    if into == "base":
        network = load_with_adapter(files, into, dtype, prompt, report)
    else:
        request = ModelRequest(files.base, None, "4bit", "float32", "cpu")
        network = _dequantize(load_model(request, prompt, report).network)
        network = PeftModel.from_pretrained(network, files.adapter, use_safetensors=True)
    try:
        merged = network.merge_and_unload(safe_merge=True)
    except ValueError as error:  # what peft raises for weights that are not finite
        raise TrainingError(
            f"The adapter {files.adapter} cannot be merged: {str(error).strip().splitlines()[0]}",
            "Train it again: savia train",
        ) from error
    merged.eval().requires_grad_(False)
    return merged


def load_with_adapter(files: ModelFiles, into: Way, dtype: Precision, prompt: ChatPrompt, report: Progress) -> Any:
    """Base and adapter side by side, on the CPU: what the merged network must equal. Raises `BackendError`."""
    quantization: Literal["none", "4bit"] = "none" if into == "base" else "4bit"
    request = ModelRequest(files.base, str(files.adapter), quantization, dtype, "cpu")
    network = load_model(request, prompt, report).network
    keep_weights_exact(network)
    return network


@contextmanager
def quiet_merging() -> Iterator[None]:
    """Without the libraries' bars, and their advice on dequantising, which is what is done here on purpose."""
    from transformers.utils import logging

    speak: Any = logging
    bars, level = speak.is_progress_bar_enabled(), speak.get_verbosity()
    speak.disable_progress_bar()
    speak.set_verbosity_error()
    logging_of_python.getLogger("bitsandbytes").setLevel(logging_of_python.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # between transformers and peft, about names
            yield
    finally:
        speak.set_verbosity(level)
        if bars:
            speak.enable_progress_bar()


def own_precision(files: ModelFiles) -> Precision:
    """The base model's own precision, as its configuration says; fp32 where it says nothing known."""
    name = str(getattr(load_config(files), "dtype", None) or "").rpartition(".")[2]
    known: dict[str, Precision] = {"bfloat16": "bfloat16", "float16": "float16"}
    return known.get(name, "float32")


def _dequantize(network: Any) -> Any:
    """The 4-bit network as fp32: the weights that the adapter was trained beside, to the last bit."""
    import torch

    keep_weights_exact(network)
    return network.dequantize(dtype=torch.float32)
