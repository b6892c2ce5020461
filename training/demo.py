"""The whole of training in minutes, on any machine: tiny base, QLoRA, merge, evaluation, and the page on the result.

    make demo-train
    python -m training.demo --no-open

A check of the pipeline, not of answers: a model of three million parameters knows nothing. Beside it stands its control, the same
training on the same answers given to other questions: where that does as well, the fall in perplexity is that of style alone.
"""

import gc
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from assistant.backends.local_model import ModelRequest
from assistant.messages import Options
from retrieval.console import (
    DomainOption,
    JsonOption,
    errors,
    escape,
    output,
    print_json,
    print_table,
    progress_bar,
    run_command,
    say,
)
from retrieval.domain import Domain, load_domain
from retrieval.files import write_json
from retrieval.lexical import Analyzer
from retrieval.settings import read_settings
from training.data_preparation.generate_qa import generate_examples
from training.data_preparation.leakage import judging_questions
from training.data_preparation.parse_documents import parse_documents
from training.data_preparation.split import split_examples
from training.data_preparation.templates import read_templates
from training.evaluation.arms import Settings
from training.evaluation.intervals import Ratio, ratio_interval
from training.evaluation.items import row_items, spread
from training.evaluation.journal import open_journal
from training.evaluation.model_evaluation import Candidate, Evaluation, Plan, evaluate_models
from training.evaluation.model_report import build_report, ratio_sentence
from training.example import write_examples, write_rows
from training.merging import Into, Merged, MergeRequest, merge
from training.recipes import load_recipe
from training.rows import TrainingRow, read_rows_of
from training.run_folder import RunFolder
from training.tiny_base import make_tiny_base
from training.trainer import QLoRATrainer

LABEL: Final = "A check of the pipeline, not of answers."
RECIPE: Final = Path(__file__).parent / "configs" / "demo.yaml"
SECONDS: Final = 60.0  # of pretraining: with all the rest below six minutes on two cores
STEPS: Final = 60
ANSWERS: Final = 4  # samples for the page of figures; they mean nothing
ANSWER_TOKENS: Final = 48
CONTROL: Final = "trained on shuffled answers"

Report = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Size:
    """How long the demonstration takes; tests make it smaller."""

    seconds: float = SECONDS
    steps: int = STEPS
    rows: int = 0  # held-out rows measured; 0: all
    answers: int = ANSWERS


@dataclass(frozen=True)
class Demo:
    """`gain`: finetuned against base; `against_control`: finetuned against the same training on shuffled answers."""

    folder: Path
    evaluation: Evaluation
    merged: Merged
    gain: Ratio
    against_control: Ratio
    seconds: float

    def as_json(self) -> dict[str, Any]:
        return {
            "label": LABEL,
            "merged": str(self.merged.folder),
            "perplexity": {arm.model: arm.perplexity for arm in self.evaluation.arms},
            "gain": asdict(self.gain),
            "against_control": asdict(self.against_control),
            "parity": self.merged.parity.as_json(),
            "seconds": round(self.seconds, 1),
        }


def run_demo(pack: Domain, folder: Path, size: Size, seed: int, report: Report) -> Demo:
    """All of it in one folder; returns the figures. Raises whatever a stage raises."""
    begun = time.monotonic()
    _tell("Rows from the pack's documents")
    train, test = write_demo_rows(pack, folder, seed)
    _tell(f"A tiny base model, pretrained for {size.seconds:g} seconds")
    make_tiny_base("qwen3", folder / "base", pack, size.seconds, seed)
    _tell("QLoRA on the rows")
    train_adapter(pack, folder, train, test, "run", size.steps, seed)
    _tell("Its control: QLoRA on the same answers given to other questions")
    shuffled = write_shuffled(train, folder / "rows" / "train_shuffled.jsonl", pack, seed)
    train_adapter(pack, folder, shuffled, test, "control", size.steps, seed)
    _tell("Merge")
    merged = merge(MergeRequest(folder / "run" / "final", folder / "merged"), pack, report)
    _tell("Evaluation on rows that were not learned from")
    evaluation = _evaluate(pack, folder, test, size, report)
    base, control, finetuned = evaluation.arms
    done = Demo(
        folder, evaluation, merged, ratio_interval(base.losses, finetuned.losses),
        ratio_interval(control.losses, finetuned.losses), time.monotonic() - begun,
    )  # fmt: skip
    write_json(folder / "demo.json", done.as_json())
    build_report(evaluation).write(folder / "report.html")
    return done


def write_demo_rows(pack: Domain, folder: Path, seed: int) -> tuple[Path, Path]:
    """Rows from templates alone, without passages (they are short): a file to learn from and one held out."""
    sections = list(parse_documents(pack.corpus, (), {}))
    examples = list(generate_examples(pack.config, sections, read_templates(pack.folder, pack.config)))
    parts = split_examples(examples, judging_questions(pack), language=pack.config.language, seed=seed).parts
    train, test = folder / "rows" / "train.jsonl", folder / "rows" / "test.jsonl"
    write_examples(train, parts["train"])
    write_examples(test, parts["test"])
    return train, test


