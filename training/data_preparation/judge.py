"""Whether a model's row may teach: plain rules first, which cost nothing, then what the judging model found.

check_row(row, basis, prompts, analyzer)      # "" or the reason, such as "question: the number 40 is not in its sections"
"""

import re
from collections.abc import Sequence

from retrieval.lexical import Analyzer
from retrieval.text import fold_accents
from training.data_preparation.augment_prompts import Prompts
from training.data_preparation.grounding import check_grounding, latin_names, numbers_in, proper_names
from training.data_preparation.model_output import Verdict
from training.data_preparation.row_checks import check_format, check_language
from training.data_preparation.sections import ParsedSection
from training.example import Example

LONGEST_QUESTION = 600  # characters
LONGEST_ANSWER = 5_000
LONGEST_REASONING = 6_000
LEAST_REASONING = 5  # words

_LETTER = re.compile(r"[^\W\d_]")


def check_row(
    row: Example,
    sections: Sequence[ParsedSection],
    prompts: Prompts,
    analyzer: Analyzer,
    allowed: str = "",
    parent: Example | None = None,
) -> str:
    """The first reason against a row, empty where the rules find none. `allowed` is text that any row may repeat."""
    if fault := _check_size(row) or check_format(row) or check_language(row, row.language):
        return fault
    own_answer = parent is None and row.answerable  # neither a refusal nor an answer that was there before
    texts = [("question", row.question), *([("answer", row.answer)] if own_answer else [])]
    for name, text in texts:
        for pattern in prompts.refers_to_text:
            if found := re.search(pattern, text):
                return f"{name} refers to its source ({found.group()})"
    basis = "\n".join(f"{section.source}\n{section.text}" for section in sections)
    if parent is not None:
        return _check_paraphrase(row, parent, f"{basis}\n{parent.question}\n{parent.answer}")
    return _check_source(row, basis, analyzer, allowed)


def check_verdict(verdict: Verdict) -> str:
    """The judge's reason against a row, empty where it has none."""
    found = (
        ("not grounded", verdict.grounded),
        ("not self-contained", verdict.self_contained),
        ("wrong language", verdict.right_language),
    )
    wrong = [name for name, good in found if not good]
    return f"judge: {', '.join(wrong)} ({verdict.reason[:300]})" if wrong else ""


def asked_alike(text: str) -> str:
    """A question as duplicates are found by: its folded words.

    >>> asked_alike("¿Para qué sirve la Sábila?") == asked_alike("para que sirve la sabila")
    True
    """
    return " ".join(re.findall(r"\w+", fold_accents(text.lower())))


def _check_size(row: Example) -> str:
    for name, text, most in (
        ("question", row.question, LONGEST_QUESTION),
        ("answer", row.answer, LONGEST_ANSWER),
        ("reasoning", row.reasoning, LONGEST_REASONING),
    ):
        if len(text) > most:
            return f"{name} is longer than {most} characters"
    return "" if _LETTER.search(row.question) else "question holds no words"


def _check_source(row: Example, basis: str, analyzer: Analyzer, allowed: str) -> str:
    if len(row.reasoning.split()) < LEAST_REASONING:
        return "reasoning is missing"
    known = set(analyzer.terms(basis))
    if not any(term in known for term in analyzer.terms(row.question)):
        return "question names nothing that is in its sections"
    if fault := _missing(row.question, basis) if row.answerable else "":
        return f"question: {fault}"
    if fault := _missing(row.reasoning, f"{basis}\n{row.question}\n{allowed}"):
        return f"reasoning: {fault}"
    if not row.answerable:
        return ""
    fault = check_grounding(row.answer, basis, analyzer, allowed)
    return f"answer: {fault}" if fault else ""


def _check_paraphrase(row: Example, parent: Example, basis: str) -> str:
    if asked_alike(row.question) == asked_alike(parent.question):
        return "question is the same as before"
    fault = _missing(row.question, basis)
    return f"question: {fault}" if fault else ""


def _missing(text: str, basis: str) -> str:
    """A number or a name of the text that the basis does not hold."""
    known = numbers_in(basis)
    for number in numbers_in(text):
        if number not in known:
            return f"the number {number} is not in its sections"
    folded = " ".join(fold_accents(basis.lower()).split())
    for name in [*latin_names(text), *proper_names(text)]:
        if " ".join(fold_accents(name.lower()).split()) not in folded:
            return f"the name {name} is not in its sections"
    return ""
