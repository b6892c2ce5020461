"""Several models on the same questions, with retrieval and without: the columns of one comparison.

evaluation = evaluate_models(plan, journal, report)
evaluation.as_json()["figures"]
"""

import gc
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from assistant.backends.exact_weights import keep_weights_exact
from assistant.backends.local_model import LoadedModel, ModelRequest, load_model, load_prompt
from assistant.backends.model_files import find_model, trained_by
from retrieval.significance import Comparison, compare
from training.evaluation.answer_checks import LABELS, reference_checks
from training.evaluation.arms import Arm, Report, Retrieval, Settings, measure_arm
from training.evaluation.intervals import Ratio, perplexity_interval, ratio_interval
from training.evaluation.items import Item
from training.evaluation.journal import Journal, hash_model
from training.merge_networks import quiet_merging

TINY: Final = 50_000_000  # parameters below which a model is labelled a check of the pipeline
TINY_NOTE: Final = "The model is tiny: this is a check of the pipeline, not of answers."


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model to be measured, under the name of its column."""

    label: str
    request: ModelRequest


@dataclass(frozen=True)
class Plan:
    """`rows` and `asked` by mode: rows are scored for their perplexity, `asked` are answered."""

    candidates: list[Candidate]
    rows: dict[Retrieval, list[Item]]
    asked: dict[Retrieval, list[Item]]
    settings: Settings
    source: str = ""
    domain: str = ""


@dataclass(frozen=True)
class Evaluation:
    """All columns. `notes` are what a reader must know before the figures; `models` says where each model lies."""

    arms: list[Arm]
    source: str
    domain: str
    notes: list[str] = field(default_factory=list)
    models: list[dict[str, str]] = field(default_factory=list)

    def pairs(self) -> list[tuple[Arm, Arm]]:
        """Two columns that differ in one thing: the model, or retrieval."""
        arms = self.arms
        models = [(a, b) for place, a in enumerate(arms) for b in arms[place + 1 :] if a.retrieval == b.retrieval]
        ways = [(a, b) for a in arms for b in arms if a.model == b.model and a.retrieval == "no-rag" != b.retrieval]
        return [*models, *ways]

    def differences(self) -> list[tuple[Arm, Arm, Ratio, dict[str, Comparison]]]:
        """Each pair with the ratio of perplexities and the paired differences of all figures."""
        return [
            (one, other, ratio_interval(one.losses, other.losses), _compare(one, other)) for one, other in self.pairs()
        ]

    def as_json(self) -> dict[str, Any]:
        return {
            "domain": self.domain,
            "source": self.source,
            "notes": self.notes,
            "models": self.models,
            "figures": [arm_figures(arm) for arm in self.arms],
            "differences": [_difference(*found) for found in self.differences()],
            "ceilings": self.ceilings(),
            "answers": [_answer(arm, one) for arm in self.arms for one in arm.answers],
        }

    def ceilings(self) -> dict[str, float]:
        """Figures judged by rule, on the expected answers themselves."""
        found: dict[str, list[float]] = {}
        for one in self.arms[0].answers if self.arms else ():
            for name, value in reference_checks(one.item).items():
                found.setdefault(name, []).append(value)
        return {name: sum(values) / len(values) for name, values in found.items()}


def evaluate_models(plan: Plan, journal: Journal, report: Report) -> Evaluation:
    """One model after another, so that only one is in memory. Raises `BackendError`."""
    tokenizer = load_prompt(plan.candidates[-1].request).tokenizer
    arms: list[Arm] = []
    for candidate in plan.candidates:
        with quiet_merging():
            loaded = load_model(candidate.request, load_prompt(candidate.request), report)
        keep_weights_exact(loaded.network)
        arms += _measure(candidate, loaded, plan, journal, report, _shared(loaded, tokenizer))
        del loaded
        gc.collect()
    models = [_whereabouts(candidate) for candidate in plan.candidates]
    return Evaluation(arms, plan.source, plan.domain, _notes(arms), models)


def arm_figures(arm: Arm) -> dict[str, Any]:
    """A column's figures as JSON."""
    named = {name: found for name in LABELS if (found := arm.mean(name))}
    return {
        "label": arm.label,
        "model": arm.model,
        "name": arm.name,
        "retrieval": arm.retrieval,
        "perplexity": _number(arm.perplexity),
        "perplexity_interval": [_number(end) for end in perplexity_interval(arm.losses)],
        "rows": sum(bool(loss.tokens) for loss in arm.losses),
        "rows_too_long": sum(not loss.tokens for loss in arm.losses),
        "tokens": sum(loss.tokens for loss in arm.losses),
        "answers": len(arm.answers),
        "tokens_per_second": round(arm.tokens_per_second, 2),
        **{
            name: {"mean": mean, "interval": list(ends), "questions": count}
            for name, (mean, ends, count) in named.items()
        },
        "topics": arm.topics(),
        "entities": {
            task: {
                how: {"precision": counts.precision, "recall": counts.recall, "f1": counts.f1}
                for (name, how), counts in arm.entities().items()
                if name == task
            }
            for task, _ in arm.entities()
        },
    }


