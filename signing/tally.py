"""How many bytes callers have had finished by this process since the database was last asked."""

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

STEP: Final = 256 * 1024**2
"""Bytes after which the database is asked: a process can be this far past a bound."""
REMEMBERED: Final = timedelta(seconds=10)
"""How long a total that was too much is not asked for again: who is refused comes back at once, and
the sum of an hour is too much work for each time."""
MOST_CALLERS: Final = 10_000
"""Remembered; beyond it the count of all begins anew."""


@dataclass
class Tally:
    """The counts of one process; threads share it."""

    _since: dict[str, int] = field(default_factory=dict)
    _full: dict[str, tuple[datetime, int]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def is_due(self, actor: str, size: int, *, step: int = STEP) -> bool:
        """Count more of a caller's; say whether the database is to be asked before it is made."""
        with self._lock:
            total = self._since.get(actor, 0) + size
            if len(self._since) >= MOST_CALLERS:
                self._since.clear()
            self._since[actor] = total
            return total >= step

    def refused(self, actor: str, total: int, *, at: datetime) -> None:
        """Remember for a moment the total at which a caller was refused."""
        with self._lock:
            if len(self._full) >= MOST_CALLERS:
                self._full.clear()
            self._full[actor] = (at, total)

    def remembered(self, actor: str, *, at: datetime) -> int:
        """Return the total at which a caller was refused a moment ago; 0 where none was."""
        with self._lock:
            since, total = self._full.get(actor, (at, 0))
            if at - since >= REMEMBERED:
                del self._full[actor]
                return 0
            return total

    def asked(self, actor: str) -> None:
        """Begin anew: the database knows, and has room."""
        with self._lock:
            self._since.pop(actor, None)
