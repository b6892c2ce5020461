"""A model in memory: base, quantisation, adapter and device put together, or one sentence that says why not.

    loaded = load_model(ModelRequest("models/herbolaria"), report)
    loaded.network.generate(...)

No code of a model is ever run (`trust_remote_code` stays off) and only safetensors are read.
"""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

from assistant.backends.chat_prompt import ChatPrompt
from assistant.backends.exact_weights import keep_weights_exact
from assistant.backends.model_files import (
    ADAPTER_CONFIG,
    ModelFiles,
    check_adapter,
    check_base,
    check_model,
    find_model,
    trained_by,
)
from retrieval.errors import BackendError

Quantization = Literal["auto", "none", "4bit", "8bit"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]
Attention = Literal["auto", "sdpa", "flash_attention_2", "eager"]
Progress = Callable[[str, int, int], None]  # stage, done, total

LOADING: Final = "Loading the model"
FITS: Final = 0.8  # share of the free memory of a GPU that weights may take; the rest is for the cache of the prompt
DEFAULT_WINDOW: Final = 4096  # of models whose configuration names no length
LONGEST_WINDOW: Final = 131_072  # some configurations name a length nobody could pay for
_MISSING_SHOWN: Final = 3
_FETCH: Final = "Check the name, or fetch it where there is a network: hf download {name} --local-dir models/{short}"
_SMALLER: Final = "Set SAVIA_QUANTIZATION=4bit, choose a smaller model or another device."


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """Which model to load and how. `device` is `auto`, `cuda`, `cuda:1`, `mps` or `cpu`."""

    model: str
    adapter: str | None = None
    quantization: Quantization = "auto"
    dtype: Precision = "auto"
    device: str = "auto"
    attention: Attention = "auto"
    allow_base: bool = False


@dataclass(frozen=True)
class LoadedModel:
    """`network` is the transformers (or peft) model; `adapter` the hash of its adapter, also of one that was merged into
    it; empty where there is none.

    `without_adapter` says why the adapter asked for is not in it, where the request allowed that.
    """

    network: Any
    prompt: ChatPrompt
    device: str
    adapter: str
    without_adapter: str = ""


def load_prompt(request: ModelRequest) -> ChatPrompt:
    """The tokenizer, its chat template and the model's window; no weights. Raises `BackendError`."""
    files = find_model(request.model, request.adapter)
    check_model(files)
    from transformers import AutoTokenizer

    where: Any = files.base
    if files.adapter and (files.adapter / "tokenizer_config.json").is_file():
        where = files.adapter  # saved with it in training: the template that it has learned
    load: Any = AutoTokenizer.from_pretrained
    with _told(files, "tokenizer"):
        tokenizer = load(where, trust_remote_code=False)
    return ChatPrompt(tokenizer, _window(load_config(files), tokenizer), f"The model {files.name}")


def load_config(files: ModelFiles) -> Any:
    """The model's configuration. Raises `BackendError`."""
    from transformers import AutoConfig

    with _told(files, "configuration"):
        return AutoConfig.from_pretrained(files.base, trust_remote_code=False)


def load_model(request: ModelRequest, prompt: ChatPrompt, report: Progress) -> LoadedModel:
    """The model in memory, ready to generate. Raises `BackendError`."""
    files = find_model(request.model, request.adapter)
    check_model(files)
    without = _check_adapter(files, request.allow_base)
    if without:
        files = ModelFiles(files.base, None)
    device = choose_device(request.device)
    network = _load_base(files, request, device, report)
    keep_weights_exact(network)
    if files.adapter:
        network = _load_adapter(network, files)
    network.eval().requires_grad_(False)
    _set_ends(network, prompt)
    return LoadedModel(network, prompt, device, trained_by(files), without)


def choose_device(wanted: str) -> str:
    """The device to use; `auto` is CUDA, else Apple's MPS, else the CPU. Raises `BackendError` for one that is not there."""
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(name for name, usable in there.items() if usable)
    kind, _, number = wanted.partition(":")
    if not there.get(kind) or (number and (not number.isdigit() or int(number) >= torch.cuda.device_count())):
        usable = ", ".join(name for name, usable in there.items() if usable)
        raise BackendError(f"There is no device {wanted} here.", f"Set SAVIA_DEVICE to auto or one of: {usable}.")
    return wanted


