"""The exact command that serves a model with vLLM: a merged model, or a base with its adapter, read from their own files.

shell_line(vllm_command(VllmPlan(model="models/herbolaria-merged")))
# VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1 vllm serve models/herbolaria-merged --host 127.0.0.1 --port 8000 ...
"""

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.backends.model_files import read_base_name
from retrieval.errors import BackendError, UsageError

# model_type -> vLLM's parser, for families whose reasoning has tags (vLLM's documentation, "Reasoning Outputs").
PARSERS = {
    "qwen2": "deepseek_r1",  # the distilled and QwQ models: those whose template thinks
    "llama": "deepseek_r1",
    "qwen3": "qwen3",
    "qwen3_moe": "qwen3",
    "qwen3_next": "qwen3",
    "qwen3_5": "qwen3",
    "qwen3_5_moe": "qwen3",
    "deepseek_v3": "deepseek_r1",
    "granite": "granite",
    "glm4_moe": "glm45",
    "ernie4_5": "ernie45",
    "ernie4_5_moe": "ernie45",
    "hunyuan_v1_moe": "hunyuan_a13b",
    "minimax_m2": "minimax_m2_append_think",
}
THINKS = "<think>"  # in a chat template: the model reasons before it answers
LORA_RANKS = (
    8,
    16,
    32,
    64,
    128,
    256,
    320,
    512,
)  # the only values that --max-lora-rank takes; its default of 16 refuses ours
ENVIRONMENT = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}  # vLLM counts its users otherwise
MODULE = "vllm.entrypoints.openai.api_server"


@dataclass(frozen=True, slots=True)
class VllmPlan:
    """What is served and how. `model`: a folder or name; empty: the adapter's own base. Zeros leave vLLM's defaults."""

    model: str = ""
    adapter: str = ""
    host: str = "127.0.0.1"
    port: int = 8000
    max_model_len: int = 0
    gpu_memory_utilization: float = 0.0
    tensor_parallel_size: int = 1
    pipeline_parallel_size: int = 1
    python: str = ""  # vLLM's own environment, where it has one

    @property
    def served_name(self) -> str:
        """The name to ask for: the adapter's where there is one."""
        return (
            Path(self.adapter or self.model).resolve().name if Path(self.adapter or self.model).exists() else self.model
        )


def vllm_command(plan: VllmPlan) -> list[str]:
    """The command as a list. Raises `UsageError`, `BackendError` for a folder that holds no such thing."""
    adapter = _read_json(plan.adapter, "adapter_config.json") if plan.adapter else {}
    model = plan.model or (read_base_name(Path(plan.adapter)) if plan.adapter else "")
    if not model:
        raise UsageError("There is no model to serve.", "Give --model-path FOLDER, or --adapter FOLDER.")
    start = [plan.python, "-m", MODULE, "--model"] if plan.python else ["vllm", "serve"]
    return [
        *start,
        model,
        *("--host", plan.host, "--port", str(plan.port)),
        *_name_options(plan, model),
        *_adapter_options(plan, adapter),
        *_parser_options(model, plan.adapter),
        *_size_options(plan),
    ]


def shell_line(command: list[str]) -> str:
    """The command with its environment, as it can be pasted."""
    return " ".join([*(f"{name}={value}" for name, value in ENVIRONMENT.items()), shlex.join(command)])


def reasoning_parser(model: str, adapter: str = "") -> str:
    """vLLM's parser for a model in a folder, empty where its chat template does not think.

    A parser on a model that does not think takes the whole answer for reasoning.
    """
    template = _read_template(adapter) or _read_template(model)
    if THINKS not in template or not Path(model).is_dir():
        return ""
    return PARSERS.get(str(_read_json(model, "config.json").get("model_type", "")), "")


def _name_options(plan: VllmPlan, model: str) -> list[str]:
    """The name to ask for. A base in a folder is listed under the folder's name: vLLM would show its whole path to who asks."""
    if not plan.adapter:
        return ["--served-model-name", plan.served_name or model]
    name = Path(model).resolve().name if Path(model).is_dir() else ""
    return ["--served-model-name", name] if name and name != plan.served_name else []


def _adapter_options(plan: VllmPlan, config: dict[str, Any]) -> list[str]:
    if not plan.adapter:
        return []
    rank = int(config.get("r") or 0)
    largest = next((allowed for allowed in LORA_RANKS if allowed >= rank), None)
    if largest is None:
        raise BackendError(
            f"The adapter {plan.adapter} has rank {rank}; vLLM serves up to {LORA_RANKS[-1]}.",
            "Merge it first: savia merge, then serve the merged model.",
        )
    return ["--enable-lora", "--lora-modules", f"{plan.served_name}={plan.adapter}", "--max-lora-rank", str(largest)]


def _parser_options(model: str, adapter: str) -> list[str]:
    parser = reasoning_parser(model, adapter)
    return ["--reasoning-parser", parser] if parser else []


def _size_options(plan: VllmPlan) -> list[str]:
    options = {
        "--max-model-len": plan.max_model_len,
        "--gpu-memory-utilization": plan.gpu_memory_utilization,
        "--tensor-parallel-size": plan.tensor_parallel_size if plan.tensor_parallel_size > 1 else 0,
        "--pipeline-parallel-size": plan.pipeline_parallel_size if plan.pipeline_parallel_size > 1 else 0,
    }
    return [
        part for name, value in options.items() if value for part in (name, f"{value:g}" if value < 1 else str(value))
    ]


def _read_template(folder: str) -> str:
    """A model's chat template, empty where its folder has none."""
    if not folder or not Path(folder).is_dir():
        return ""
    file = Path(folder) / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8", errors="replace")
    if not (Path(folder) / "tokenizer_config.json").is_file():
        return ""
    return json.dumps(_read_json(folder, "tokenizer_config.json").get("chat_template") or "", ensure_ascii=False)


def _read_json(folder: str, name: str) -> dict[str, Any]:
    path = Path(folder) / name
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        what = "an adapter" if name.startswith("adapter") else "a model"
        raise BackendError(
            f"{folder} is not {what}: {name} is missing or cannot be read.", f"Give the folder of {what}."
        ) from error
    return value if isinstance(value, dict) else {}
