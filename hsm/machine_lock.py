"""One process at a time, for the short moments when a file-based token is written by a login.

SoftHSM stores a token's PIN flags in a file that every login rewrites. A process that starts or
logs in at that moment can miss the token, which workers of one server do when they start together.
The lock is advisory, on the module's own file, which every process that loads it can open; it is
never waited for longer than :data:`WAIT_SECONDS`, so nobody can stop the service by holding it.

Whoever comes next may find what a process left that was killed with the lock: :func:`whenever_held`
names what then looks after it.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

try:
    import fcntl
except ImportError:  # Windows has no flock, and no server of ours runs there
    fcntl = None  # type: ignore[assignment]  # no module there

WAIT_SECONDS: Final = 5.0
_PAUSE: Final = 0.005

_whenever_held: dict[Path, dict[object, Callable[[], object]]] = {}


def whenever_held(path: Path, name: object, do: Callable[[], object]) -> None:
    """Have *do* called each time this process has got the lock on *path*; once for each *name*."""
    _whenever_held.setdefault(path.resolve(), {})[name] = do


class MachineLock:
    """An advisory lock on *path* among processes; within the process it may be taken again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._here = threading.RLock()
        self._depth = 0

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock; goes on without it when it cannot be had in time."""
        with self._here:
            handle = self._acquire() if self._depth == 0 else None
            self._depth += 1
            try:
                if handle is not None:
                    for do in tuple(_whenever_held.get(self._path.resolve(), {}).values()):
                        do()
                yield
            finally:
                self._depth -= 1
                if handle is not None:
                    os.close(handle)  # closing the only descriptor gives the lock back

    def _acquire(self) -> int | None:
        if fcntl is None:
            return None
        try:
            handle = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                time.sleep(_PAUSE)
            else:
                return handle
        os.close(handle)
        return None
