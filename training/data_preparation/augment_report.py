"""What a person sees of an augmentation: the plan with its cost before, progress while it runs, the result after.

with show_progress(total=100) as progress: progress.update(journal, accepted=1, rejected=0, failed=0)
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from retrieval.console import errors, output, print_table
from training.data_preparation.asking import estimate_call
from training.data_preparation.augment_plan import Item
from training.data_preparation.augmentation import Outcome, Writer, missing_calls
from training.data_preparation.budget import Price, Spent
from training.data_preparation.grounding import LEAST_SHARE
from training.data_preparation.journal import Journal

MOST_REASONS = 15


@dataclass(slots=True)
class KindPlan:
    """What a kind still needs: rows planned, rows that need no call any more, and the calls of the others."""

    planned: int = 0
    done: int = 0
    spent: Spent = Spent()  # noqa: RUF009 (frozen)


async def estimate_plan(items: Sequence[Item], writer: Writer, journal: Journal) -> dict[str, KindPlan]:
    """By kind, in the order of the prompts' file. Repairs and retries are not counted: nobody knows them beforehand."""
    plan = {kind: KindPlan() for kind in writer.prompts.kinds}
    for item in items:
        entry = plan[item.kind]
        entry.planned += 1
        calls = await missing_calls(item, writer, journal)
        entry.done += not calls
        for request in calls:
            entry.spent += estimate_call(request)
    return {kind: entry for kind, entry in plan.items() if entry.planned}


def plan_json(plan: dict[str, KindPlan], price: Price | None) -> dict[str, Any]:
    total = sum((entry.spent for entry in plan.values()), Spent())
    return {
        "planned": sum(entry.planned for entry in plan.values()),
        "done": sum(entry.done for entry in plan.values()),
        **spent_json(total, price),
        "kinds": {
            kind: {"planned": entry.planned, "done": entry.done, **spent_json(entry.spent, price)}
            for kind, entry in plan.items()
        },
    }


def print_plan(plan: dict[str, KindPlan], price: Price | None, model: str) -> None:
    rows = [[kind, entry.planned, entry.done, *_figures(entry.spent, price)] for kind, entry in plan.items()]
    total = sum((entry.spent for entry in plan.values()), Spent())
    rows.append(
        ["all", sum(e.planned for e in plan.values()), sum(e.done for e in plan.values()), *_figures(total, price)]
    )
    print_table(["kind", "rows", "done", "calls", "tokens in", "tokens out", "cost (usd)"], rows)
    if price is None:
        errors().print(
            f"No price for {model or 'the model'}: write it into training/configs/prices.yaml.", soft_wrap=True
        )


def spent_json(spent: Spent, price: Price | None) -> dict[str, Any]:
    cost = None if price is None else round(price.cost(spent), 6)
    return {"calls": spent.calls, "input_tokens": spent.input_tokens, "output_tokens": spent.output_tokens, "usd": cost}


def count_outcomes(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Counts by status and kind, and reasons with their names and numbers left out, most frequent first."""
    statuses = Counter(outcome.status for outcome in outcomes)
    return {
        "planned": len(outcomes),
        "accepted": statuses["accepted"],
        "rejected": statuses["rejected"],
        "left": statuses["left"],
        "kinds": dict(
            sorted(Counter(outcome.item.kind for outcome in outcomes if outcome.status == "accepted").items())
        ),
        "reasons": dict(Counter(short_reason(o.reason) for o in outcomes if o.status == "rejected").most_common()),
    }


def short_reason(reason: str) -> str:
    """A reason without what differs from row to row.

    >>> short_reason("answer: the number 40 is not in its sections"), short_reason("judge: not grounded (the dose)")
    ('answer: a number is not in its sections', 'judge: not grounded')
    """
    head = reason.split(" (", 1)[0]
    for kind in ("number", "name"):
        before, found, after = head.partition(f"the {kind} ")
        if found and after.endswith("is not in its sections"):
            return f"{before}a {kind} is not in its sections"
    if "of its content words" in head:
        return f"{head.split(':')[0]}: less than {LEAST_SHARE:.0%} of its content words are in its sections"
    return head.split(": ", 1)[0] if head.startswith("reply cannot be read") else head


def print_summary(summary: dict[str, Any]) -> None:
    if summary["reasons"]:
        print_table(
            ["rejected", "reason"], [[n, reason] for reason, n in list(summary["reasons"].items())[:MOST_REASONS]]
        )
    cost = "" if summary["usd"] is None else f", {summary['usd']:.4f} usd"
    output().print(
        f"{summary['path']}: {summary['accepted']} of {summary['planned']} rows accepted, {summary['rejected']} rejected, "
        f"{summary['failed']} failed, {summary['left']} left; {summary['calls']:,} calls, "
        f"{summary['input_tokens'] + summary['output_tokens']:,} tokens{cost} so far.",
        soft_wrap=True,
    )


class RunProgress:
    """The bar's numbers; `update` redraws them."""

    def __init__(self, bar: Progress, total: int, price: Price | None) -> None:
        self._bar, self._price = bar, price
        self._task = bar.add_task("Asking", total=total, state="")

    def update(self, spent: Spent, accepted: int, rejected: int, failed: int) -> None:
        cost = f"{spent.tokens:,} tokens" if self._price is None else f"{self._price.cost(spent):.3f} usd"
        state = f"{accepted} accepted, {rejected} rejected, {failed} failed, {cost}"
        self._bar.update(self._task, completed=accepted + rejected + failed, state=state)


@contextmanager
def show_progress(total: int, price: Price | None) -> Iterator[RunProgress]:
    """A bar on stderr with counts, cost and time left."""
    columns = (
        BarColumn(bar_width=10),
        MofNCompleteColumn(),
        TextColumn("{task.fields[state]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors(), transient=False) as bar:
        yield RunProgress(bar, total, price)


def _figures(spent: Spent, price: Price | None) -> list[str]:
    cost = "unknown" if price is None else f"{price.cost(spent):.4f}"
    return [f"{spent.calls:,}", f"{spent.input_tokens:,}", f"{spent.output_tokens:,}", cost]
