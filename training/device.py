"""Everything in training that depends on the machine, in one place: precision, optimizer, attention, memory savings.

choose_settings(config, read_device()).notes        # what was changed from the recipe, and why
"""

import importlib.util
import os
from dataclasses import dataclass
from typing import Any, Final, Literal

from retrieval.errors import TrainingError
from training.architectures import find_architecture
from training.config import TrainingConfig

Kind = Literal["cuda", "mps", "cpu"]
AMPERE: Final = 8  # compute capability of the first NVIDIA cards with bfloat16 and TF32 in hardware

SMALL: Final = 500_000_000  # parameters

# Attention that reads the borders of packed rows: proven for sdpa and eager by tests/training/test_train.py, and how the flash
# and flex kernels are called.
_KEEPS_ROWS_APART: Final = ("sdpa", "eager", "flash_attention_2", "flex_attention")


@dataclass(frozen=True, slots=True)
class Device:
    """What a run finds; `memory` in bytes of one device, 0 where unknown."""

    kind: Kind
    name: str
    memory: int = 0
    bfloat16: bool = False
    count: int = 1
    capability: int = 0
    flash_attention: bool = False


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """A recipe's device-dependent values as they are used; dtypes by torch's names."""

    bf16: bool
    fp16: bool
    tf32: bool
    use_cpu: bool
    optim: str
    gradient_checkpointing: bool
    attention: str
    packing: bool
    weights: str
    compute: str
    notes: tuple[str, ...] = ()


def read_device() -> Device:
    """The device that training would use."""
    import torch

    flash = importlib.util.find_spec("flash_attn") is not None
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        return Device(
            "cuda",
            properties.name,
            properties.total_memory,
            torch.cuda.is_bf16_supported(including_emulation=False),  # older cards emulate it, far slower than float16
            torch.cuda.device_count(),
            properties.major,
            flash and properties.major >= AMPERE,
        )
    if torch.backends.mps.is_available():
        return Device("mps", "Apple GPU", bfloat16=True)
    return Device("cpu", "CPU", _cpu_memory())


def choose_settings(config: TrainingConfig, device: Device) -> DeviceSettings:
    """A recipe's values for a device. Raises `TrainingError` for what a device cannot do at all."""
    if config.quantization.load_in_8bit and device.kind != "cuda":
        raise TrainingError(
            f"8-bit training needs an NVIDIA GPU, and this machine has {device.name}.",
            "Leave --load-in-8bit out: 4-bit works on every device.",
        )
    if device.kind == "cuda":
        return _for_cuda(config, device)
    return _for_others(config, device)


def _for_cuda(config: TrainingConfig, device: Device) -> DeviceSettings:
    notes = []
    bf16 = device.bfloat16 if config.bf16 is None else config.bf16
    if bf16 and not device.bfloat16:
        bf16 = False
        notes.append(f"{device.name} has no bfloat16: float16 is used")
    fp16 = not bf16 if config.fp16 is None else config.fp16
    if fp16 and bf16:
        bf16, fp16 = True, False  # the same memory, and no overflow
        notes.append("bfloat16 is used instead of float16: the card has it, and it does not overflow")
    half = "bfloat16" if bf16 else "float16" if fp16 else "float32"
    attention = config.model.attention
    if attention == "auto":
        attention = "flash_attention_2" if device.flash_attention else "sdpa"
    elif attention == "flash_attention_2" and not device.flash_attention:
        attention = "sdpa"
        notes.append("flash_attn is not installed or the card is too old: sdpa is used")
    optim = config.optim
    if config.optimizer_offload and not optim.startswith("paged_"):
        optim = "paged_adamw_8bit" if optim == "adamw_8bit" else "paged_adamw_32bit"
        notes.append(f"optimizer_offload: {optim}, whose state may move to the CPU's memory")
    return DeviceSettings(
        bf16,
        fp16,
        device.capability >= AMPERE,
        False,
        optim,
        config.gradient_checkpointing,
        attention,
        config.packing and attention in _KEEPS_ROWS_APART,
        half if config.model.dtype == "auto" or (config.model.dtype == "bfloat16" and not bf16) else config.model.dtype,
        half if config.quantization.compute_dtype == "auto" else config.quantization.compute_dtype,
        tuple(notes),
    )


def _for_others(config: TrainingConfig, device: Device) -> DeviceSettings:
    """CPU and Apple: everything in fp32, which is also what makes a resumed run the same to the bit."""
    notes = [f"training on {device.name}: float32, adamw_torch instead of {config.optim}"]
    attention = "eager" if config.model.attention == "eager" else "sdpa"
    checkpointing = config.gradient_checkpointing and not _is_small(config.model.name)
    return DeviceSettings(
        False,
        False,
        False,
        device.kind == "cpu",
        "adamw_torch",
        checkpointing,
        attention,
        config.packing,
        "float32",
        "float32",
        tuple(notes),
    )


def _is_small(name: str) -> bool:
    """Models whose activations fit into memory whatever happens: recomputing them would only cost time."""
    architecture = find_architecture(name)
    return architecture is not None and architecture.parameters < SMALL


def quantization_settings(config: TrainingConfig, settings: DeviceSettings) -> Any:
    """transformers' quantisation settings, None where the recipe quantises nothing."""
    if config.quantization.bits == 16:
        return None
    import torch
    from transformers import BitsAndBytesConfig

    if config.quantization.load_in_8bit:
        return BitsAndBytesConfig(load_in_8bit=True)  # type: ignore[no-untyped-call]
    compute = getattr(torch, settings.compute)
    return BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type=config.quantization.quant_type,
        bnb_4bit_use_double_quant=config.quantization.double_quant,
        bnb_4bit_compute_dtype=compute,
        bnb_4bit_quant_storage=getattr(torch, settings.weights) if config.distributed == "fsdp" else torch.uint8,
    )


def _cpu_memory() -> int:

    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0
