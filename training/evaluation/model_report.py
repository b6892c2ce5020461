"""A model's evaluation as one HTML page: figures side by side with intervals, differences, topics, entities, samples to read.

build_report(evaluation).write(Path("report.html"))
"""

from collections.abc import Sequence
from typing import Any, Final

from retrieval.report import Report
from retrieval.significance import Comparison
from training.evaluation.answer_checks import LABELS
from training.evaluation.arms import Answered, Arm
from training.evaluation.intervals import Ratio, perplexity_interval
from training.evaluation.items import spread
from training.evaluation.model_evaluation import Evaluation

SAMPLES: Final = 12
LONGEST: Final = 1_500  # characters of a sample that are shown
WIDTH: Final = 460
_CLOSE: Final = 0.002  # a ratio so near to one shows no difference in three digits


def build_report(evaluation: Evaluation, language: str = "en") -> Report:
    """The page."""
    names = ", ".join(dict.fromkeys(arm.name for arm in evaluation.arms))
    report = Report(f"{names} on {evaluation.domain or evaluation.source}")
    for note in evaluation.notes:
        report.text(note)
    report.text(
        f"Rows: {evaluation.source}. Answers are greedy. Intervals hold the figure in 95 of 100 resamplings of the questions; "
        "differences are paired, question by question."
    )
    _figures(report, evaluation)
    _differences(report, evaluation)
    _topics(report, evaluation.arms)
    _entities(report, evaluation.arms)
    _samples(report, evaluation.arms)
    return report


def perplexity_chart(arms: Sequence[Arm]) -> Any:
    """Perplexity by column with its interval; lower is better."""
    rows = []
    for arm in arms:
        low, high = perplexity_interval(arm.losses)
        rows.append({"column": arm.label, "value": arm.perplexity, "low": low, "high": high})
    return _bars(rows, "perplexity over the assistant's tokens", None)


def figure_chart(arms: Sequence[Arm], name: str) -> Any:
    """One figure by column, from 0 to 1."""
    rows = []
    for arm in arms:
        if found := arm.mean(name):
            mean, (low, high), _ = found
            rows.append({"column": arm.label, "value": mean, "low": low, "high": high})
    return _bars(rows, LABELS[name], [0, 1])


def topic_chart(arms: Sequence[Arm]) -> Any:
    """Topic coverage by category, a bar a column."""
    import altair as alt

    rows = [
        {"category": category, "column": arm.label, "coverage": value}
        for arm in arms
        for category, value in arm.topics().items()
    ]
    return (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar()
        .encode(
            y=alt.Y("category:N", sort=None, title=None),
            yOffset=alt.YOffset("column:N", sort=None),
            x=alt.X("coverage:Q", scale=alt.Scale(domain=[0, 1]), title=LABELS["topic_coverage"]),
            color=alt.Color("column:N", sort=None, title=None),
        )
        .properties(width=WIDTH)
    )


def _bars(rows: list[dict[str, Any]], title: str, domain: list[int] | None) -> Any:
    import altair as alt

    base = alt.Chart(alt.InlineData(values=rows)).encode(y=alt.Y("column:N", sort=None, title=None))
    scale = alt.Scale(domain=domain) if domain else alt.Scale(zero=True)
    bars = base.mark_bar(color="#7fae86").encode(x=alt.X("value:Q", scale=scale, title=title))
    ends = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title=title), x2="high:Q")
    return (bars + ends).properties(width=WIDTH)


def _figures(report: Report, evaluation: Evaluation) -> None:
    arms = evaluation.arms
    report.heading("Figures")
    if any(loss.tokens for arm in arms for loss in arm.losses):
        report.chart(perplexity_chart(arms), "Perplexity over the assistant's tokens; lower is better")
    rows: list[list[Any]] = [["perplexity", *(arm.perplexity for arm in arms)]]
    shown = [name for name in LABELS if any(arm.values(name) for arm in arms)]
    for name in shown:
        rows.append([LABELS[name], *(_with_interval(arm, name) for arm in arms)])
    rows.append(["tokens per second", *(round(arm.tokens_per_second, 1) for arm in arms)])
    rows.append(["rows for the perplexity", *(sum(bool(loss.tokens) for loss in arm.losses) for arm in arms)])
    rows.append(["answers", *(len(arm.answers) for arm in arms)])
    report.table(["", *(arm.label for arm in arms)], rows)
    for name in shown:
        if name in ("rouge_l", "entity_f1_set", "numeric_accuracy", "topic_coverage"):
            report.chart(figure_chart(arms, name), f"Mean {LABELS[name]} and its 95 % interval")
    for name, value in evaluation.ceilings().items():
        report.text(f"{LABELS[name]}: a rule judges this; on the expected answers themselves it reaches {value:.2f}.")