def write_shuffled(train: Path, path: Path, pack: Domain, seed: int) -> Path:
    """The same questions, each with another row's answer."""
    rows = read_rows_of(train, pack)
    answers = [row.messages[-1] for row in rows]
    random.Random(seed).shuffle(answers)
    mixed = [replace(row, messages=(*row.messages[:-1], answer)) for row, answer in zip(rows, answers, strict=True)]
    write_rows(path, ({"id": row.id, "messages": list(row.messages), "metadata": {}} for row in mixed))
    return path


def train_adapter(pack: Domain, folder: Path, train: Path, test: Path, name: str, steps: int, seed: int) -> Path:
    """One QLoRA run by the demonstration's recipe; returns the adapter's folder."""
    overrides = {
        "model.name": str(folder / "base"),
        "train_data": train,
        "validation_data": test,
        "output_dir": folder / name,
        "max_steps": steps,
        "max_length": 1024,  # rows without passages fit
        "eval_strategy": "no",
        "save_strategy": "no",
        "load_best_model_at_end": False,
        "report_to": "none",
        "seed": seed,
        "domain": pack.name,
    }
    config = load_recipe(pack, str(RECIPE), overrides=overrides).config
    run = RunFolder(folder / name)
    shutil.rmtree(run.root, ignore_errors=True)  # an earlier demonstration's
    trainer = QLoRATrainer(config, run, read_settings(domain=pack.name))
    trainer.train()
    del trainer
    gc.collect()
    return run.final


def evaluation_plan(
    pack: Domain, candidates: list[Candidate], rows: list[TrainingRow], answers: int, source: str
) -> Plan:
    """Perplexity on all rows and a few answers, without retrieval."""
    items = row_items(rows, pack, with_passages=False)
    config = pack.config
    settings = Settings(Options(ANSWER_TOKENS), config.language, config.refusal, Analyzer(config.language))
    return Plan(
        candidates,
        {"no-rag": items},
        {"no-rag": spread(items, answers) if answers else []},
        settings,
        source,
        pack.name,
    )


def merge_into(folder: Path, into: Into, pack: Domain) -> Path:
    """The run's adapter merged in one of both ways, in a folder of its own."""
    target = folder / f"merged-{into}"
    merge(MergeRequest(folder / "run" / "final", target, into=into), pack, lambda stage, done, total: None)
    return target


def command(
    folder: Annotated[
        Path | None, typer.Option("--output", "--output-dir", help="Default: models/demo.", show_default=False)
    ] = None,
    seconds: Annotated[float, typer.Option(min=0, help="Of pretraining.")] = SECONDS,
    steps: Annotated[int, typer.Option(min=1, help="Of each of both trainings.")] = STEPS,
    seed: Annotated[int, typer.Option(help="Of weights, order and shuffling.")] = 0,
    show: Annotated[bool, typer.Option("--open/--no-open", help="Start the page on the model at the end.")] = True,
    domain: DomainOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tiny base, QLoRA, merge and evaluation in minutes: a check of the pipeline, not of answers."""
    settings = read_settings(domain=domain)
    pack = load_domain(settings.domain, settings.domains_dir)
    say(LABEL)
    with progress_bar() as report:
        done = run_demo(pack, folder or settings.models_dir / "demo", Size(seconds, steps), seed, report)
    if as_json:
        print_json(done.as_json())
    else:
        _print(done)
    start = {"SAVIA_BACKEND": "local", "SAVIA_MODEL": str(done.merged.folder), "SAVIA_DOMAIN": pack.name}
    if show and not as_json:
        subprocess.run([sys.executable, "-m", "savia", "app"], env={**os.environ, **start}, check=False)
    else:
        told = " ".join(f"{name}={value}" for name, value in start.items())
        errors().print(escape(f"The page on it: {told} savia app"), soft_wrap=True)


def _print(done: Demo) -> None:
    print_table(["held-out rows", "perplexity"], [[arm.model, f"{arm.perplexity:.1f}"] for arm in done.evaluation.arms])
    output().print(f"Finetuned against base: {ratio_sentence(done.gain)}", soft_wrap=True)
    output().print(f"Finetuned against {CONTROL}: {ratio_sentence(done.against_control)}", soft_wrap=True)
    if done.against_control.interval[1] >= 1:
        output().print(
            "The control does as well: what fell is the surprise at the answers' style, not at their content."
        )
    parity = done.merged.parity
    output().print(
        f"Merged: logits differ by {parity.max_difference:.1g} at most, {parity.same_tokens}/{parity.prompts} continuations alike."
    )
    output().print(escape(f"{done.folder / 'report.html'}  ({done.seconds:.0f} s)"), soft_wrap=True)
    output().print(LABEL)


def _evaluate(pack: Domain, folder: Path, test: Path, size: Size, report: Report) -> Evaluation:
    base = str(folder / "base")
    candidates = [
        Candidate("base", ModelRequest(base)),
        Candidate(CONTROL, ModelRequest(base, str(folder / "control" / "final"))),
        Candidate("finetuned", ModelRequest(str(folder / "merged"))),
    ]
    rows = spread(read_rows_of(test, pack), size.rows)
    plan = evaluation_plan(pack, candidates, rows, size.answers, "rows held out of the demonstration")
    with open_journal(folder / "answers.jsonl") as journal:
        return evaluate_models(plan, journal, report)


def _tell(what: str) -> None:
    errors().print(f"[bold]{escape(what)}[/bold]")


if __name__ == "__main__":
    run_command(command)
