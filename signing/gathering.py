"""One thread for many callers: what comes while it is at work, it does together next.

Documents that are signed at the same moment share statements, commits and the wait for the disk,
and one thread that does them in turn wastes nothing on handing the interpreter around.
"""

import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Final, Generic, TypeVar

T = TypeVar("T")

MOST: Final = 64
"""In one group: enough that a commit costs each little, and few enough that nobody waits long."""
PATIENCE_S: Final = 0.002
"""After a group of several: how long the next one is waited for. They come again, one after the
other, as fast as they can be read."""
LONGEST_S: Final = 0.01
"""What all that waiting may take. Who comes alone waits for nobody."""
_CLOSED: Final = "nothing is taken any more: the service ends"


class Gathering(Generic[T]):
    """Hands what is put in to `work`, several at a time; `work` never raises.

    A group that has `most` items takes no more; what was put in together stays together.
    """

    def __init__(self, work: Callable[[Sequence[T]], None], *, name: str, most: int = MOST) -> None:
        self._work = work
        self._name = name
        self._most = most
        self._waiting: SimpleQueue[Sequence[T] | None] = SimpleQueue()
        self._expected = 0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    def put(self, *items: T) -> None:
        """Have items done, in one group; the thread starts with the first ones.

        Raises RuntimeError after the end.
        """
        if not items:
            return
        with self._lock:
            if self._closed:
                raise RuntimeError(_CLOSED)  # nobody would ever do them
            if self._thread is None:
                thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
                thread.start()
                self._thread = thread
            self._waiting.put(items)

    def close(self) -> None:
        """Do what waits, and end the thread."""
        with self._lock:
            self._closed = True
            thread, self._thread = self._thread, None
            self._waiting.put(None)
        if thread is not None:
            thread.join()

    def _serve(self) -> None:
        while (first := self._waiting.get()) is not None:
            group = list(first)
            last = self._gathered(group)
            self._work(group)
            self._expected = len(group)
            if last:
                return

    def _gathered(self, group: list[T]) -> bool:
        """Add what is there, and whom the last group lets expect; whether nothing comes after."""
        until = time.monotonic() + LONGEST_S
        while len(group) < self._most:
            wait = PATIENCE_S if len(group) < self._expected and time.monotonic() < until else 0
            try:
                items = self._waiting.get(block=wait > 0, timeout=wait or None)
            except Empty:
                return False
            if items is None:
                return True
            group += items
        return False