def choose_dtype(wanted: Precision, device: str) -> Any:
    """fp32 on a CPU; bf16 on a GPU that has it, else fp16."""
    import torch

    if wanted != "auto":
        return getattr(torch, wanted)
    if device == "cpu":
        return torch.float32
    if device.startswith("cuda"):
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    return torch.bfloat16 if _has_bfloat16(device) else torch.float16


def choose_quantization(wanted: Quantization, files: ModelFiles, device: str) -> Quantization:
    """`auto`: 4-bit on a CUDA device where the weights would not fit otherwise."""
    import torch

    if wanted != "auto":
        return wanted
    if not device.startswith("cuda") or files.folder is None:
        return "none"
    size = sum(path.stat().st_size for path in files.folder.glob("*.safetensors"))
    free, _ = torch.cuda.mem_get_info(device)
    return "4bit" if size > free * FITS else "none"


def _check_adapter(files: ModelFiles, allow_base: bool) -> str:
    """Why the adapter cannot be used, where the base model may answer instead; empty where all is well."""
    if files.adapter is None:
        return ""
    try:
        shapes = check_adapter(files.adapter)
        check_base(files)
        _check_shapes(files, shapes)
    except BackendError as error:
        if not allow_base:
            raise
        return error.message
    return ""


def _check_shapes(files: ModelFiles, shapes: dict[str, tuple[int, ...]]) -> None:
    """Every weight of the adapter belongs to a part of the base model and has its size; known before weights are read."""
    import torch
    from transformers import AutoModelForCausalLM

    config = load_config(files)
    make: Any = AutoModelForCausalLM.from_config
    with _told(files, "configuration"), torch.device("meta"):
        skeleton = make(config, trust_remote_code=False)
    for name, shape in shapes.items():
        owner, _, part = name.removeprefix("base_model.model.").partition(".lora_")
        if not part:
            continue
        try:
            base = skeleton.get_submodule(owner)
        except AttributeError:
            raise _wrong_base(files, f"the model has no part {owner}") from None
        size = getattr(base, "in_features" if part.startswith("A.") else "out_features", None)
        given = shape[-1] if part.startswith("A.") else shape[0]
        if size is not None and part[:2] in ("A.", "B.") and given != size:
            raise _wrong_base(files, f"{owner} has {size} features there and {given} in the adapter")


def _wrong_base(files: ModelFiles, why: str) -> BackendError:
    return BackendError(
        f"The adapter {files.adapter} was trained on another model than {files.base}: {why}.",
        f"Use the model that its {ADAPTER_CONFIG} names, or choose another adapter.",
    )


def _load_base(files: ModelFiles, request: ModelRequest, device: str, report: Progress) -> Any:
    from transformers import AutoModelForCausalLM

    options = _load_options(files, request, device)
    load: Any = AutoModelForCausalLM.from_pretrained
    with _told(files, "weights"), _quiet(), _shown(report):
        network, found = load(files.base, output_loading_info=True, **options)
        missing = sorted(found["missing_keys"])
        if missing:
            raise BackendError(
                f"The model {files.base} lacks {len(missing)} of its weights: {', '.join(missing[:_MISSING_SHOWN])}.",
                _fetch(files),
            )
        return network if "device_map" in options else network.to(device)


def _load_options(files: ModelFiles, request: ModelRequest, device: str) -> dict[str, Any]:
    dtype = choose_dtype(request.dtype, device)
    options: dict[str, Any] = {"dtype": dtype, "use_safetensors": True, "trust_remote_code": False}
    if request.attention != "auto":
        options["attn_implementation"] = request.attention
    if device.startswith("cuda"):
        options["device_map"] = {"": device}
    quantization = choose_quantization(request.quantization, files, device)
    if quantization == "none" or getattr(load_config(files), "quantization_config", None):
        return options  # what is stored in few bits already stays as it is
    if device == "mps":
        raise BackendError("Apple's GPU cannot run models in 4 or 8 bits.", "Set SAVIA_QUANTIZATION=none.")
    return {**options, "quantization_config": _few_bits(quantization, dtype), "device_map": {"": device}}


