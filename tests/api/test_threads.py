"""Calls in threads: each outcome reaches who waits, and nobody leaves while his call is at work."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from api.threads import Threads


@pytest.fixture
def threads() -> Iterator[Threads]:
    made = Threads(2)
    yield made
    made.close()


def test_values_and_errors_reach_who_waits(threads: Threads) -> None:
    async def ask() -> list[object]:
        calls = (threads.run(int, text) for text in ("1", "x", "3"))
        return await asyncio.gather(*calls, threads.run(next, iter(())), return_exceptions=True)

    one, wrong, three, ended = asyncio.run(ask())
    assert (one, three) == (1, 3)
    assert isinstance(wrong, ValueError)
    assert isinstance(ended, RuntimeError)


def test_no_more_calls_work_at_once_than_there_are_threads(threads: Threads) -> None:
    together = threading.Barrier(2)
    lock, working, most = threading.Lock(), [0], [0]

    def work() -> None:
        with lock:
            working[0] += 1
            most[0] = max(most[0], working[0])
        together.wait()
        with lock:
            working[0] -= 1

    async def ask() -> None:
        await asyncio.gather(*(threads.run(work) for _ in range(6)))

    asyncio.run(ask())
    assert most == [2]


def test_a_cancelled_caller_stays_until_its_call_is_done(threads: Threads) -> None:
    began, go, done = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        go.wait()
        done.set()

    async def ask() -> None:
        waiting = asyncio.create_task(threads.run(work))
        await asyncio.to_thread(began.wait)
        waiting.cancel()
        await asyncio.sleep(0)
        assert not waiting.done()
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert done.is_set()

    asyncio.run(ask())
