"""A rendered row in the formats that trainers read, and back: messages, ShareGPT, Alpaca, prompt and completion, AutoTrain.

    as_row(row, "sharegpt", "think")              # {"id": ..., "conversations": [{"from": "human", "value": ...}, ...], ...}
    messages_of(exported_row)                     # the conversation again, whatever the format

The reasoning stands in the tag of the model's chat template (`<think>`), in `<pensamiento>`, in a field of its own, or nowhere.
"""

from collections.abc import Mapping
from typing import Any, get_args

from training.data_preparation.render import RenderedRow
from training.dataset_config import ExportFormat, ReasoningTag

FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)
TAGS: tuple[ReasoningTag, ...] = get_args(ReasoningTag)
FIELD = "reasoning_content"  # how OpenAI-compatible servers and chat templates call it

_SHAREGPT = {"system": "system", "user": "human", "assistant": "gpt"}
_PAIRS: dict[str, tuple[str, str]] = {
    "alpaca": ("instruction", "output"),
    "prompt-completion": ("prompt", "completion"),
    "autotrain": ("instruction", "response"),
}


def as_row(row: RenderedRow, form: ExportFormat, tag: ReasoningTag) -> dict[str, Any]:
    """One JSON row of the format. With the tag `field` the reasoning has a column (in messages: a key of the last turn)."""
    turns = [{"role": role, "content": content} for role, content in row.messages]
    said = tagged(row.reasoning, row.answer, tag)
    field = {FIELD: row.reasoning} if tag == "field" and row.reasoning else {}
    if form == "messages":
        return {
            "id": row.id,
            "messages": [*turns, {"role": "assistant", "content": said, **field}],
            "metadata": row.metadata,
        }
    if form == "sharegpt":
        talk = [*turns, {"role": "assistant", "content": said}]
        values = [{"from": _SHAREGPT[turn["role"]], "value": turn["content"]} for turn in talk]
        return {"id": row.id, "conversations": values, **field, "metadata": row.metadata}
    return _pair(row, form, said, field)


def tagged(reasoning: str, answer: str, tag: ReasoningTag) -> str:
    """An assistant's turn: the reasoning in its tag, an empty line, the answer.

    >>> tagged("Veo.", "Sí.", "think")
    '<think>\\nVeo.\\n</think>\\n\\nSí.'
    """
    if tag in ("none", "field") or not reasoning:
        return answer
    return f"<{tag}>\n{reasoning}\n</{tag}>\n\n{answer}"


def _pair(row: RenderedRow, form: str, said: str, field: dict[str, str]) -> dict[str, Any]:
    """One question and one answer; what came before stands in `system` and `history` ([question, answer] pairs)."""
    asked, answered = _PAIRS[form]
    system = "\n\n".join(content for role, content in row.messages if role == "system")
    talk = [content for role, content in row.messages if role != "system"]
    history = [talk[place : place + 2] for place in range(0, len(talk) - 1, 2)]
    extra = {"input": ""} if form == "alpaca" else {}
    if form == "autotrain":  # plain columns, as a CSV file has them
        before = [f"{content}\n\n" for content in (system, *talk[:-1]) if content]
        return {asked: f"{''.join(before)}{talk[-1]}", answered: said, **field, "id": row.id}
    return {
        "id": row.id,
        "system": system,
        "history": history,
        asked: talk[-1],
        **extra,
        answered: said,
        **field,
        "metadata": row.metadata,
    }


def messages_of(row: Mapping[str, Any]) -> list[dict[str, str]]:
    """The conversation of an exported row in any format, with `reasoning_content` where it has that field."""
    if "messages" in row:
        return [{key: value for key, value in turn.items() if value is not None} for turn in row["messages"]]
    if "conversations" in row:
        roles = {name: role for role, name in _SHAREGPT.items()}
        turns = [{"role": roles[turn["from"]], "content": turn["value"]} for turn in row["conversations"]]
    else:
        turns = _turns_of_pair(row)
    if row.get(FIELD):
        turns[-1][FIELD] = row[FIELD]
    return turns


def _turns_of_pair(row: Mapping[str, Any]) -> list[dict[str, str]]:
    asked, answered = next(pair for pair in _PAIRS.values() if set(pair) <= set(row))
    turns = [{"role": "system", "content": row["system"]}] if row.get("system") else []
    for question, answer in row.get("history") or []:
        turns += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    question = f"{row[asked]}\n\n{row['input']}" if row.get("input") else row[asked]
    return [*turns, {"role": "user", "content": question}, {"role": "assistant", "content": row[answered]}]