def _few_bits(quantization: Quantization, dtype: Any) -> Any:
    from transformers import BitsAndBytesConfig

    make: Any = BitsAndBytesConfig
    if quantization == "8bit":
        return make(load_in_8bit=True)
    return make(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )


def _load_adapter(network: Any, files: ModelFiles) -> Any:
    from peft import PeftModel, get_peft_model_state_dict

    assert files.adapter is not None
    shapes = check_adapter(files.adapter)
    with _told(files, "adapter"), _quiet():
        tuned = PeftModel.from_pretrained(network, files.adapter, use_safetensors=True)
        lacking = set(get_peft_model_state_dict(tuned, save_embedding_layers=False)) - set(shapes)
    if lacking:
        raise _wrong_base(files, f"it has no weights for {min(lacking)}")
    return tuned


def _set_ends(network: Any, prompt: ChatPrompt) -> None:
    """What ends an answer: the model's own end tokens and the template's. Its other habits (sampling, penalties) are not ours."""
    from transformers import GenerationConfig

    own = network.generation_config.eos_token_id
    ends = [*([own] if isinstance(own, int) else own or []), *prompt.end_tokens]
    pad = prompt.tokenizer.pad_token_id
    make: Any = GenerationConfig
    network.generation_config = make(
        eos_token_id=sorted(set(ends)) or None, pad_token_id=pad if pad is not None else next(iter(ends), None)
    )
    base = getattr(network, "get_base_model", None)
    if base:
        base().generation_config = network.generation_config


def _window(config: Any, tokenizer: Any) -> int:
    """The longest text in tokens: what the model was made for, or less where its tokenizer says so."""
    made_for = getattr(config.get_text_config(decoder=True), "max_position_embeddings", None) or DEFAULT_WINDOW
    return int(min(made_for, tokenizer.model_max_length, LONGEST_WINDOW))


def _has_bfloat16(device: str) -> bool:
    import torch

    try:
        torch.zeros(1, dtype=torch.bfloat16, device=device)
    except (RuntimeError, TypeError):
        return False
    return True


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the libraries say to each other's authors: names that will go, kernels that are optional."""
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # for good: in 8 bits it speaks at every product
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.filterwarnings("ignore", "Found missing adapter keys")  # an error of ours
        yield


@contextmanager
def _shown(report: Progress) -> Iterator[None]:
    """The library's own bar of loaded weights as our progress, and nothing of it on the screen."""
    from transformers.utils.logging import set_tqdm_hook

    def hook(factory: Any, args: tuple[Any, ...], given: dict[str, Any]) -> Any:
        items = list(args[0] if args else given.get("iterable") or ())
        return _counted(items, report)

    before = set_tqdm_hook(hook)
    try:
        yield
    finally:
        set_tqdm_hook(before)


def _counted(items: list[Any], report: Progress) -> Iterator[Any]:
    for number, item in enumerate(items):
        report(LOADING, number, len(items))
        yield item
    report(LOADING, len(items), len(items))


@contextmanager
def _told(files: ModelFiles, part: str) -> Iterator[None]:
    """Whatever the libraries raise while they read a part of a model, as one sentence."""
    try:
        yield
    except BackendError:
        raise
    except Exception as error:  # the tokenizer's and the weights' readers raise bare Exceptions too
        reason = " ".join(str(error).split()) or type(error).__name__
        if "out of memory" in reason.lower() or isinstance(error, MemoryError):
            raise BackendError(f"The model {files.name} does not fit into memory.", _SMALLER) from error
        if isinstance(error, ImportError):
            raise BackendError(
                f"The model {files.name} needs a package: {reason}", "Install it, or set it off."
            ) from error
        if files.folder is None and isinstance(error, OSError):
            raise BackendError(
                f"The model {files.base} is no folder here, not in the local cache, and could not be fetched.",
                _fetch(files),
            ) from error
        raise BackendError(
            f"The {part} of the model {files.name} cannot be read: {_short(reason)}", _fetch(files)
        ) from error


def _fetch(files: ModelFiles) -> str:
    name = files.base if files.folder is None else "NAME"
    return _FETCH.format(name=name, short=name.rpartition("/")[2])


def _short(reason: str, most: int = 300) -> str:
    return reason if len(reason) <= most else f"{reason[:most]}..."
