"""The thinking before an answer: which passage and why, what it says, what is missing or uncertain, the conclusion.

Each step is a pattern of `templates.yaml` filled with the passage's own words (quotes, names, figures, words of caution) and
with what it demonstrably lacks. A step whose pattern finds nothing to name is left out, so no row carries an empty phrase.
"""

from collections.abc import Mapping, Sequence

from training.data_preparation.facts import Sentence, clause, names, numbers
from training.data_preparation.forms import capitalized, fill, placeholders, ranked
from training.data_preparation.template_schema import Patterns, Reasoning, Templates

MOST_NAMES = 3
HEDGE_WORDS = 11  # words of caution are quoted with what they qualify


def fact_values(sentences: Sequence[Sentence], templates: Templates) -> dict[str, str]:
    """What the answer's sentences give a reasoning pattern to name."""
    quoted = [clause(sentence.text) for sentence in sentences if not sentence.text.endswith(":")]
    quoted = quoted or [clause(sentence.text) for sentence in sentences]
    values = {"quote": quoted[0] if quoted else ""}
    if len(quoted) > 1:
        values["quote2"] = quoted[1]
    if len(quoted) > 2:
        values["last"] = quoted[-1]
    values["names"] = ", ".join(names(sentences)[:MOST_NAMES])
    values["numbers"] = ", ".join(numbers(sentences)[:MOST_NAMES])
    values["hedge"] = _hedge(sentences, templates)
    return values


def missing_value(wanted: Sequence[str], text: str, templates: Templates, seed: str) -> str:
    """One thing that a reader would expect and the text does not have; empty where it has all."""
    absent = [name for name in wanted if not templates.aspects[name].regex.search(text)]
    return templates.aspects[ranked(absent, seed)[0]].say if absent else ""


def compose(reasoning: Reasoning, values: Mapping[str, str], seed: str, number: int = 0, gender: int = 0) -> str:
    """One sentence or two for each step, chosen by the seed among the patterns that can be filled."""
    steps = (reasoning.why, reasoning.says, reasoning.limits, reasoning.concludes)
    found = []
    used: set[str] = set()
    for place, patterns in enumerate(steps):
        step = first_filled(_fresh(patterns, used), values, f"{seed}\0{place}", number, gender)
        if step:
            pattern, text = step
            used |= set(placeholders(pattern)) & {"quote", "quote2", "last", "hedge", "names", "numbers"}
            found.append(capitalized(text))
    return " ".join(found)


def first_filled(
    patterns: Patterns, values: Mapping[str, str], seed: str, number: int = 0, gender: int = 0
) -> tuple[str, str] | None:
    """The seed's favourite among the patterns whose placeholders all have values: (pattern, text)."""
    for pattern in ranked(patterns, seed):
        text = fill(pattern, values, number, gender)
        if text is not None:
            return pattern, text
    return None


def _fresh(patterns: Patterns, used: set[str]) -> Patterns:
    """Patterns that quote nothing that an earlier step quoted."""
    return tuple(pattern for pattern in patterns if not used & set(placeholders(pattern)))


def _hedge(sentences: Sequence[Sentence], templates: Templates) -> str:
    for regex in templates.hedge_regexes:
        for sentence in sentences:
            found = regex.search(sentence.text)
            if found:
                return clause(sentence.text[found.start() :], most=HEDGE_WORDS)
    return ""
