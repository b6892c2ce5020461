"""An adapter added into the weights of its base model: one model, as fast as the base, that needs no peft.

    done = merge(MergeRequest(Path("run/final"), Path("models/merged")), domain, report)
    done.parity.max_difference

The sums are made in fp32 and compared with base and adapter side by side before anything is written; then what was written is
read again and compared too. The folder appears whole or not at all.
"""

import gc
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final, Literal

from assistant.backends.exact_weights import keep_weights_exact
from assistant.backends.local_model import ModelRequest, Precision, load_config, load_model, load_prompt
from assistant.backends.model_files import (
    ADAPTER_CONFIG,
    MERGE_RECORD,
    ModelFiles,
    check_adapter,
    check_base,
    check_model,
    find_model,
    hash_adapter,
)
from retrieval.domain import Domain
from retrieval.errors import BackendError, TrainingError, UsageError
from retrieval.files import write_atomically, write_json
from training.disk import model_writing
from training.merge_networks import add_adapter, load_with_adapter, own_precision, quiet_merging
from training.parity import Parity, Seen, collect_prompts, compare, observe

Into = Literal["base", "dequantized"]
Bits = Literal["none", "4bit", "8bit"]
Report = Callable[[str, int, int], None]

SHARD: Final = "2GB"  # files of this size load part by part on small machines, and upload in pieces


@dataclass(frozen=True, slots=True)
class MergeRequest:
    """`base` empty: the one that the adapter names. `dtype`: of the weights as stored; auto: the base's own.

    `low_memory` adds in the base's own precision: half the memory of fp32, and rounded once more.
    """

    adapter: Path
    output: Path
    base: str = ""
    into: Into = "base"
    dtype: Precision = "auto"
    quantize: Bits = "none"
    low_memory: bool = False


@dataclass(frozen=True, slots=True)
class Merged:
    """`parity`: base with adapter against the sum; `stored`: against what is read back from the folder."""

    folder: Path
    base: str
    adapter: str
    into: Into
    dtype: str
    parity: Parity
    stored: Parity
    quantized: Parity | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "folder": str(self.folder),
            "base_model": self.base,
            "adapter_sha256": self.adapter,
            "into": self.into,
            "dtype": self.dtype,
            "parity": self.parity.as_json(),
            "stored": self.stored.as_json(),
            **({"quantized": self.quantized.as_json()} if self.quantized else {}),
        }


def merge(request: MergeRequest, domain: Domain | None, report: Report) -> Merged:
    """Merge, compare, write. Raises `UsageError`, `TrainingError`; on any failure the output is as it was before."""
    files = find_parts(request)
    with quiet_merging(), model_writing(f"write the merged model to {request.output}", request.output):
        request.output.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(mkdtemp(dir=request.output.parent, prefix=f".{request.output.name}."))
        try:
            done = _Merge(request, files, domain, draft, report).run()
            draft.chmod(0o755)
            if request.output.exists():
                shutil.rmtree(request.output)
            draft.rename(request.output)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
    return done


def find_parts(request: MergeRequest) -> ModelFiles:
    """Base and adapter, looked at before anything is loaded. Raises `UsageError`, `TrainingError`."""
    adapter, output = request.adapter.expanduser(), request.output.expanduser()
    if adapter.is_dir() and not (adapter / ADAPTER_CONFIG).is_file():
        final = adapter / "final"
        if not (final / ADAPTER_CONFIG).is_file():
            whole = (adapter / "config.json").is_file()
            raise UsageError(
                f"{adapter} holds {'a whole model, which needs no merging' if whole else 'no adapter'}.",
                "Give the folder that savia train has made: RUN/final.",
            )
        adapter = final
    try:
        check_adapter(adapter)
    except BackendError as error:
        raise TrainingError(error.message, "Give a folder that savia train has made, such as RUN/final.") from error
    try:
        files = find_model(request.base, str(adapter))
        check_model(files)
        check_base(files)
    except BackendError as error:
        raise TrainingError(error.message, "Name the adapter's own base with --base-model.") from error
    _check_output(output, adapter, files)
    return files


