"""How much memory a run needs, from the model's dimensions alone; printed by the dry run, with what to change.

    estimate = estimate_memory(find_architecture("microsoft/phi-2"), config, settings)
    estimate.total, estimate.parts["weights"]

An estimate: `benchmarks/gpu_qlora.py` compares it with the measured peak where a GPU is at hand.
"""

from dataclasses import dataclass
from typing import Final

from training.architectures import Architecture
from training.config import TrainingConfig
from training.device import Device, DeviceSettings

GIB: Final = 2**30
_WIDTH: Final = {"float32": 4, "bfloat16": 2, "float16": 2}
_BLOCK: Final = 64  # weights that share one 4-bit scale
_NESTED: Final = 256  # scales that share one second-level scale
_CONTEXT: Final = int(0.6 * GIB)  # CUDA's own context and the libraries' workspaces; grows a little with the card
_SLACK: Final = 1.05  # fragments that the allocator cannot reuse

# Bytes of optimizer state per trained parameter.
_OPTIMIZER: Final = {"paged_adamw_8bit": 2.1, "adamw_8bit": 2.1, "paged_adamw_32bit": 8, "adamw_torch": 8}
# Values that one block keeps for its backward pass, per token, in multiples of the hidden width: two norms (each with
# an fp32 copy), queries, keys, values, attention's output, two residual sums.
_KEPT_HIDDEN: Final = 14
_KEPT_INNER: Final = 4  # gate, up, the activation and their product, per token and inner width
_VOCABULARY_CHUNK: Final = 32768  # columns of the output layer whose logits stand at once (trl.trainer.utils)
_LEARNED_SHARE: Final = 0.5  # tokens of a row that are learned, at most, in rows that carry their passages


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes on one device, by what they are for."""

    parts: dict[str, int]
    trained_parameters: int

    @property
    def total(self) -> int:
        return sum(self.parts.values())


def estimate_memory(
    architecture: Architecture, config: TrainingConfig, settings: DeviceSettings, device: Device | None = None
) -> MemoryEstimate:
    """The peak of one training step."""
    trained = (
        architecture.adapter_parameters(config.lora.target_modules, config.lora.r)
        if config.lora.enabled
        else architecture.parameters
    )
    linear = _linear_bytes(architecture, config, settings)
    other = architecture.other_parameters * _WIDTH[settings.weights]
    adapter = trained * 4 if config.lora.enabled else 0  # kept in fp32, so that a resumed run is exact
    parts = {
        "weights": linear,
        "embeddings, norms": other,
        "adapter": adapter,
        "gradients": trained * 4,
        "optimizer": int(trained * _OPTIMIZER.get(settings.optim, 8)),
        "activations": _activation_bytes(architecture, config, settings),
        "output layer": _output_bytes(architecture, config),
        "device context": _CONTEXT if device is None or device.kind == "cuda" else 0,
    }
    parts["fragments"] = int(sum(parts.values()) * (_SLACK - 1))
    return MemoryEstimate(parts, trained)


def suggest_changes(estimate: MemoryEstimate, config: TrainingConfig, memory: int) -> list[str]:
    """What to change, the most helpful first, so that a run fits into `memory` bytes; empty where it does."""
    if not memory or estimate.total <= memory:
        return []
    found = []
    if config.quantization.bits == 16:
        found.append("quantization.load_in_4bit: true (a quarter of the weights)")
    if not config.gradient_checkpointing:
        found.append("gradient_checkpointing: true (activations of one layer instead of all)")
    if config.per_device_train_batch_size > 1:
        rows = config.rows_per_step
        found.append(f"per_device_train_batch_size: 1 with gradient_accumulation_steps: {rows} (the same step)")
    if config.max_length > 512:
        found.append(f"max_length: {max(512, config.max_length // 2)} (half the activations)")
    if config.lora.r > 8:
        found.append(f"lora.r: {max(8, config.lora.r // 2)} (half the adapter and its optimizer)")
    return found or ["a smaller base model (model.name)"]


def format_bytes(count: int) -> str:
    return f"{count / GIB:.1f} GiB" if count >= GIB // 10 else f"{count / 2**20:.0f} MiB"


def _linear_bytes(architecture: Architecture, config: TrainingConfig, settings: DeviceSettings) -> int:
    count = architecture.linear_parameters
    match config.quantization.bits:
        case 4:
            scales = 1 + 4 / _NESTED if config.quantization.double_quant else 4
            return int(count * (0.5 + scales / _BLOCK))
        case 8:
            return count
        case _:
            return count * _WIDTH[settings.weights]


def _activation_bytes(architecture: Architecture, config: TrainingConfig, settings: DeviceSettings) -> int:
    """What the backward pass needs: with checkpoints each block's input, and one block in full."""
    tokens = config.per_device_train_batch_size * config.max_length
    width = 4 if settings.compute == "float32" else 2
    hidden, inner = architecture.hidden, architecture.inner
    queries = architecture.heads * architecture.head_size
    chosen = config.lora.target_modules
    inputs = sum(
        architecture.shape(name)[0]
        for name in architecture.modules
        if config.lora.enabled and (name in chosen or chosen == ("all-linear",))
    )
    # An adapter keeps its input once more behind dropout, and its inner values.
    adapters = inputs * (1.5 if config.lora.dropout else 0) + config.lora.r * len(architecture.modules)
    block = tokens * width * int(_KEPT_HIDDEN * hidden + 2 * queries + _KEPT_INNER * inner + adapters)
    mask = 2 * tokens * tokens if settings.packing and settings.attention == "sdpa" else 0
    largest = max(inputs * outputs for inputs, outputs in map(architecture.shape, architecture.modules))
    unpacked = largest * width if config.quantization.bits < 16 else 0  # one layer's weights, while they are used
    boundaries = tokens * width * hidden * architecture.layers
    kept = boundaries + block if settings.gradient_checkpointing else block * architecture.layers
    return kept + unpacked + mask


def _output_bytes(architecture: Architecture, config: TrainingConfig) -> int:
    """Logits of the learned tokens, a part of the vocabulary at a time, with their gradient."""
    learned = int(config.per_device_train_batch_size * config.max_length * _LEARNED_SHARE)
    return 2 * 4 * learned * min(architecture.vocabulary, _VOCABULARY_CHUNK)
