"""From an item of the plan to a row or the reason why there is none: draft, rules, judge.

    outcome = await make_row(item, writer, asker.ask)

The way of an item depends on nothing but the replies to its prompts. So the same function, fed from the journal, finds out later
which rows there are (`derive_rows`) and which calls are still to be made (`Missing`).
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from retrieval.domain import DomainConfig
from retrieval.lexical import Analyzer
from training.data_preparation.augment_plan import Item
from training.data_preparation.augment_prompts import Messages, Prompts, render_draft, render_judge, render_repair
from training.data_preparation.completions import Request
from training.data_preparation.journal import Journal, Reply
from training.data_preparation.judge import asked_alike, check_row, check_verdict
from training.data_preparation.model_output import Draft, Output, Phrasing, Unusable, Verdict, parse_output
from training.example import Example, as_row, make_example, write_examples, write_rows

LONGEST_KEPT = 2_000  # characters of an unreadable reply that a rejected row keeps

Ask = Callable[[Request], Awaitable[Reply]]
Status = Literal["accepted", "rejected", "left"]


@dataclass(frozen=True)
class Writer:
    """What all rows of a run have in common."""

    config: DomainConfig
    prompts: Prompts
    model: str
    max_tokens: int = 2048
    temperature: float | None = None
    judged: bool = True

    @cached_property
    def analyzer(self) -> Analyzer:
        return Analyzer(self.config.language)

    def request(self, messages: Messages, shape: type[BaseModel]) -> Request:
        return Request(self.model, messages, shape, self.max_tokens, self.temperature)

    def draft_request(self, item: Item) -> Request:
        return self.request(
            render_draft(self.prompts, item.kind, item.sections, item.row), Phrasing if item.row else Draft
        )

    def judge_request(self, item: Item, row: Example) -> Request:
        return self.request(render_judge(self.prompts, item.sections, row, item.row), Verdict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """`row` is there whenever the model's text could be read; `text` is what could not. `left`: not all calls were made."""

    item: Item
    status: Status
    reason: str = ""
    row: Example | None = None
    text: str = ""


class Missing(Exception):
    """A reply that the journal does not hold."""

    def __init__(self, request: Request) -> None:
        super().__init__(request.key)
        self.request = request


class _Unreadable(Exception):
    """Two replies in a row that are not what was asked for."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(reason)
        self.text = text[:LONGEST_KEPT]


async def make_row(item: Item, writer: Writer, ask: Ask) -> Outcome:
    """The outcome of one item. Raises whatever `ask` raises; then nothing is decided."""
    try:
        draft: Draft | Phrasing
        if item.row:
            draft = await _obtain(writer.draft_request(item), Phrasing, writer, ask)
        else:
            draft = await _obtain(writer.draft_request(item), Draft, writer, ask)
    except _Unreadable as error:
        return Outcome(item, "rejected", f"reply cannot be read: {error}", text=error.text)
    row = _as_example(item, draft, writer)
    if not draft.suitable:
        return Outcome(item, "rejected", "the model found no such question in its sections", row)
    allowed = f"{writer.config.disclaimer}\n{writer.config.refusal}\n{writer.config.title}"
    if reason := check_row(row, item.sections, writer.prompts, writer.analyzer, allowed, item.row):
        return Outcome(item, "rejected", reason, row)
    if writer.judged:
        try:
            verdict = await _obtain(writer.judge_request(item, row), Verdict, writer, ask)
        except _Unreadable as error:
            return Outcome(item, "rejected", f"the judge's reply cannot be read: {error}", row, error.text)
        if reason := check_verdict(verdict):
            return Outcome(item, "rejected", reason, row)
    return Outcome(item, "accepted", row=row)


async def derive_rows(
    items: Iterable[Item], writer: Writer, journal: Journal, known: Iterable[Example] = ()
) -> list[Outcome]:
    """What the journal's replies come to, in the order of the plan; a question that `known` rows or an earlier item asked is rejected."""

    async def recall(request: Request) -> Reply:
        reply = journal.replies.get(request.key)
        if reply is None:
            raise Missing(request)
        return reply

    asked = {asked_alike(row.question) for row in known if not row.history}
    outcomes = []
    for item in items:
        try:
            outcome = await make_row(item, writer, recall)
        except Missing:
            outcome = Outcome(item, "left")
        if outcome.status == "accepted" and outcome.row is not None:
            question = asked_alike(outcome.row.question)
            if question in asked:
                outcome = Outcome(item, "rejected", "the same question is there already", outcome.row)
            asked.add(question)
        outcomes.append(outcome)
    return outcomes


