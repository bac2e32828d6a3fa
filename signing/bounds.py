"""How much callers may make this service keep, where the operator has set nothing else."""

from dataclasses import dataclass
from typing import Final

DEFAULT_FLOOR: Final = 512 * 1024**2
"""Bytes that stay free: hours of rows and write-ahead log of a busy installation."""
DEFAULT_FINISHED: Final = 16 * 1024**3
"""Bytes of finished documents of one caller: 300,000 letters of 50 kB, signed."""


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """The most that may wait for one caller at the same time, and that it may have finished."""

    documents: int = 10_000
    """Two of the largest batches."""
    size: int = 8 * 1024**3
    """Bytes."""
    finished: int = DEFAULT_FINISHED
    """Bytes of finished documents: as many again in an hour, and beyond it the oldest go."""
