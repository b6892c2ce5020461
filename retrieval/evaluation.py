"""One evaluation as it is kept: what was asked, which retrievers answered, every question's row; compared with an earlier one.

write_evaluation(folder, evaluation)          # data/build/<domain>/evaluations/20261121-101500.json
compare_with(read_evaluation(baseline), evaluation, "ndcg@10")
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from retrieval.errors import UsageError
from retrieval.evaluate import SHOWN, Row, summarise
from retrieval.files import read_json, write_json
from retrieval.significance import LEVEL, Comparison, compare, loss_probability

FORMAT = 1


@dataclass(frozen=True)
class Evaluation:
    """`runs` maps a retriever's name to its rows, all on the same questions in the same order."""

    task: str  # the domain's name, or the BEIR folder's
    split: str
    made: str  # local time, ISO 8601
    runs: Mapping[str, Sequence[Row]]
    unasked: tuple[str, ...] = ()  # sections that no gold question asks about

    def summaries(self) -> list[dict[str, Any]]:
        return [summarise(name, rows) for name, rows in self.runs.items()]


@dataclass(frozen=True, slots=True)
class Change:
    """A retriever now against the same one in the baseline; `loss` is the one-sided probability that it is chance."""

    retriever: str
    questions: int
    before: float
    now: float
    comparison: Comparison
    loss: float


def write_evaluation(folder: Path, evaluation: Evaluation) -> Path:
    """Named by its time; of each ranking the first `SHOWN` units are kept."""
    path = folder / f"{evaluation.made.replace('-', '').replace(':', '').replace('T', '-')}.json"
    write_json(path, as_json(evaluation))
    return path


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "task": evaluation.task,
        "split": evaluation.split,
        "made": evaluation.made,
        "runs": [
            {**summarise(name, rows), "rows": [_kept(row) for row in rows]} for name, rows in evaluation.runs.items()
        ],
        "unasked": list(evaluation.unasked),
    }


def read_evaluation(path: Path) -> Evaluation:
    """Raises `UsageError` for a file that is no evaluation."""
    try:
        stored = read_json(path)
        if stored["format"] != FORMAT:
            raise ValueError(f"format {stored['format']}")
        runs = {run["retriever"]: [_row(row) for row in run["rows"]] for run in stored["runs"]}
        return Evaluation(stored["task"], stored["split"], stored["made"], runs, tuple(stored["unasked"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} is no stored evaluation ({type(error).__name__}: {error}).",
            "Make one: savia evaluate retrieval --output FILE",
        ) from error


def list_evaluations(folder: Path) -> list[Path]:
    """Stored evaluations, newest first."""
    return sorted(folder.glob("*.json"), reverse=True)


def compare_with(baseline: Evaluation, evaluation: Evaluation, metric: str) -> list[Change]:
    """Each retriever that both hold, on the questions that both asked. Raises `UsageError` where there is none."""
    changes = []
    for name, rows in evaluation.runs.items():
        before = {row.query: row.metrics[metric] for row in baseline.runs.get(name, ())}
        pairs = [(row.metrics[metric], before[row.query]) for row in rows if row.query in before]
        if pairs:
            now, then = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
            loss = loss_probability([one - other for one, other in pairs])
            mean = len(pairs)
            changes.append(Change(name, mean, sum(then) / mean, sum(now) / mean, compare(now, then), loss))
    if not changes:
        raise UsageError(
            f"The baseline ({baseline.task}, {', '.join(baseline.runs)}) shares no retriever and question with this "
            f"evaluation ({evaluation.task}, {', '.join(evaluation.runs)}).",
            "Compare evaluations of the same questions with the same --retriever.",
        )
    return changes


def losses(changes: Sequence[Change]) -> list[Change]:
    """The retrievers that lost significantly; Holm's correction keeps the false alarms of all together at the level."""
    found = []
    for place, change in enumerate(sorted(changes, key=lambda change: change.loss)):
        if change.now >= change.before or change.loss > LEVEL / (len(changes) - place):
            break
        found.append(change)
    return found


def _kept(row: Row) -> dict[str, Any]:
    return {**asdict(row), "ranking": list(row.ranking[:SHOWN])}


def _row(stored: dict[str, Any]) -> Row:
    lists = {"ranking": tuple(stored["ranking"]), "relevant": tuple(stored["relevant"])}
    return Row(**{**stored, **lists})
