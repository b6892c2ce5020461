"""All that is measured of one generated answer, by name; only what a question can be measured by is there.

check(item, written, analyzer, "es", refusal)["rouge_l"]
"""

from typing import Final

from assistant.answer_scores import LEAST_LANGUAGE, topic_share
from retrieval.language import detect_language
from retrieval.lexical import Analyzer
from training.evaluation.entities import HOWS, count_entities, is_entity_task
from training.evaluation.generation_scores import exact_match, rouge_l
from training.evaluation.items import Item
from training.evaluation.numbers import has_number, same_number
from training.evaluation.safety_levels import is_level, level_of
from training.evaluation.texts import normalise_answer
from training.model_writer import Written

LABELS: Final = {
    "topic_coverage": "expected topics in the answer",
    "rouge_l": "ROUGE-L",
    "exact_match": "exact match",
    "entity_f1_strict": "entity F1, strict",
    "entity_f1_set": "entity F1, by set",
    "numeric_accuracy": "right number",
    "safety_agreement": "safety level agrees",
    "refusal_agreement": "refused where it should be, and only there",
    "stopped": "ended by itself",
    "reasoning_format": "reasoning where expected, then an answer",
    "language_match": "in the domain's language",
}
"""Names of figures from 0 to 1, higher is better, in the order in which they are shown."""


def check(item: Item, written: Written, analyzer: Analyzer, language: str, refusal: str) -> dict[str, float]:
    """Figures from 0 to 1."""
    found: dict[str, float] = {"stopped": float(written.stopped)}
    if item.topics:
        found["topic_coverage"] = topic_share(written.answer, item.topics, analyzer)
    if len(written.answer) >= LEAST_LANGUAGE and language and (told := detect_language(written.answer)) != "und":
        found["language_match"] = float(told == language)
    if item.kind == "row":
        found |= _against_expected(item, written, refusal)
    return found


def reference_checks(item: Item) -> dict[str, float]:
    """What the rules say of the expected answer itself: the ceiling of those that judge by rule."""
    return (
        {"safety_agreement": float(level_of(item.expected) == item.safety_level)} if is_level(item.safety_level) else {}
    )


def _against_expected(item: Item, written: Written, refusal: str) -> dict[str, float]:
    answer, expected = written.answer, item.expected
    found = {
        "rouge_l": rouge_l(answer, expected),
        "exact_match": float(exact_match(answer, expected)),
        "reasoning_format": float(bool(written.reasoning) == item.reasoned and bool(answer)),
    }
    if is_entity_task(item.task):
        found |= {f"entity_f1_{how}": count_entities(answer, expected, how).f1 for how in HOWS}
    if has_number(expected):
        found["numeric_accuracy"] = float(same_number(answer, expected))
    if is_level(item.safety_level):
        found["safety_agreement"] = float(level_of(answer) == item.safety_level)
    if refusal:
        words = normalise_answer(refusal)
        found["refusal_agreement"] = float((words in normalise_answer(answer)) == (words in normalise_answer(expected)))
    return found
