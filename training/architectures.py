"""Dimensions of base models: of the recipes' five as facts, of any other from its `config.json`.

find_architecture("microsoft/phi-2").parameters        # 2,779,683,840
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from retrieval.errors import TrainingError

WITH_GATE: Final = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
WITHOUT_GATE: Final = ("q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2")


@dataclass(frozen=True, slots=True)
class Architecture:
    """A decoder as its published config describes it; `kind` is transformers' model type."""

    kind: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_size: int
    inner: int
    vocabulary: int
    tied: bool
    window: int

    @property
    def modules(self) -> tuple[str, ...]:
        """The linear layers of one block, by the names that adapters use."""
        return WITHOUT_GATE if self.kind == "phi" else WITH_GATE

    def shape(self, module: str) -> tuple[int, int]:
        """Inputs and outputs of one linear layer."""
        queries, keys = self.heads * self.head_size, self.kv_heads * self.head_size
        return {
            "q_proj": (self.hidden, queries),
            "k_proj": (self.hidden, keys),
            "v_proj": (self.hidden, keys),
            "o_proj": (queries, self.hidden),
            "dense": (queries, self.hidden),
            "gate_proj": (self.hidden, self.inner),
            "up_proj": (self.hidden, self.inner),
            "down_proj": (self.inner, self.hidden),
            "fc1": (self.hidden, self.inner),
            "fc2": (self.inner, self.hidden),
        }[module]

    @property
    def linear_parameters(self) -> int:
        """Weights of all blocks' linear layers: what is quantised."""
        return self.layers * sum(inputs * outputs for inputs, outputs in map(self.shape, self.modules))

    @property
    def other_parameters(self) -> int:
        """Embeddings, output layer, norms and biases: what stays in 16 bit."""
        embeddings = self.vocabulary * self.hidden * (1 if self.tied else 2)
        return embeddings + self._norms_and_biases()

    @property
    def parameters(self) -> int:
        return self.linear_parameters + self.other_parameters

    def adapter_parameters(self, modules: tuple[str, ...], rank: int) -> int:
        """Of LoRA with `rank` on the named layers (names that a block has not count nothing)."""
        chosen = self.modules if modules == ("all-linear",) else [name for name in self.modules if name in modules]
        return self.layers * sum(rank * (inputs + outputs) for inputs, outputs in map(self.shape, chosen))

    def _norms_and_biases(self) -> int:
        match self.kind:
            case "phi":  # one norm a block with weight and bias, biases on every linear layer, one of the output layer
                biases = sum(self.shape(name)[1] for name in self.modules)
                return self.layers * (2 * self.hidden + biases) + 2 * self.hidden + self.vocabulary
            case "qwen3":  # two norms a block, and one each for queries and keys
                return self.layers * (2 * self.hidden + 2 * self.head_size) + self.hidden
            case _:
                return self.layers * 2 * self.hidden + self.hidden


_QWEN3_4B: Final = Architecture("qwen3", 2560, 36, 32, 8, 128, 9728, 151936, True, 262144)

# As published with the models; the parameter counts that follow from them are those the models are known by (a test).
ARCHITECTURES: Final[dict[str, Architecture]] = {
    "Alibaba-Apsara/DASD-4B-Thinking": _QWEN3_4B,
    "Qwen/Qwen3-4B": Architecture("qwen3", 2560, 36, 32, 8, 128, 9728, 151936, True, 40960),
    "meta-llama/Llama-3.2-3B-Instruct": Architecture("llama", 3072, 28, 24, 8, 128, 8192, 128256, True, 131072),
    "microsoft/phi-2": Architecture("phi", 2560, 32, 32, 32, 80, 10240, 51200, False, 2048),
    "deepseek-ai/deepseek-math-7b-instruct": Architecture("llama", 4096, 30, 32, 32, 128, 11008, 102400, False, 4096),
}


def find_architecture(name: str) -> Architecture | None:
    """Of a shipped name or a local folder; None for a model of the Hub that is not among the facts."""
    folder = Path(name)
    if (folder / "config.json").is_file():
        return read_architecture(folder / "config.json")
    return ARCHITECTURES.get(name)


def read_architecture(path: Path) -> Architecture:
    """Of a `config.json`. Raises `TrainingError` where it describes no decoder that is known here."""
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        heads = int(values["num_attention_heads"])
        hidden = int(values["hidden_size"])
        return Architecture(
            str(values["model_type"]),
            hidden,
            int(values["num_hidden_layers"]),
            heads,
            int(values.get("num_key_value_heads") or heads),
            int(values.get("head_dim") or hidden // heads),
            int(values["intermediate_size"]),
            int(values["vocab_size"]),
            bool(values.get("tie_word_embeddings", False)),
            int(values.get("max_position_embeddings") or 0),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            f"{path} does not describe a model that can be trained here ({error}).", "Check model.name."
        ) from error
