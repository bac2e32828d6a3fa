"""Handlers in threads, for the doors in front of the framework.

The framework's own way into a thread costs as much as reading a small document. Here a call goes
through one queue, and its outcome is handed back to the event loop that waits.
"""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """At most `most` calls at once; more wait for their turn."""

    def __init__(self, most: int) -> None:
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="door")

    async def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `work` in a thread; what was begun is waited for, also by who is cancelled."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[T] = loop.create_future()

        def call() -> None:
            try:
                settle = partial(waiting.set_result, work(*args, **kwargs))
            except StopIteration as error:  # which a future does not take
                settle = partial(waiting.set_exception, RuntimeError(repr(error)))
            except BaseException as error:  # noqa: BLE001 -- whoever waits raises it
                settle = partial(waiting.set_exception, error)
            with contextlib.suppress(RuntimeError):  # the event loop has ended, and nobody waits
                loop.call_soon_threadsafe(settle)

        self._pool.submit(call)
        try:
            return await asyncio.shield(waiting)
        except asyncio.CancelledError:
            await asyncio.wait([waiting])  # it may still work with what the caller lent it
            raise

    def close(self) -> None:
        """End the threads, after what they have begun."""
        self._pool.shutdown()
