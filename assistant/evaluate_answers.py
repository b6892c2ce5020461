"""`savia evaluate answers`: the gold and benchmark questions put to one or more backends, measured, and shown as a report.

found = evaluate_backend(assistant, questions, progress)
build_answers_report({"extractive": found}).write(Path("answers.html"))
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from assistant.answer import Assistant
from assistant.answer_scores import AnswerRow, risk_coverage, score_answer, summarise_answers, topic_share
from assistant.judge import Judge, Verdict, agreement
from retrieval.domain import GoldQuestion
from retrieval.report import Report

SOUND = 0.999  # support from which an answer counts as borne out when compared with the judge's yes or no
WIDTH = 460


@dataclass(frozen=True)
class AnswersFound:
    """Everything measured of one backend."""

    rows: list[AnswerRow]
    topics: dict[str, float] = field(default_factory=dict)  # category -> share of expected topics
    verdicts: dict[str, Verdict | None] = field(default_factory=dict)  # question id -> the judge's
    threshold: float = 0.5

    def as_json(self) -> dict[str, Any]:
        return {
            **summarise_answers(self.rows),
            "topic_coverage": self.topics,
            "threshold": self.threshold,
            "judge": judge_figures(self),
            "risk_coverage": risk_coverage(self.rows),
            "rows": [asdict(row) for row in self.rows],
        }


def evaluate_backend(
    assistant: Assistant,
    questions: Sequence[GoldQuestion],
    progress: Callable[[int, int], None],
    judge: Judge | None = None,
    topics: bool = True,
) -> AnswersFound:
    """Ask every gold question, then the pack's benchmark questions for their topics."""
    config, analyzer = assistant.domain.config, assistant.view.analyzer
    benchmark = config.benchmark_questions if topics else ()
    rows: list[AnswerRow] = []
    verdicts: dict[str, Verdict | None] = {}
    for gold in questions:
        stream = assistant.ask(gold.question, gold.history)
        row = score_answer(gold, stream, analyzer, config.language)
        rows.append(row)
        if judge and not row.abstained:
            verdicts[gold.id] = judge.judge(gold.question, [source.text for source in stream.sources], row.answer)
        progress(len(rows), len(questions) + len(benchmark))
    shares: dict[str, list[float]] = {}
    for number, question in enumerate(benchmark, 1):
        text = assistant.ask(question.question).run().text
        shares.setdefault(question.category, []).append(topic_share(text, question.topics, analyzer))
        progress(len(rows) + number, len(questions) + len(benchmark))
    means = {category: round(sum(found) / len(found), 4) for category, found in shares.items()}
    return AnswersFound(rows, means, verdicts, assistant.confidence.threshold)


def judge_figures(found: AnswersFound) -> dict[str, Any] | None:
    """How often judge and rules agree on support, with what it cost; None where nobody judged."""
    if not found.verdicts:
        return None
    supports = {row.question: (row.support or 0.0) >= SOUND for row in found.rows}
    given = {name: verdict for name, verdict in found.verdicts.items() if verdict}
    equal, kappa = agreement([supports[name] for name in given], [verdict.supported for verdict in given.values()])
    return {
        "judged": len(given),
        "no_verdict": len(found.verdicts) - len(given),
        "supported": sum(verdict.supported for verdict in given.values()) / max(1, len(given)),
        "answers": sum(verdict.answers for verdict in given.values()) / max(1, len(given)),
        "agreement": round(equal, 4),
        "kappa": round(kappa, 4),
        "tokens": sum(verdict.tokens for verdict in given.values()),
    }


def build_answers_report(domain: str, found: Mapping[str, AnswersFound]) -> Report:
    """One page: figures by backend, risk against coverage, topics, every answer."""
    report = Report(f"Answers on {domain}")
    summaries = {name: summarise_answers(one.rows) for name, one in found.items()}
    figures = [name for name, value in next(iter(summaries.values())).items() if not isinstance(value, dict)]
    report.heading("Figures")
    report.table(
        ["", *summaries], [[name.replace("_", " "), *(s[name] for s in summaries.values())] for name in figures]
    )
    report.table(
        ["seconds", *summaries],
        [[f"{name}, {share}", *(s[key][share] for s in summaries.values())]
         for name, key in (("to the first word", "first_word_seconds"), ("to the end", "seconds")) for share in ("p50", "p95")],
    )  # fmt: skip
    report.heading("Answered or refused correctly, by kind of question")
    kinds = list(next(iter(summaries.values()))["by_kind"])
    report.table(["kind", *summaries], [[kind, *(s["by_kind"][kind] for s in summaries.values())] for kind in kinds])
    report.heading("Risk against coverage")
    report.text(
        "If only the surest questions were answered: how many (coverage), and how many of those the documents cannot answer "
        "(risk). The rule marks the coverage at the calibrated threshold."
    )
    report.chart(risk_chart(found))
    _topics(report, found)
    for name, one in found.items():
        if judged := judge_figures(one):
            report.heading(f"{name}: the judge")
            report.table(list(judged), [list(judged.values())])
        report.heading(f"{name}: every question")
        report.table(
            ["question", "kind", "right", "chance", "support", "answer"],
            [[row.text, row.kind, row.right, row.chance, row.support, row.answer] for row in one.rows],
        )
    return report


def risk_chart(found: Mapping[str, AnswersFound]) -> Any:
    """Risk by coverage, a line a backend, with the calibrated threshold as a rule."""
    import altair as alt

    points = [
        {"backend": name, "coverage": coverage, "risk": risk}
        for name, one in found.items()
        for _, coverage, risk in risk_coverage(one.rows)
    ]
    marks = [
        {"backend": name, "coverage": sum(row.chance >= one.threshold for row in one.rows) / max(1, len(one.rows))}
        for name, one in found.items()
    ]
    line = alt.Chart(alt.InlineData(values=points)).mark_line(interpolate="step-after")
    rule = alt.Chart(alt.InlineData(values=marks)).mark_rule(strokeDash=[4, 4])
    across = alt.X("coverage:Q", scale=alt.Scale(domain=[0, 1]))
    return (line.encode(x=across, y="risk:Q", color="backend:N") + rule.encode(x=across, color="backend:N")).properties(
        width=WIDTH, height=220
    )


def _topics(report: Report, found: Mapping[str, AnswersFound]) -> None:
    categories = list(dict.fromkeys(category for one in found.values() for category in one.topics))
    if categories:
        report.heading("Expected topics in the answers, by category")
        rows = [[category, *(one.topics.get(category) for one in found.values())] for category in categories]
        report.table(["category", *found], rows)
