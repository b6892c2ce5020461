"""QLoRA on a GPU: useful tokens per second and peak memory of herbolaria's recipe against the same recipe with stock settings.

    python -m benchmarks.gpu_qlora                      # one NVIDIA GPU, about ten minutes
    python -m benchmarks.gpu_qlora --dry-run            # the same steps on a tiny model and any machine, a minute

The model has Qwen3-4B's dimensions and random weights (speed and memory do not depend on their values). Rows are those of the
exported data set where it has been built, else rows of the same shape from the corpus. Stock: no packing, rows of like length
in one padded batch, PyTorch's own attention.
"""

import argparse
import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from retrieval.settings import default_home
from training.architectures import find_architecture
from training.config import TrainingConfig
from training.device import read_device
from training.memory_estimate import estimate_memory, format_bytes
from training.recipes import load_recipe
from training.run_folder import RunFolder
from training.tiny_base import WINDOW, save_model, train_tokenizer
from training.trainer import QLoRATrainer

HOME: Final = default_home()
RECIPE: Final = HOME / "training" / "configs" / "qlora_config.yaml"
ROWS: Final = 600
PASSAGES: Final = 5
STEPS: Final = {"gpu": 12, "dry": 2}
WARM: Final = 3  # first steps that are not timed: kernels are compiled and memory is claimed
FULL: Final = {"hidden_size": 2560, "num_hidden_layers": 36, "num_attention_heads": 32, "num_key_value_heads": 8,
               "head_dim": 128, "intermediate_size": 9728, "vocab_size": 151936}  # fmt: skip
SMALL: Final = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
                "head_dim": 16, "intermediate_size": 192, "vocab_size": 4096}  # fmt: skip
MOST_MEMORY: Final = 12 * 2**30  # bytes promised at 2,048 tokens, batch 1 x 16
LEAST_GAIN: Final = 1.5
CLOSE: Final = 0.15  # the estimate against the measured peak


class Stock(QLoRATrainer):
    """The same recipe as it would run without our choices."""

    def _arguments(self) -> Any:
        arguments = super()._arguments()
        arguments.packing = False
        arguments.train_sampling_strategy = "group_by_length"
        return arguments


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--dry-run", action="store_true", help="a tiny model, any machine")
    options.add_argument("--rows", type=Path, help="a folder with train.jsonl; default: the export, else made rows")
    options.add_argument("--output", type=Path, help="write the figures to this JSON file")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), chosen.rows, chosen.dry_run)
    print(json.dumps(figures, indent=2))
    if chosen.output:
        chosen.output.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def measure(work: Path, rows: Path | None, dry: bool) -> dict[str, Any]:
    """Speed of both settings at the recipe's own batch, memory at 2 x 8 and at 1 x 16."""
    data = rows or write_rows(work / "rows")
    model = write_model(work / "model", data, SMALL if dry else FULL)
    figures: dict[str, Any] = {
        "device": read_device().name,
        "dry_run": dry,
        "model": "tiny" if dry else "Qwen3-4B, random",
    }
    for name, kind, batch in (
        ("ours", QLoRATrainer, (2, 8)),
        ("stock", Stock, (2, 8)),
        ("ours_1x16", QLoRATrainer, (1, 16)),
    ):
        config = make_config(model, data, batch, dry)
        figures[name] = run_once(kind(config, RunFolder(work / name)), config)
    figures["gain"] = round(figures["ours"]["tokens_per_second"] / figures["stock"]["tokens_per_second"], 2)
    figures["promised"] = {"gain": LEAST_GAIN, "peak_1x16": format_bytes(MOST_MEMORY), "estimate_within": CLOSE}
    return figures


def make_config(model: Path, data: Path, batch: tuple[int, int], dry: bool) -> TrainingConfig:
    given = {
        "model.name": str(model),
        "dataset_path": data,
        "per_device_train_batch_size": batch[0],
        "gradient_accumulation_steps": 2 if dry else batch[1],
        "max_steps": STEPS["dry" if dry else "gpu"],
        "max_truncated_share": 1.0,
        "eval_strategy": "no",
        "save_strategy": "no",
        "load_best_model_at_end": False,
        "early_stopping_patience": 0,
        "report_to": "none",
        **({"max_samples": 40} if dry else {}),
    }
    return load_recipe(None, str(RECIPE), overrides=given).config


