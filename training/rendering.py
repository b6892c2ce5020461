"""Rows to tokens: a conversation in the model's own layout, with the tokens that are learned marked.

rendered = render_rows(tokenizer, rows, max_length=2048)
rendered.rows[0].input_ids, rendered.rows[0].labels        # -100 where nothing is learned
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from assistant.backends.chat_prompt import ChatPrompt
from assistant.messages import Message
from retrieval.errors import DataError
from training.config import LongRows
from training.rows import TrainingRow

IGNORED: Final = -100  # the label that torch's cross entropy leaves out
_MARK_START: Final = "⟦"
_MARK_END: Final = "⟧"


@dataclass(frozen=True, slots=True)
class RenderedRow:
    """`labels` repeats a token where it is learned and is `IGNORED` elsewhere; `full_length` counts before any cut."""

    id: str
    input_ids: list[int]
    labels: list[int]
    full_length: int

    @property
    def learned(self) -> int:
        return sum(label != IGNORED for label in self.labels)


@dataclass(frozen=True, slots=True)
class Rendered:
    """The rows that are used, and how many of all were longer than `max_length`."""

    rows: list[RenderedRow]
    total: int
    too_long: int

    @property
    def truncated_share(self) -> float:
        return self.too_long / self.total if self.total else 0.0


def render_row(tokenizer: Any, row: TrainingRow) -> RenderedRow:
    """All tokens of a row by the tokenizer's chat template; the last answer is learned, its end token included.

    Earlier answers are not: they were given to passages that the row no longer shows, and their reasoning is left out.
    Raises `DataError` where the template refuses the row.
    """
    try:
        encoded = tokenizer.apply_chat_template(
            list(row.messages), tokenize=True, return_dict=True, return_assistant_tokens_mask=True
        )
    except Exception as error:
        if type(error).__module__.partition(".")[0] != "jinja2":
            raise
        raise DataError(f"The chat template refuses row {row.id}: {error}", "Correct the row.") from error
    ids = list(encoded["input_ids"])
    start, end = _last_run(encoded["assistant_masks"])
    labels = [IGNORED] * start + ids[start:end] + [IGNORED] * (len(ids) - end)
    return RenderedRow(row.id, ids, labels, len(ids))


def render_rows(tokenizer: Any, rows: Sequence[TrainingRow], max_length: int, long_rows: LongRows = "drop") -> Rendered:
    """Every row; those longer than `max_length` tokens are left out, or cut at the end. Raises `DataError` if none is left."""
    used: list[RenderedRow] = []
    too_long = 0
    for row in rows:
        whole = render_row(tokenizer, row)
        if whole.full_length > max_length:
            too_long += 1
            if long_rows == "drop":
                continue
            whole = RenderedRow(row.id, whole.input_ids[:max_length], whole.labels[:max_length], whole.full_length)
        if whole.learned:
            used.append(whole)
    if rows and not used:
        raise DataError(
            f"Not one of {len(rows)} rows fits into {max_length} tokens.",
            "Raise max_length, or make shorter rows (dataset.passages, dataset.max_tokens).",
        )
    return Rendered(used, len(rows), too_long)


def prompt_tokens(tokenizer: Any, row: TrainingRow) -> list[int]:
    """The tokens of the question as the local backend sends them: everything before the answer, rendered by itself."""
    messages = [Message(turn["role"], turn["content"]) for turn in row.messages[:-1]]  # type: ignore[arg-type]
    return list(ChatPrompt(tokenizer, tokenizer.model_max_length).render(messages).tokens)


def show_row(tokenizer: Any, row: RenderedRow) -> str:
    """A row's text with ⟦ and ⟧ around what is learned."""
    parts: list[str] = []
    start = 0
    for place in range(1, len(row.input_ids) + 1):
        if place < len(row.input_ids) and _same_side(row.labels, place):
            continue
        text = tokenizer.decode(row.input_ids[start:place])
        parts.append(text if row.labels[start] == IGNORED else f"{_MARK_START}{text}{_MARK_END}")
        start = place
    return "".join(parts)


def _last_run(mask: Sequence[int]) -> tuple[int, int]:
    """Start and end of the last run of ones; (length, length) where there is none."""
    end = len(mask)
    while end and not mask[end - 1]:
        end -= 1
    start = end
    while start and mask[start - 1]:
        start -= 1
    return (start, end) if end else (len(mask), len(mask))


def _same_side(labels: Sequence[int], place: int) -> bool:
    return (labels[place] == IGNORED) == (labels[place - 1] == IGNORED)