async def missing_calls(item: Item, writer: Writer, journal: Journal) -> list[Request]:
    """Calls that an item still needs as far as one can tell: the draft and its verdict, or the verdict alone."""
    missing: list[Request] = []

    async def recall(request: Request) -> Reply:
        reply = journal.replies.get(request.key)
        if reply is None:
            missing.append(request)
            raise Missing(request)
        return reply

    try:
        await make_row(item, writer, recall)
    except Missing:
        if writer.judged and missing[0].shape is not Verdict:
            guess = make_example(item.row.question if item.row else "?" * 200, "?" * 600, reasoning="?" * 500)
            missing.append(writer.judge_request(item, guess))  # as long as a usual draft
    return missing


def write_outcomes(outcomes: Sequence[Outcome], path: Path, rejected: Path) -> None:
    """Accepted rows to `path`, the others with their reasons to `rejected`; items that are left stand in neither."""
    write_rows(rejected, (_rejected_row(outcome) for outcome in outcomes if outcome.status == "rejected"))
    write_examples(
        path, (outcome.row for outcome in outcomes if outcome.status == "accepted" and outcome.row is not None)
    )


async def _obtain(request: Request, shape: type[Output], writer: Writer, ask: Ask) -> Output:
    """The reply as the shape asked for, with one try to have it repaired. Raises `_Unreadable`."""
    reply = await ask(request)
    try:
        return parse_output(reply.text, shape)
    except Unusable as error:
        if reply.finish == "length":  # the same question would end at the same place
            raise _Unreadable(f"cut off after {writer.max_tokens} tokens", reply.text) from None
        fault = str(error)
    repaired = await ask(writer.request(render_repair(writer.prompts, request.messages, reply.text, fault), shape))
    try:
        return parse_output(repaired.text, shape)
    except Unusable as error:
        raise _Unreadable(str(error), repaired.text) from None


def _as_example(item: Item, draft: Draft | Phrasing, writer: Writer) -> Example:
    kind = writer.prompts.kinds[item.kind]
    about: dict[str, Any] = {"origin": "llm", "task": item.kind, "language": writer.config.language}
    if isinstance(draft, Phrasing):
        row = item.row
        assert row is not None  # only a row is put in other words
        more: dict[str, Any] = {
            "reasoning": row.reasoning,
            "sections": row.sections,
            "type": row.type,
            "safety_level": row.safety_level,
        }
        return make_example(draft.question, row.answer, parents=(row.id,), **more, **about)
    about["type"] = item.sections[0].type
    if kind.sources == "document":
        return make_example(draft.question, writer.config.refusal, reasoning=draft.reasoning, answerable=False, **about)
    sections = tuple(section.id for section in item.sections)
    return make_example(draft.question, draft.answer, reasoning=draft.reasoning, sections=sections, **about)


def _rejected_row(outcome: Outcome) -> dict[str, Any]:
    """`id` is the row's where there is one, so that a review can find it."""
    found: dict[str, Any] = {"id": outcome.row.id} if outcome.row else {}
    found |= {
        "item": outcome.item.id,
        "kind": outcome.item.kind,
        "sections": [section.id for section in outcome.item.sections],
    }
    found["reason"] = outcome.reason
    if outcome.row:
        found["example"] = as_row(outcome.row)
    return found | ({"text": outcome.text} if outcome.text else {})
