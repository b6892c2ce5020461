"""What a model is asked: the rows of an evaluation set and the pack's benchmark questions, with passages and without.

    items = row_items(rows, domain, with_passages=True) + benchmark_items(domain, retrieve)
    items[0].messages, items[0].expected

With retrieval a row keeps the passages it was made with; without, the same question stands alone under the closed-book rules.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

from assistant.messages import Message
from assistant.prompts import build_messages
from retrieval.domain import Domain
from training.evaluation.texts import split_reasoning
from training.rows import TrainingRow

Kind = Literal["row", "benchmark"]
Retrieve = Callable[[str], list[Message]]
Thing = TypeVar("Thing")

_PASSAGE_END: Final = "</passage>"


@dataclass(frozen=True, slots=True)
class Item:
    """One question. `expected` is the answer without its reasoning; `turn` the whole assistant turn, for the perplexity."""

    id: str
    kind: Kind
    question: str
    messages: tuple[Message, ...]
    expected: str = ""
    turn: str = ""
    reasoned: bool = False
    task: str = ""
    safety_level: str = ""
    category: str = ""
    topics: tuple[str, ...] = ()

    def as_row(self) -> TrainingRow:
        """The conversation with its expected end, as training renders it."""
        turns = [{"role": message.role, "content": message.content} for message in self.messages]
        return TrainingRow(self.id, (*turns, {"role": "assistant", "content": self.turn}))


def row_items(
    rows: Sequence[TrainingRow], domain: Domain | None, with_passages: bool, retrieve: Retrieve | None = None
) -> list[Item]:
    """Rows as items. `retrieve` finds passages for rows that have none; rows with a conversation stay as they are."""
    return [_row_item(row, domain, with_passages, retrieve) for row in rows]


def benchmark_items(domain: Domain, retrieve: Retrieve | None) -> list[Item]:
    """The pack's benchmark questions; with passages where they can be retrieved."""
    return [
        Item(
            f"benchmark-{number}",
            "benchmark",
            asked.question,
            tuple(retrieve(asked.question) if retrieve else build_messages(domain.config, asked.question, ())),
            category=asked.category,
            topics=asked.topics,
        )
        for number, asked in enumerate(domain.config.benchmark_questions, 1)
    ]


def holds_passages(row: TrainingRow) -> bool:
    return any(_PASSAGE_END in turn["content"] for turn in row.messages if turn["role"] == "user")


def spread(things: Sequence[Thing], count: int) -> list[Thing]:
    """`count` of them, evenly from the first to the last; all where `count` is 0."""
    if not count or count >= len(things):
        return list(things)
    return [things[place * len(things) // count] for place in range(count)]


def _row_item(row: TrainingRow, domain: Domain | None, with_passages: bool, retrieve: Retrieve | None) -> Item:
    *before, last = row.messages
    reasoning, expected = split_reasoning(last["content"])
    question = row.question.rpartition("\n")[2] if len(before) > 2 else row.question
    data = row.metadata
    return Item(
        row.id,
        "row",
        question,
        _prompt(row, domain, question, with_passages, retrieve),
        expected,
        last["content"],
        bool(reasoning),
        str(data.get("task") or ""),
        str(data.get("safety_level") or ""),
    )


def _prompt(
    row: TrainingRow, domain: Domain | None, question: str, with_passages: bool, retrieve: Retrieve | None
) -> tuple[Message, ...]:
    turns = [Message(turn["role"], turn["content"]) for turn in row.messages[:-1]]  # type: ignore[arg-type]
    if with_passages and (holds_passages(row) or retrieve is None):
        return tuple(turns)
    if with_passages and retrieve is not None and len(turns) <= 2:
        return tuple(retrieve(question))
    if not holds_passages(row):
        return tuple(turns)
    history = [
        (turn.role, turn.content.rpartition(_PASSAGE_END)[2].strip()) for turn in turns[:-1] if turn.role != "system"
    ]
    if domain is not None:
        return tuple(build_messages(domain.config, question, (), history))
    bare = [Message(turn.role, turn.content.rpartition(_PASSAGE_END)[2].strip()) for turn in turns]
    return tuple(message for message in bare if message.content)
