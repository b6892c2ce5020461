"""What can be measured of one answer without a judge: was it right to answer, is it cited, borne out, in the language asked for.

row = score_answer(gold, stream, analyzer, language)
summarise_answers(rows)["citation_precision"]
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

from assistant.answer import AnswerStream
from assistant.certainty import support_share
from retrieval.domain import GoldQuestion
from retrieval.language import detect_language
from retrieval.lexical import Analyzer

LEAST_LANGUAGE = 60  # characters below which an answer's language cannot be told


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """One question's answer. Shares are None where there is nothing to take a share of (a refusal cites nothing)."""

    question: str
    text: str
    kind: str
    answerable: bool
    abstained: bool
    chance: float  # that the corpus answers, before the answer is written
    citations: int
    citation_precision: float | None  # citations borne out by their passage
    support: float | None  # statements borne out by a passage they cite
    cites_gold: bool | None  # a citation names a section that the question was written for
    language_match: bool | None
    notices: tuple[str, ...]
    answer: str
    first_seconds: float
    seconds: float
    words: int

    @property
    def right(self) -> bool:
        """Answered what can be answered, refused what cannot."""
        return self.answerable != self.abstained


def score_answer(gold: GoldQuestion, stream: AnswerStream, analyzer: Analyzer, language: str) -> AnswerRow:
    """Ask (by reading the stream to its end) and measure."""
    answer = stream.run()
    cited = answer.citations
    answered = not answer.abstained
    precision = fmean(citation.supported for citation in cited) if cited else (0.0 if answered else None)
    told = detect_language(answer.text) if answered and len(answer.text) >= LEAST_LANGUAGE else None
    relevant = set(gold.relevant)
    return AnswerRow(
        gold.id,
        gold.question,
        gold.kind,
        gold.answerable,
        answer.abstained,
        round(stream.answerable, 4),
        len(cited),
        precision,
        support_share(answer.text, cited, analyzer) if answered else None,
        any(citation.section in relevant for citation in cited) if answered and relevant else None,
        told == language if told else None,
        tuple(notice.name for notice in answer.red_flags),
        answer.text,
        answer.timings["first_piece"],
        answer.timings["total"],
        len(answer.text.split()),
    )


def summarise_answers(rows: Sequence[AnswerRow]) -> dict[str, Any]:
    """Means over the questions that have the value; seconds as medians and 95th percentiles."""
    unanswerable = [row for row in rows if not row.answerable]
    first = [row.first_seconds for row in rows] or [0.0]
    total = [row.seconds for row in rows] or [0.0]
    return {
        "questions": len(rows),
        "answered_or_refused_correctly": _mean([row.right for row in rows]),
        "answered": _mean([not row.abstained for row in rows]),
        "unanswerable_answered": _mean([not row.abstained for row in unanswerable]),
        "citation_precision": _mean([row.citation_precision for row in rows]),
        "supported_statements": _mean([row.support for row in rows]),
        "cites_a_gold_section": _mean([row.cites_gold for row in rows]),
        "language_match": _mean([row.language_match for row in rows]),
        "with_a_notice": _mean([bool(row.notices) for row in rows]),
        "first_word_seconds": {"p50": float(np.percentile(first, 50)), "p95": float(np.percentile(first, 95))},
        "seconds": {"p50": float(np.percentile(total, 50)), "p95": float(np.percentile(total, 95))},
        "words": _mean([row.words for row in rows if not row.abstained]),
        "by_kind": {
            kind: _mean([row.right for row in rows if row.kind == kind])
            for kind in dict.fromkeys(row.kind for row in rows)
        },
    }


def risk_coverage(rows: Sequence[AnswerRow]) -> list[tuple[float, float, float]]:
    """(threshold, coverage, risk) from the strictest threshold down: of the questions that would be answered, the share that
    the corpus cannot answer (El-Yaniv & Wiener 2010, "On the Foundations of Noise-free Selective Classification", JMLR 11)."""
    ordered = sorted(rows, key=lambda row: -row.chance)
    curve, wrong = [], 0
    for count, row in enumerate(ordered, 1):
        wrong += not row.answerable
        if count == len(ordered) or ordered[count].chance < row.chance:
            curve.append((row.chance, count / len(ordered), wrong / count))
    return curve


def topic_share(answer: str, topics: Sequence[str], analyzer: Analyzer) -> float:
    """Share of the expected topics whose words (by stem) all stand in the answer."""
    said = set(analyzer.terms(answer))
    wanted = [set(analyzer.terms(topic)) for topic in topics]
    return fmean(bool(words) and words <= said for words in wanted) if wanted else 0.0


def _mean(values: Sequence[float | bool | None]) -> float | None:
    found = [float(value) for value in values if value is not None]
    return round(fmean(found), 4) if found else None