class _Merge:
    """One merge and what it needs at every step."""

    def __init__(
        self, request: MergeRequest, files: ModelFiles, domain: Domain | None, draft: Path, report: Report
    ) -> None:
        assert files.adapter is not None
        self.request, self.files, self.draft = request, files, draft
        self._done = 0
        self._report = report
        self.model = ModelRequest(files.base, str(files.adapter))
        self.prompt = load_prompt(self.model)
        self.prompts = collect_prompts(self.prompt, domain)
        self.own = own_precision(files)
        self.stored: Precision = self.own if request.dtype == "auto" else request.dtype
        self.compute: Precision = self.own if request.low_memory else "float32"
        if request.into == "base" and getattr(load_config(files), "quantization_config", None):
            raise TrainingError(
                f"The base model {files.name} is stored in few bits, so there is no unquantised base to merge into.",
                "Give the unquantised model with --base-model, or merge with --into dequantized.",
            )

    def run(self) -> Merged:
        before = self._step("Running base and adapter", self._observe_parts)
        merged = [
            self._step("Merging", self._add)
        ]  # in a list, so that it can be let go before the folder is read back
        parity = compare(before, self._step("Comparing", lambda: observe(merged[0], self.prompts)))
        self._check(parity)
        self._step("Writing", lambda: self._write(merged.pop()))
        gc.collect()
        stored = compare(before, self._step("Reading back", lambda: self._observe_stored(self.draft, "float32")))
        self._check_stored(stored)
        few_bits = self.request.quantize != "none"
        quantized = self._step("Quantising", lambda: self._quantize(before)) if few_bits else None
        assert self.files.adapter is not None
        done = Merged(
            self.request.output, self.files.base, hash_adapter(self.files.adapter), self.request.into, self.stored,
            parity, stored, quantized,
        )  # fmt: skip
        write_json(self.draft / MERGE_RECORD, done.as_json())
        write_atomically(self.draft / "README.md", _card(done, self.files.name).encode())
        return done

    def _step(self, name: str, work: Callable[[], Any]) -> Any:
        steps = 5 if self.request.quantize == "none" else 6
        self._report(name, self._done, steps)
        found = work()
        self._done += 1
        self._report(name, self._done, steps)
        return found

    def _observe_parts(self) -> Seen:
        network = load_with_adapter(self.files, self.request.into, self.compute, self.prompt, _silent)
        return observe(network, self.prompts)

    def _add(self) -> Any:
        gc.collect()
        return add_adapter(self.files, self.request.into, self.compute, self.prompt, _silent)

    def _check(self, parity: Parity) -> None:
        """The sum must equal its parts; in 16 bits it cannot, and the figures say how far it is."""
        if self.compute == "float32" and not parity.holds:
            raise TrainingError(
                f"The merged model differs from base and adapter by {parity.max_difference:.2g} in its logits, and "
                f"{parity.prompts - parity.same_tokens} of {parity.prompts} answers go on otherwise; nothing was written.",
                "Train the adapter again, or serve base and adapter side by side: savia try --adapter.",
            )

    def _check_stored(self, stored: Parity) -> None:
        if self.stored == "float32" == self.compute and not stored.holds:
            raise TrainingError(
                f"What was written differs from what was merged by {stored.max_difference:.2g}.",
                "Check the disk, then run the same command again.",
            )

    def _write(self, network: Any) -> None:
        import torch

        network.to(getattr(torch, self.stored))
        network.config.dtype = getattr(torch, self.stored)
        network.save_pretrained(self.draft, max_shard_size=SHARD)
        self.prompt.tokenizer.save_pretrained(self.draft)

    def _observe_stored(self, folder: Path, dtype: Precision) -> Seen:
        request = ModelRequest(str(folder), None, "none", dtype if not self.request.low_memory else self.compute, "cpu")
        return observe(load_model(request, load_prompt(request), _silent).network, self.prompts)

    def _quantize(self, before: Seen) -> Parity:
        """Replace the draft's weights by 4- or 8-bit ones; how far that is from base and adapter is told, not judged."""
        request = ModelRequest(str(self.draft), None, self.request.quantize, "float32", "cpu")
        network = load_model(request, load_prompt(request), _silent).network
        keep_weights_exact(network)
        parity = compare(before, observe(network, self.prompts))
        for path in [*self.draft.glob("*.safetensors"), *self.draft.glob("*.index.json")]:
            path.unlink()
        network.save_pretrained(self.draft, max_shard_size=SHARD)
        return parity


def _check_output(output: Path, adapter: Path, files: ModelFiles) -> None:
    taken = [adapter.resolve(), *([files.folder.resolve()] if files.folder else [])]
    place = output.resolve()
    if any(place == other or place in other.parents for other in taken):
        raise UsageError(f"{output} holds the adapter or its base.", "Name another folder with --output-path.")
    if output.exists() and not (output / "config.json").is_file() and (output.is_file() or any(output.iterdir())):
        raise UsageError(f"{output} is there and holds no model.", "Name another folder, or empty this one.")


def _card(done: Merged, base: str) -> str:
    bits = ", then quantised" if done.quantized else ""
    return (
        f"# {base}, merged with its adapter\n\n"
        f"Savia added the adapter `{done.adapter}` into the {'unquantised' if done.into == 'base' else 'dequantised'} weights "
        f"of `{base}`, stored as {done.dtype}{bits}.\n\n"
        f"On {done.parity.prompts} prompts the sum differs from base and adapter by {done.parity.max_difference:.2g} in its "
        f"logits at most, as stored by {done.stored.max_difference:.2g}; {done.stored.same_tokens} of {done.stored.prompts} "
        f"likeliest continuations are the same. All figures: `{MERGE_RECORD}`.\n\n"
        "The chat template in this folder is the one that was trained. The base model's licence holds for what is derived from "
        "it. Answers may be wrong; the model gives no professional advice.\n"
    )


def _silent(stage: str, done: int, total: int) -> None:
    """The parts' own progress: the steps of the merge are shown instead."""
