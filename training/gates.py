"""What must hold before the first step; a run that would teach the wrong thing is refused (exit code 3).

gates = check_gates(...)
refuse(gates)            # raises GateRefused with every failed gate
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from retrieval.domain import Domain
from retrieval.errors import GateRefused
from training.config import TrainingConfig
from training.rendering import IGNORED, Rendered, RenderedRow, prompt_tokens, render_row
from training.rows import TrainingRow, normalise

MOST_COMPARED: Final = 2000  # rows whose prompt is rendered a second time, spread evenly over all
MOST_SHOWN: Final = 3

_LAUNCHERS: Final = {"ACCELERATE_USE_FSDP": "FSDP", "ACCELERATE_USE_DEEPSPEED": "DEEPSPEED"}
_TYPES: Final = {
    "none": ("NO",),
    "ddp": ("MULTI_GPU", "MULTI_CPU"),
    "fsdp": ("FSDP",),
    "deepspeed": ("DEEPSPEED",),
}


@dataclass(frozen=True, slots=True)
class Gate:
    """One check: what holds, or what does not, in a sentence."""

    name: str
    passed: bool
    detail: str


def check_gates(
    config: TrainingConfig,
    tokenizer: Any,
    train: Sequence[TrainingRow],
    validation: Sequence[TrainingRow],
    rendered: Rendered,
    domain: Domain | None,
) -> list[Gate]:
    """All gates that need no model."""
    return [
        check_pad(tokenizer),
        check_stop(tokenizer, rendered.rows, cut=config.long_rows == "cut"),
        check_prompt_and_labels(tokenizer, _spread(train, MOST_COMPARED)),
        check_leaks(train, validation, gold_questions(domain)),
        check_truncation(rendered, config.max_truncated_share),
    ]


def refuse(gates: Iterable[Gate]) -> None:
    """Raises `GateRefused` with every gate that did not pass."""
    failed = [gate for gate in gates if not gate.passed]
    if failed:
        lines = "\n  - ".join(f"{gate.name}: {gate.detail}" for gate in failed)
        raise GateRefused(
            f"The run is refused before its first step:\n  - {lines}", "\nsavia train --dry-run shows rows and figures."
        )


def check_pad(tokenizer: Any) -> Gate:
    """A pad token that also ends a turn is masked out of the loss, and the model never learns to stop."""
    name = "pad is not the end token"
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id == tokenizer.eos_token_id:
        return Gate(name, False, f"the pad token is {tokenizer.pad_token!r}, the end token {tokenizer.eos_token!r}")
    return Gate(name, True, f"pad {tokenizer.pad_token!r}, end {tokenizer.eos_token!r}")


def check_stop(tokenizer: Any, rows: Sequence[RenderedRow], cut: bool) -> Gate:
    """The last learned token of every whole row is the token that ends generation."""
    name = "the stop token is trained"
    end = tokenizer.eos_token_id
    whole = [row for row in rows if not cut or row.full_length == len(row.input_ids)]
    missing = [row.id for row in whole if next((t for t in reversed(row.labels) if t != IGNORED), None) != end]
    if missing or not whole:
        return Gate(
            name, False, f"{tokenizer.eos_token!r} ends {len(whole) - len(missing)} of {len(rows)} rows' answers"
        )
    return Gate(name, True, f"{tokenizer.eos_token!r} ends every answer")


def check_prompt_and_labels(tokenizer: Any, rows: Sequence[TrainingRow]) -> Gate:
    """The prompt of training is that of serving, token for token, and the answer, all of it and nothing else, is learned."""
    name = "the prompt is the served one and exactly the answer's tokens carry labels"
    faults = []
    for row in rows:
        fault = _compare(tokenizer, row)
        if fault:
            faults.append(f"row {row.id}: {fault}")
    if faults:
        return Gate(name, False, f"{'; '.join(faults[:MOST_SHOWN])} ({len(faults)} of {len(rows)} rows)")
    return Gate(name, True, f"{len(rows)} rows compared")


def _compare(tokenizer: Any, row: TrainingRow) -> str:
    whole = render_row(tokenizer, row)
    prompt = prompt_tokens(tokenizer, row)
    if whole.input_ids[: len(prompt)] != prompt:
        return "the prompt changes when the answer follows"
    if any(label != IGNORED for label in whole.labels[: len(prompt)]):
        return "tokens of the prompt carry labels"
    answer = whole.labels[len(prompt) :]
    learned = [label for label in answer if label != IGNORED]
    if not learned or answer[: len(learned)] != learned:
        return "the answer is not learned from its first token on"
    text = tokenizer.decode(learned)
    expected = row.messages[-1]["content"]
    if text.removesuffix(tokenizer.eos_token).strip() != expected.strip():
        return "what is learned is not the answer's text"
    rest = tokenizer.decode(whole.input_ids[len(prompt) + len(learned) :])
    return f"{rest[:20]!r} after the answer is not learned" if rest.strip() else ""


def gold_questions(domain: Domain | None) -> dict[str, str]:
    """Normalised gold and benchmark questions of a pack, each with where it stands."""
    if domain is None:
        return {}
    found = {}
    for gold in domain.questions():
        turns = [content for role, content in gold.history if role == "user"]
        found[normalise("\n".join([*turns, gold.question]))] = f"questions.jsonl {gold.id}"
    for benchmark in domain.config.benchmark_questions:
        found[normalise(benchmark.question)] = f"benchmark question {benchmark.question!r}"
    return found


def check_leaks(train: Iterable[TrainingRow], validation: Iterable[TrainingRow], gold: Mapping[str, str]) -> Gate:
    """A question that is used to judge the model must not be learned."""
    name = "no evaluation or gold question is in the training rows"
    judged = {**{normalise(row.question): f"validation row {row.id}" for row in validation}, **gold}
    leaks = [f"row {row.id} is {judged[key]}" for row in train if (key := normalise(row.question)) in judged]
    if leaks:
        shown = "; ".join(leaks[:MOST_SHOWN])
        return Gate(name, False, f"{shown} ({len(leaks)} rows); savia dataset build leaves such rows out")
    return Gate(name, True, f"{len(judged):,} questions are kept apart")


def check_truncation(rendered: Rendered, limit: float) -> Gate:
    name = "few rows are too long"
    share = rendered.truncated_share
    detail = f"{rendered.too_long} of {rendered.total} rows ({share:.1%}) are longer than max_length; limit {limit:.0%}"
    return Gate(name, share <= limit, detail)


def check_processes(config: TrainingConfig, processes: int, kind: str, environment: Mapping[str, str]) -> Gate:
    """Launchers have run one process, or another way of sharing, without a word: compare with what was asked for.

    `kind` is accelerate's distributed type, such as NO or MULTI_CPU.
    """
    name = "as many processes, and of the kind, as asked for"
    faults = []
    if config.processes and processes != config.processes:
        faults.append(f"{processes} instead of {config.processes} processes run")
    wanted = _TYPES.get(config.distributed)
    if wanted and kind not in wanted:
        faults.append(f"they share as {kind}, not as {config.distributed}")
    for variable, expected in _LAUNCHERS.items():
        if environment.get(variable, "").lower() == "true" and kind != expected:
            faults.append(f"the launcher asked for {expected} and got {kind}")
    return Gate(name, not faults, "; ".join(faults) or f"{processes}, {kind}")


def kind_to_be(kind: str, environment: Mapping[str, str]) -> str:
    """What accelerate will say when the trainer is built: until then several GPUs are several GPUs, also under FSDP."""
    if not kind.startswith("MULTI_") or kind == "MULTI_CPU":
        return kind
    asked = (expected for name, expected in _LAUNCHERS.items() if environment.get(name, "").lower() == "true")
    return next(asked, kind)


def _spread(rows: Sequence[TrainingRow], count: int) -> Sequence[TrainingRow]:
    step = max(1, -(-len(rows) // count))
    return rows[::step]
