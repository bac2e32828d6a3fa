"""One thread for many callers: what comes while it is at work, it does together next.

Documents that are signed at the same moment share statements, commits and the wait for the disk,
and one thread that does them in turn wastes nothing on handing the interpreter around.
"""

import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Final, Generic, TypeVar

T = TypeVar("T")

MOST: Final = 64
"""In one group: enough that a commit costs each little, and few enough that nobody waits long."""


class Gathering(Generic[T]):
    """Hands what is put in to `work`, several at a time; `work` never raises."""

    def __init__(self, work: Callable[[Sequence[T]], None], *, name: str, most: int = MOST) -> None:
        self._work = work
        self._name = name
        self._most = most
        self._waiting: SimpleQueue[T | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    def put(self, *items: T) -> None:
        """Have items done; the thread starts with the first ones."""
        for item in items:
            self._waiting.put(item)
        if self._thread is None:
            self._start()

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None or self._closed:
                return
            self._thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Do what waits, and end the thread."""
        with self._lock:
            self._closed = True
            thread, self._thread = self._thread, None
        if thread is not None:
            self._waiting.put(None)
            thread.join()

    def _serve(self) -> None:
        while (first := self._waiting.get()) is not None:
            group, last = [first], False
            while len(group) < self._most:
                try:
                    item = self._waiting.get_nowait()
                except Empty:
                    break
                if item is None:
                    last = True
                    break
                group.append(item)
            self._work(group)
            if last:
                return
