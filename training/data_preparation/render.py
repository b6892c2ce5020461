"""One example with its passages becomes the conversation that a served model would see, answered.

    row = render(example, choice, config)
    row.messages                                  # what `assistant.prompts.build_messages` sends for this question, turn by turn
    row.reasoning, row.answer                     # what the model should say to it

The messages come from the app's prompt builder, so nothing differs between what is taught and what is asked later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from assistant.messages import Source
from assistant.prompts import build_messages
from retrieval.domain import DomainConfig
from retrieval.lexical import Analyzer
from training.data_preparation.marks import add_marks, remove_marks
from training.data_preparation.missing_reasoning import reason_missing
from training.data_preparation.row_passages import Choice
from training.example import Example


@dataclass(frozen=True, slots=True)
class RenderedRow:
    """`messages` are (role, content) turns up to the question; `metadata` says where the row comes from."""

    id: str
    messages: tuple[tuple[str, str], ...]
    reasoning: str
    answer: str
    metadata: dict[str, Any]

    @property
    def texts(self) -> tuple[str, ...]:
        """Everything that a tokenizer will see, for counting."""
        return (*(content for _, content in self.messages), self.reasoning, self.answer)


def render(example: Example, choice: Choice, config: DomainConfig, analyzer: Analyzer) -> RenderedRow:
    """The row as it is taught: an answer with its marks, or the refusal where its passages were taken away."""
    messages = build_messages(config, example.question, choice.sources, example.history)
    turns = tuple((message.role, message.content) for message in messages)
    if example.system:
        turns = (("system", example.system), *turns[1:])
    reasoning, answer = _taught(example, choice, config, analyzer)
    return RenderedRow(example.id, turns, reasoning, answer, metadata_of(example, choice))


def metadata_of(example: Example, choice: Choice) -> dict[str, Any]:
    """Provenance and kind of a row; every row has the same keys."""
    return {
        "source_sections": list(example.sections),
        "origin": example.origin,
        "task": example.task,
        "type": example.type,
        "form": example.form,
        "context": choice.kind,
        "passages": [source.passage_id for source in choice.sources],
        "parents": list(example.parents),
        "answerable": example.answerable and choice.kind != "without_gold",
        "language": example.language or "",
        "safety_level": example.safety_level,
        "source": example.source,
    }


def _taught(example: Example, choice: Choice, config: DomainConfig, analyzer: Analyzer) -> tuple[str, str]:
    match choice.kind:
        case "without_gold":
            reasoning = reason_missing(example.question, choice.sources, config.language, example.id)
            return (reasoning if example.reasoning else ""), config.refusal
        case "passages":
            answer = example.answer if example.origin == "template" else remove_marks(example.answer)
            return _with_numbers(example.reasoning, choice.sources), add_marks(answer, choice.sources, analyzer)
        case _:
            return example.reasoning, example.answer


def _with_numbers(reasoning: str, sources: Sequence[Source]) -> str:
    """The reasoning with a passage's number where it names that passage's heading for the first time."""
    seen: set[str] = set()
    for source in sorted(sources, key=lambda source: (-len(source.label), source.n)):
        if source.label not in seen and (place := reasoning.find(source.label)) >= 0:
            seen.add(source.label)
            end = place + len(source.label)
            if not reasoning[end:].startswith((" [", " › ")):
                reasoning = f"{reasoning[:end]} [{source.n}]{reasoning[end:]}"
    return reasoning