def _differences(report: Report, evaluation: Evaluation) -> None:
    found = evaluation.differences()
    if not found:
        return
    report.heading("Differences")
    for one, other, ratio, comparisons in found:
        report.text(f"From “{one.label}” to “{other.label}”: {ratio_sentence(ratio)}")
        if comparisons:
            report.table(
                ["figure", "difference", "95 % interval", "probability by chance"],
                [_difference(name, comparison) for name, comparison in comparisons.items()],
            )


def ratio_sentence(ratio: Ratio) -> str:
    """How two perplexities compare, as a sentence."""
    if not ratio.rows:
        return "the perplexities cannot be compared."
    low, high = ratio.interval
    verdict = "lower" if high < 1 else "higher" if low > 1 else "not clearly another"
    digits = 6 if abs(ratio.ratio - 1) < _CLOSE else 3
    interval = f"{low:.{digits}f} to {high:.{digits}f}"
    return f"perplexity is {ratio.ratio:.{digits}f} times the first's (95 % interval {interval}, {ratio.rows} rows): {verdict}."


def _difference(name: str, comparison: Comparison) -> list[Any]:
    low, high = comparison.interval
    return [
        LABELS[name],
        f"{comparison.difference:+.4f}",
        f"{low:+.4f} to {high:+.4f}",
        round(comparison.probability, 4),
    ]


def _with_interval(arm: Arm, name: str) -> str:
    found = arm.mean(name)
    if found is None:
        return ""
    mean, (low, high), _ = found
    return f"{mean:.3f} ({low:.3f} to {high:.3f})"


def _topics(report: Report, arms: Sequence[Arm]) -> None:
    categories = list(dict.fromkeys(category for arm in arms for category in arm.topics()))
    if not categories:
        return
    report.heading("Expected topics in the answers, by category")
    report.chart(topic_chart(arms))
    rows = [[category, *(arm.topics().get(category) for arm in arms)] for category in categories]
    report.table(["category", *(arm.label for arm in arms)], rows)


def _entities(report: Report, arms: Sequence[Arm]) -> None:
    tasks = list(dict.fromkeys(key for arm in arms for key in arm.entities()))
    if not tasks:
        return
    report.heading("Entities, by task")
    columns = [f"{arm.label}: {name}" for arm in arms for name in ("precision", "recall", "F1")]
    rows = []
    for key in tasks:
        counts = [arm.entities().get(key) for arm in arms]
        cells = [value for one in counts for value in ((one.precision, one.recall, one.f1) if one else (None,) * 3)]
        rows.append([f"{key[0]}, {'strict' if key[1] == 'strict' else 'by set'}", *cells])
    report.table(["task", *columns], rows)


def _samples(report: Report, arms: Sequence[Arm]) -> None:
    """Some questions with what each column answered, evenly from all."""
    asked: dict[str, dict[str, Answered]] = {}
    for arm in arms:
        for one in arm.answers:
            asked.setdefault(one.item.id, {})[arm.label] = one
    if not asked:
        return
    report.heading("Samples to read")
    for identity in spread(list(asked), SAMPLES):
        first = next(iter(asked[identity].values())).item
        report.text(first.question)
        expected = first.expected or f"topics: {', '.join(first.topics)}"
        rows = [["expected", _short(expected)]]
        for label, one in asked[identity].items():
            thought = f"({_short(one.written.reasoning)}) " if one.written.reasoning else ""
            rows.append([label, f"{thought}{_short(one.written.answer)}"])
        report.table(["", "answer"], rows)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