def run_once(trainer: QLoRATrainer, config: TrainingConfig) -> dict[str, Any]:
    """Train some steps; tokens that are no padding per second after the warm-up, and the peak of memory."""
    import gc

    import torch
    from transformers import TrainerCallback

    marks: list[tuple[float, int]] = []

    class Clock(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            marks.append((time.perf_counter(), inner._total_train_tokens))

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    inner = trainer._trainer
    inner.add_callback(Clock())
    inner.train()
    peak = torch.cuda.max_memory_reserved() if torch.cuda.is_available() else 0
    first = marks[min(WARM, len(marks) - 2)]
    last = marks[-1]
    architecture = find_architecture(config.model.name)
    estimate = estimate_memory(architecture, config, trainer.device, read_device()).total if architecture else 0
    result = {
        "batch": f"{config.per_device_train_batch_size} x {config.gradient_accumulation_steps}",
        "packing": bool(inner.args.packing),
        "attention": trainer.device.attention,
        "tokens_per_second": round((last[1] - first[1]) / (last[0] - first[0]), 1),
        "peak": format_bytes(peak) if peak else "no GPU",
        "peak_bytes": peak,
        "estimate": format_bytes(estimate),
        "estimate_over_peak": round(estimate / peak, 3) if peak else None,
    }
    inner.model = inner.model_wrapped = None
    trainer.__dict__.pop("_trainer", None)
    gc.collect()
    return result


def write_model(folder: Path, data: Path, dimensions: dict[str, int]) -> Path:
    """Random weights in bf16 with Qwen3's layout, and a tokenizer that was learned from the rows."""
    import torch
    from transformers import AutoModelForCausalLM, Qwen3Config

    lines = (data / "train.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [turn["content"] for line in lines for turn in json.loads(line)["messages"]]
    tokenizer = train_tokenizer(texts, "qwen3")
    config = Qwen3Config(
        **dimensions,
        max_position_embeddings=WINDOW,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    save_model(model, tokenizer, folder)
    return folder


def write_rows(folder: Path) -> Path:
    """The exported rows where they are; else rows of the same shape from the corpus."""
    folder.mkdir(parents=True)
    exported = HOME / "data" / "build" / "herbolaria" / "export" / "train.jsonl"
    if exported.is_file():
        rows = [json.loads(line) for line in exported.read_text(encoding="utf-8").splitlines()][:ROWS]
    else:
        rows = make_rows()
    for name, part in (("train", rows[16:]), ("validation", rows[:16])):
        text = "".join(json.dumps({**row, "id": str(number)}) + "\n" for number, row in enumerate(part))
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return folder


def make_rows() -> list[dict[str, Any]]:
    """Five passages, a question, a thought and an answer, all cut from the corpus."""
    draw = random.Random(0)
    texts = [
        path.read_text(encoding="utf-8") for path in sorted((HOME / "data/domains/herbolaria/corpus").rglob("*.md"))
    ]
    sections = [section.strip() for text in texts for section in text.split("\n## ")[1:]]
    rows = []
    for number in range(ROWS):
        chosen = draw.sample(sections, PASSAGES)
        passages = "\n\n".join(
            f'<passage n="{n}" source="x">\n{text[:900]}\n</passage>' for n, text in enumerate(chosen, 1)
        )
        answer = f"<think>\n{chosen[0][:200]}\n</think>\n\n{chosen[0][: draw.randint(200, 900)]} [1]"
        turns = (("user", f"{passages}\n\nPregunta: ¿{number}?"), ("assistant", answer))
        rows.append({"messages": [{"role": role, "content": content} for role, content in turns]})
    return rows


if __name__ == "__main__":
    main()
