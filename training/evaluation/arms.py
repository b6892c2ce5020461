"""One column of a comparison: a model, with retrieval or without, and everything measured of it.

arm = measure_arm(loaded, "finetuned", "rag", items, settings, journal, report)
arm.perplexity, arm.mean("rouge_l"), arm.answers[0].written.answer
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import Any, Final, Literal

from assistant.backends.local_model import LoadedModel
from assistant.messages import Options
from retrieval.errors import BackendError
from retrieval.lexical import Analyzer
from retrieval.significance import bootstrap_interval
from training.evaluation.answer_checks import check
from training.evaluation.entities import HOWS, Counts, How, count_entities, is_entity_task, total
from training.evaluation.items import Item
from training.evaluation.journal import Journal, make_key
from training.evaluation.perplexity import Loss, marked_tokenizer, measure_losses, perplexity
from training.model_writer import ModelWriter, Written
from training.rendering import render_row

Retrieval = Literal["rag", "no-rag"]
Report = Callable[[str, int, int], None]

NO_ROOM: Final = "(the prompt does not fit the model's window)"


@dataclass(frozen=True, slots=True)
class Answered:
    """A question, what the model wrote, and its figures."""

    item: Item
    written: Written
    figures: dict[str, float]


@dataclass(frozen=True)
class Arm:
    """`model` is `base` or `finetuned`; `parameters` of its network."""

    model: str
    retrieval: Retrieval
    name: str
    parameters: int
    losses: list[Loss]
    answers: list[Answered] = field(default_factory=list)

    @property
    def label(self) -> str:
        return f"{self.model}, {'with' if self.retrieval == 'rag' else 'without'} retrieval"

    @property
    def perplexity(self) -> float:
        return perplexity(self.losses)

    def values(self, figure: str) -> dict[str, float]:
        """A figure by question, of the questions that have it."""
        return {one.item.id: one.figures[figure] for one in self.answers if figure in one.figures}

    def mean(self, figure: str) -> tuple[float, tuple[float, float], int] | None:
        """(mean, 95 % interval, questions); None where no question has it."""
        values = list(self.values(figure).values())
        return (fmean(values), bootstrap_interval(values), len(values)) if values else None

    def topics(self) -> dict[str, float]:
        """Mean share of the expected topics by category."""
        found: dict[str, list[float]] = {}
        for one in self.answers:
            if "topic_coverage" in one.figures:
                found.setdefault(one.item.category, []).append(one.figures["topic_coverage"])
        return {category: fmean(values) for category, values in found.items()}

    def entities(self) -> dict[tuple[str, How], Counts]:
        """Counts over all rows of a task."""
        found: dict[tuple[str, How], list[Counts]] = {}
        for one in self.answers:
            if one.item.kind == "row" and is_entity_task(one.item.task):
                for how in HOWS:
                    counts = count_entities(one.written.answer, one.item.expected, how)
                    found.setdefault((one.item.task, how), []).append(counts)
        return {key: total(counts) for key, counts in found.items()}

    @property
    def tokens_per_second(self) -> float:
        seconds = sum(one.written.seconds for one in self.answers)
        return sum(one.written.tokens for one in self.answers) / seconds if seconds else 0.0


@dataclass(frozen=True, slots=True)
class Settings:
    """How answers are made and judged."""

    options: Options
    language: str
    refusal: str
    analyzer: Analyzer


def measure_arm(
    loaded: LoadedModel,
    model: str,
    retrieval: Retrieval,
    name: str,
    identity: str,
    rows: Sequence[Item],
    asked: Sequence[Item],
    settings: Settings,
    journal: Journal,
    report: Report,
    tokenizer: Any = None,
) -> Arm:
    """Losses on `rows`, answers to `asked`; what the journal holds is not done again."""
    label = f"{model}, {retrieval}"
    losses = _measure_losses(loaded, rows, identity, journal, report, label, tokenizer)
    writer = ModelWriter(loaded)
    answers = []
    for number, item in enumerate(asked, 1):
        written = _write(writer, item, identity, settings.options, journal)
        figures = check(item, written, settings.analyzer, settings.language, settings.refusal)
        answers.append(Answered(item, written, figures))
        report(f"Answers: {label}", number, len(asked))
    return Arm(model, retrieval, name, loaded.network.num_parameters(), losses, answers)


def _measure_losses(
    loaded: LoadedModel,
    items: Sequence[Item],
    identity: str,
    journal: Journal,
    report: Report,
    label: str,
    tokenizer: Any,
) -> list[Loss]:
    marked = marked_tokenizer(tokenizer or loaded.prompt.tokenizer, loaded.network.config.model_type)
    found = []
    for number, item in enumerate(items, 1):
        row = item.as_row()
        key = make_key(identity, "loss", render_row(marked, row).input_ids)
        known = journal.find(key)
        if known is None:
            loss = measure_losses(loaded, [row], lambda done, total: None, marked)[0]
            known = journal.keep(key, [loss.nats, loss.tokens])
        found.append(Loss(item.id, float(known[0]), int(known[1])))
        report(f"Perplexity: {label}", number, len(items))
    return found


def _write(writer: ModelWriter, item: Item, identity: str, options: Options, journal: Journal) -> Written:
    tokens = writer.loaded.prompt.render(item.messages).tokens
    key = make_key(identity, "answer", tokens, asdict(options))
    known = journal.find(key)
    if known is None:
        try:
            written = writer.write(item.messages, options)
        except BackendError:
            written = Written(NO_ROOM, "", 0, False, 0.0)
        known = journal.keep(key, {**asdict(written), "id": item.id, "question": item.question})
    return Written(*(known[name] for name in ("answer", "reasoning", "tokens", "stopped", "seconds")))
