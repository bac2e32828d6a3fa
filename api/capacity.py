"""How much one process does at once: threads and database connections, in step with each other.

A thread that waits for a connection does nothing, and a connection that is closed after one use
costs the server a new process. So a process has as many kept connections as threads, and all
processes together stay below what one PostgreSQL server takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SERVER_CONNECTIONS: Final = 160
"""Of the 200 that the embedded server takes; the rest is for operators, migrations and backups."""
MOST_THREADS: Final = 24
FEWEST_THREADS: Final = 4
OWN_CONNECTIONS: Final = 5
"""What a process holds besides: sign of life, callers, events of OCSP, the queue's two."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """One process's share."""

    threads: int
    """Requests at work; also the connections that are kept for their transactions."""
    direct: int
    """Connections for single statements; each is held for a fraction of a millisecond."""

    @classmethod
    def of(cls, workers: int) -> Capacity:
        """Return the share of one of so many web processes, beside one worker for jobs."""
        share = SERVER_CONNECTIONS // (workers + 1) - OWN_CONNECTIONS
        direct = max(2, min(8, share // 4))
        return cls(max(FEWEST_THREADS, min(MOST_THREADS, share - direct)), direct)
