"""A lock between processes that ends with its holder, however the holder ends.

The kernel keeps it (flock), so there is no stale lock after a kill and nothing to clean up; the
file's content means nothing. Two objects on one file exclude each other within a process, too.
"""

import fcntl
import os
import time
from pathlib import Path

from db.errors import DirectoryUnusable

_POLL_S = 0.05


class FileLock:
    """An exclusive lock on `path`, which is created when missing (mode 0600)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._descriptor is not None

    def acquire(self, *, timeout: float) -> bool:
        """Take the lock within `timeout` seconds; return whether it was had."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as e:
            raise DirectoryUnusable(f"{self._path} cannot be opened") from e
        deadline = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(descriptor)
                    return False
                time.sleep(_POLL_S)
            else:
                self._descriptor = descriptor
                return True

    def release(self) -> None:
        """Give the lock back; nothing happens when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