def _measure(
    candidate: Candidate, loaded: LoadedModel, plan: Plan, journal: Journal, report: Report, tokenizer: Any
) -> list[Arm]:
    files = find_model(candidate.request.model, candidate.request.adapter)
    # The precision decides about the last digits, and greedy answers can hang on those.
    identity = f"{hash_model(files)}/{candidate.request.quantization}/{loaded.network.dtype}"
    return [
        measure_arm(
            loaded, candidate.label, retrieval, files.name, identity, rows, plan.asked.get(retrieval, []),
            plan.settings, journal, report, tokenizer,
        )
        for retrieval, rows in plan.rows.items()
    ]  # fmt: skip


def _whereabouts(candidate: Candidate) -> dict[str, str]:
    """Where a column's model lies, and which adapter it answers with: beside it, or merged into it."""
    files = find_model(candidate.request.model, candidate.request.adapter)
    return {
        "label": candidate.label,
        "model": str(files.folder.resolve()) if files.folder else files.base,
        "adapter": str(files.adapter.resolve()) if files.adapter else "",
        "adapter_sha256": trained_by(files),
    }


def _shared(loaded: LoadedModel, tokenizer: Any) -> Any:
    """The last model's tokenizer where this model has the same vocabulary: both are then measured on the same tokens."""
    own = loaded.prompt.tokenizer
    return tokenizer if own.get_vocab() == tokenizer.get_vocab() else own


def _compare(one: Arm, other: Arm) -> dict[str, Comparison]:
    found = {}
    for name in LABELS:
        before, after = one.values(name), other.values(name)
        shared = [key for key in before if key in after]
        if shared:
            found[name] = compare([after[key] for key in shared], [before[key] for key in shared])
    return found


def _difference(one: Arm, other: Arm, ratio: Ratio, found: dict[str, Comparison]) -> dict[str, Any]:
    return {
        "from": one.label,
        "to": other.label,
        "perplexity_ratio": _number(ratio.ratio),
        "perplexity_ratio_interval": [_number(end) for end in ratio.interval],
        **{
            name: {**asdict(comparison), "interval": list(comparison.interval), "significant": comparison.significant}
            for name, comparison in found.items()
        },
    }


def _answer(arm: Arm, one: Any) -> dict[str, Any]:
    return {
        "column": arm.label,
        "id": one.item.id,
        "question": one.item.question,
        "expected": one.item.expected or list(one.item.topics),
        "reasoning": one.written.reasoning,
        "answer": one.written.answer,
        "tokens": one.written.tokens,
        "figures": one.figures,
    }


def _notes(arms: Sequence[Arm]) -> list[str]:
    notes = [TINY_NOTE] if any(arm.parameters < TINY for arm in arms) else []
    too_long = {arm.label: count for arm in arms if (count := sum(not loss.tokens for loss in arm.losses))}
    notes += [
        f"{label}: {count} rows are longer than the model's window and were left out."
        for label, count in too_long.items()
    ]
    lengths: dict[str, set[int]] = {}
    for arm in arms:
        for loss in arm.losses:
            lengths.setdefault(loss.id, set()).add(loss.tokens)
    if any(len(found - {0}) > 1 for found in lengths.values()):
        notes.append("Models with other tokenizers: their perplexities cannot be compared.")
    return notes


def _number(value: float) -> float | None:
    return None if math.isnan(value) or math.isinf(value) else value
