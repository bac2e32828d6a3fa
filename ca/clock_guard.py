"""A time-stamp authority whose clock cannot be trusted must stop (ETSI EN 319 421 7.7.2).

Two things show that a clock was moved: it no longer runs with the machine's monotonic clock, which
nobody can set, or it no longer agrees with the database's clock, which is another machine's. What
neither shows, a clock that was wrong from the start on every machine, is the business of NTP.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from ca.errors import ClockUntrusted

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session, sessionmaker

TOLERANCE: Final = timedelta(seconds=1)
"""The accuracy that our time-stamps claim."""
REFERENCE_INTERVAL: Final = timedelta(seconds=10)
"""Between two looks at the database's clock."""


class ClockGuard:
    """Watches one process's clock from its start; threads may share it.

    Once the clock was moved the guard says so for the life of the process, unless the clock is set
    back to what it would have been: after a correction on purpose, restart the process.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        *,
        at: datetime,
        reference: Callable[[], datetime] | None = None,
    ) -> None:
        """`monotonic` gives seconds; `at` is the present; `reference` asks another clock."""
        self._monotonic = monotonic
        self._start = (at, monotonic())
        self._reference = reference
        self._due = self._start[1]
        self._difference = timedelta()
        self._lock = threading.Lock()

    def require(self, at: datetime) -> None:
        """Raise ClockUntrusted when the present, read just now, cannot be right."""
        jump = at - self._expected()
        if abs(jump) > TOLERANCE:
            raise ClockUntrusted(f"the clock was moved by {jump.total_seconds():+.1f} s")
        if self._reference is not None and self._monotonic() >= self._due:
            self._compare(self._reference)
        if abs(self._difference) > TOLERANCE:
            seconds = self._difference.total_seconds()
            raise ClockUntrusted(f"the clock is {seconds:+.1f} s from the database's")

    def _expected(self) -> datetime:
        at, then = self._start
        return at + timedelta(seconds=self._monotonic() - then)

    def _compare(self, reference: Callable[[], datetime]) -> None:
        """Look at the other clock; how long the question took cannot be told from a difference."""
        with self._lock:
            before = self._monotonic()
            if before < self._due:
                return
            earliest = self._expected()
            told = reference()
            latest = self._expected()
            self._due = self._monotonic() + REFERENCE_INTERVAL.total_seconds()
            if told < earliest:
                self._difference = earliest - told
            elif told > latest:
                self._difference = latest - told
            else:
                self._difference = timedelta()


def database_clock(sessions: sessionmaker[Session]) -> Callable[[], datetime]:
    """Give a function that reads the database's clock; ClockUntrusted when it cannot be asked."""

    def read() -> datetime:
        try:
            with sessions() as session:
                told: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
        except SQLAlchemyError as error:
            raise ClockUntrusted("the database's clock cannot be read") from error
        return told

    return read
