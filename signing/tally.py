"""How many bytes callers have had finished by this process since the database was last asked."""

import threading
from dataclasses import dataclass, field
from typing import Final

STEP: Final = 256 * 1024**2
"""Bytes after which the database is asked: a process can be this far past a bound."""
MOST_CALLERS: Final = 10_000
"""Remembered; beyond it the count of all begins anew."""


@dataclass
class Tally:
    """The counts of one process; threads share it."""

    _since: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def is_due(self, actor: str, size: int, *, step: int = STEP) -> bool:
        """Count more of a caller's; say whether the database is to be asked before it is made."""
        with self._lock:
            total = self._since.get(actor, 0) + size
            if len(self._since) >= MOST_CALLERS:
                self._since.clear()
            self._since[actor] = total
            return total >= step

    def asked(self, actor: str) -> None:
        """Begin anew: the database knows, and has room."""
        with self._lock:
            self._since.pop(actor, None)
