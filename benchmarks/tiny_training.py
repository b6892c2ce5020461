"""The pipeline check, three seeds: a tiny model's perplexity on held-out rows before and after QLoRA, beside its control, and both
ways to merge.

python -m benchmarks tiny_training

It shows that the pipeline runs; nothing in it is about answers.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from assistant.backends.local_model import ModelRequest
from benchmarks.report import Row
from benchmarks.workspace import Workspace
from retrieval.domain import Domain, load_domain
from training.demo import CONTROL, Demo, Size, evaluation_plan, merge_into, run_demo
from training.evaluation.intervals import Ratio, ratio_interval
from training.evaluation.journal import open_journal
from training.evaluation.model_evaluation import Candidate, Evaluation, evaluate_models
from training.evaluation.perplexity import Loss
from training.rows import read_rows_of

SEEDS = (0, 1, 2)
BOUND = 0.7
FULL, QUICK = Size(answers=0), Size(seconds=5, steps=4, rows=20, answers=0)


def run(workspace: Workspace) -> Iterator[Row]:
    os.environ["SAVIA_HOME"] = str(workspace.home)
    workspace.copy_herbolaria()
    pack = load_domain("herbolaria", workspace.settings().domains_dir)
    found = {seed: _measure(pack, workspace.folder / f"tiny-{seed}", workspace.quick, seed) for seed in SEEDS}
    demos = [demo for demo, _ in found.values()]
    gains = [demo.gain.ratio for demo in demos]
    yield Row(
        "tiny pipeline check: held-out perplexity, finetuned / base, three seeds (no statement on answers)",
        ", ".join(f"{gain:.3f}" for gain in gains),
        f"< {BOUND} each",
        all(gain < BOUND for gain in gains),
        {"gains": gains},
    )
    yield Row(
        f"its control: finetuned / {CONTROL}, with the paired 95 % interval",
        "; ".join(_shown(demo.against_control) for demo in demos),
        figures={"ratios": [demo.against_control.ratio for demo in demos]},
    )
    for seed, (_, evaluation) in found.items():
        losses = {arm.model: arm.losses for arm in evaluation.arms}
        yield _merges(seed, losses)


def _measure(pack: Domain, folder: Path, quick: bool, seed: int) -> tuple[Demo, Evaluation]:
    demo = run_demo(pack, folder, QUICK if quick else FULL, seed, _silent)
    adapter = str(folder / "run" / "final")
    candidates = [
        Candidate("4-bit base and adapter", ModelRequest(str(folder / "base"), adapter, "4bit")),
        Candidate("into the unquantised base", ModelRequest(str(merge_into(folder, "base", pack)))),
        Candidate("into the dequantised base", ModelRequest(str(merge_into(folder, "dequantized", pack)))),
    ]
    rows = read_rows_of(folder / "rows" / "test.jsonl", pack)[: 20 if quick else None]
    plan = evaluation_plan(pack, candidates, rows, 0, "held-out rows")
    with open_journal(folder / "merges.jsonl") as journal:
        return demo, evaluate_models(plan, journal, _silent)


def _merges(seed: int, losses: dict[str, list[Loss]]) -> Row:
    trained, base, dequantized = losses.values()
    ratio = ratio_interval(dequantized, base)
    figures: dict[str, Any] = {
        "unquantised_to_trained": ratio_interval(trained, base).ratio,
        "dequantised_to_trained": ratio_interval(trained, dequantized).ratio,
    }
    return Row(
        f"merge, seed {seed}: held-out perplexity, into the unquantised base / into the dequantised one",
        _shown(ratio),
        figures=figures,
    )


def _shown(ratio: Ratio) -> str:
    return f"{ratio.ratio:.4f} ({ratio.interval[0]:.4f} to {ratio.interval[1]:.4f})"


def _silent(stage: str, done: int, total: int) -> None:
    """The rows say what came of it."""
