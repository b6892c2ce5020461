"""A coroutine that produces items, read as a plain iterator; closing the iterator cancels the coroutine, wherever it waits.

    for item in iterate(produce, beat=0.25): ...       # None whenever nothing came for `beat` seconds

A thread that waits in a socket's read cannot be woken; a task of an event loop can be cancelled at any await, and its connection
closes then and there. One loop, in one daemon thread, serves all iterators of the process.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from functools import cache
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
Put = Callable[[T], None]
Produce = Callable[[Callable[[T], None]], Awaitable[None]]


def iterate(produce: Callable[[Put[T]], Awaitable[None]], beat: float) -> Iterator[T | None]:
    """What `produce(put)` puts, as it comes; None each time nothing came for `beat` seconds. Raises what `produce` raises."""
    items: SimpleQueue[tuple[bool, Any]] = SimpleQueue()

    async def run() -> None:
        try:
            await produce(lambda item: items.put((True, item)))
        except Exception as error:
            items.put((False, error))
        else:
            items.put((False, None))

    task = asyncio.run_coroutine_threadsafe(run(), _loop())
    try:
        while True:
            try:
                more, item = items.get(timeout=beat)
            except Empty:
                yield None
                continue
            if more:
                yield item
            elif item is None:
                return
            else:
                raise item
    finally:
        task.cancel()


def run_to_end(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, run on the same loop; cancelled when the wait for it is interrupted."""
    task = asyncio.run_coroutine_threadsafe(work, _loop())
    try:
        return task.result()
    finally:
        task.cancel()


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="savia-streams", daemon=True).start()
    return loop
