"""A run: workers take items from the plan until it is done, the budget is used up, the server is gone, or the user stops it.

result = asyncio.run(run_items(items, writer, asker, concurrency=8, report=progress.update))
"""

import asyncio
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from retrieval.console import say
from retrieval.errors import SaviaError
from training.data_preparation.asking import Asker, CallFailed, OutOfBudget, Stopped
from training.data_preparation.augment_plan import Item
from training.data_preparation.augmentation import Writer, make_row
from training.data_preparation.budget import Spent

Report = Callable[[Spent, int, int, int], None]


@dataclass(slots=True)
class Result:
    """How a run ended. `failed` are items by id with the reason of their last call; `fault` is what ended it for all."""

    accepted: int = 0
    rejected: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    out_of_budget: bool = False
    interrupted: bool = False
    fault: SaviaError | None = None


async def run_items(
    items: Sequence[Item], writer: Writer, asker: Asker, concurrency: int, report: Report = lambda *_: None
) -> Result:
    """Ask for all items, `concurrency` at a time. Nothing is raised for a fault of the server: the result carries it."""
    result, queue = Result(), iter(items)
    with _stop_on_signal(asker, result):
        workers = [
            asyncio.create_task(_work(queue, writer, asker, result, report))
            for _ in range(min(concurrency, len(items)))
        ]
        try:
            await asyncio.gather(*workers)
        except asyncio.CancelledError:
            if not result.interrupted:
                raise
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
    return result


async def _work(queue: Iterator[Item], writer: Writer, asker: Asker, result: Result, report: Report) -> None:
    for item in queue:
        try:
            outcome = await make_row(item, writer, asker.ask)
        except CallFailed as error:
            result.failed[item.id] = str(error)
        except OutOfBudget:
            result.out_of_budget = True
            return
        except Stopped:
            return
        except SaviaError as error:
            result.fault = result.fault or error
            asker.stopping.set()
            return
        else:
            result.accepted += outcome.status == "accepted"
            result.rejected += outcome.status == "rejected"
        report(asker.journal.spent, result.accepted, result.rejected, len(result.failed))


@contextmanager
def _stop_on_signal(asker: Asker, result: Result) -> Iterator[None]:
    """The first signal lets calls in flight end, since they are paid for; the second one leaves at once."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def stop() -> None:
        if result.interrupted and task is not None:
            task.cancel()
            return
        result.interrupted = True
        asker.stopping.set()
        say("Stopping: calls under way are finished first. Once more to leave at once.")

    kinds = (signal.SIGINT, signal.SIGTERM)
    with suppress(NotImplementedError, ValueError, RuntimeError):  # not on this system, or not in the main thread
        for kind in kinds:
            loop.add_signal_handler(kind, stop)
    try:
        yield
    finally:
        with suppress(NotImplementedError, ValueError, RuntimeError):
            for kind in kinds:
                loop.remove_signal_handler(kind)
