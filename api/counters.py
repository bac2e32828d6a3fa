"""Counters that all processes of one server share: numbers in small mapped files, one per process.

A scrape reaches any of the processes, and has to see what all of them did. Each process counts in
its own file, without a lock or a call to the system, and whoever is scraped adds the files up. The
files of ended processes stay until the server starts anew, so that no counter runs backwards.
"""

from __future__ import annotations

import mmap
import os
from bisect import bisect_left
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

DOORS: Final = (
    *("sign", "verify", "extend", "api", "ocsp", "tsa", "pki"),
    *("csc", "oauth2", "pages", "health", "metrics"),
)
"""What requests are counted by; few, so that no caller can make new ones."""
STATUSES: Final = ("1xx", "2xx", "3xx", "4xx", "5xx")
BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0)
"""Seconds: upper ends of the buckets of the latencies; one more has no end."""
_PER_DOOR: Final = len(STATUSES) + len(BOUNDS) + 2
_NUMBERS: Final = len(DOORS) * _PER_DOOR
_SIZE: Final = 8 * _NUMBERS
_BY_SEGMENT: Final = {
    **{name: index for index, name in enumerate(DOORS)},
    **{name: DOORS.index("health") for name in ("healthz", "readyz")},
}


def door_of(path: str) -> int:
    """Return the number of the door that a path belongs to."""
    first, _, rest = path[1:].partition("/")
    if first == "api":
        second = rest.removeprefix("v1/").partition("/")[0]
        return DOORS.index(second) if second in {"sign", "verify", "extend"} else DOORS.index("api")
    if rest == "" and first in {"sign", "verify"}:
        return DOORS.index("pages")
    return _BY_SEGMENT.get(first, DOORS.index("pages"))


class Counters:
    """The counters of this process, and the sums over all of them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._map: mmap.mmap | None = None
        self._numbers: memoryview[float] | None = None

    def _opened(self) -> memoryview[float]:
        """Make this process's file, at its first request; an operator's command has none."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{os.getpid()}-{os.urandom(4).hex()}.counts"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
        descriptor = os.open(self._directory / name, flags, 0o600)
        try:
            os.truncate(descriptor, _SIZE)
            self._map = mmap.mmap(descriptor, _SIZE)
        finally:
            os.close(descriptor)
        self._numbers = memoryview(self._map).cast("d")
        return self._numbers

    def count(self, path: str, status: int, seconds: float) -> None:
        """Count one request with its answer; called on the event loop only."""
        start = door_of(path) * _PER_DOOR
        numbers = self._numbers or self._opened()
        numbers[start + min(max(status // 100, 1), 5) - 1] += 1
        numbers[start + len(STATUSES) + bisect_left(BOUNDS, seconds)] += 1
        numbers[start + _PER_DOOR - 1] += seconds

    def sums(self) -> list[Door]:
        """Add up what every process has counted since the server started."""
        total = [0.0] * _NUMBERS
        for path in self._directory.glob("*.counts"):
            content = path.read_bytes()
            if len(content) == _SIZE:
                total = [a + b for a, b in zip(total, memoryview(content).cast("d"), strict=True)]
        return [
            Door(name, total[index * _PER_DOOR : (index + 1) * _PER_DOOR])
            for index, name in enumerate(DOORS)
        ]

    def close(self) -> None:
        """Let the file go; what was counted stays in it."""
        if self._numbers is not None and self._map is not None:
            self._numbers.release()
            self._map.close()
            self._numbers = self._map = None


class Door:
    """What was counted at one door."""

    def __init__(self, name: str, numbers: Sequence[float]) -> None:
        self.name = name
        self.by_status = dict(zip(STATUSES, map(int, numbers), strict=False))
        self.by_bucket = tuple(int(n) for n in numbers[len(STATUSES) : _PER_DOOR - 1])
        self.seconds = numbers[_PER_DOOR - 1]


def start_anew(directory: Path) -> None:
    """Forget what an earlier run of the server counted; only the parent calls this."""
    for path in directory.glob("*.counts"):
        path.unlink(missing_ok=True)
