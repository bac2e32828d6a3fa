"""OCSP answers kept in a process, and never given when a committed change says otherwise.

Before anything is taken from here, the database is asked which statuses changed since it was asked
last: by transaction snapshot, with a statement that began after the request had come. Requests that
come while one such statement is under way share the next, so under load one small query serves all
that are waiting. No answer is older than the last commit before its request, in any process on any
machine; a lost connection only means that everything is looked up again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from db.errors import DbError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from ca.ocsp import Looked

MAX_ANSWERS: Final = 20_000
"""About 1 kB each; the oldest go first."""
KEPT_FOR: Final = timedelta(minutes=10)
"""So that an answer which the worker has renewed is seen before long."""

CHANGES: Final = """
SELECT pg_current_snapshot()::text, (
    SELECT string_agg(serial_number, ',') FROM status_events
    WHERE transaction >= pg_snapshot_xmin($1::pg_snapshot)::text::bigint
    AND NOT pg_visible_in_snapshot(transaction::text::xid8, $1::pg_snapshot))
"""
"""The present snapshot, and the serial numbers whose status changed since the snapshot $1; an
empty one among them stands for an authority."""


class Asked(Protocol):
    """Something that runs `CHANGES`: `db.statement.Statement`."""

    async def run(self, *values: bytes | None) -> list[tuple[bytes | None, ...]]:
        """Run it; raises DbError."""

    def close(self) -> None:
        """Let go of the connection."""


@dataclass(slots=True)
class _Kept:
    looked: Looked
    until: datetime
    requests: list[bytes] = field(default_factory=list)


class AnswerCache:
    """Answers by request, statuses by serial number; everything happens on one event loop.

    Await `current` with each request, then take what is there. What is put in was looked up at a
    certain `mark`: it is dropped if anything was found to have changed since.
    """

    def __init__(self, changes: Asked, *, authority_changed: Callable[[], None]) -> None:
        self._changes = changes
        self._authority_changed = authority_changed
        self._snapshot: bytes | None = None
        self._waiting: list[asyncio.Future[bool]] = []
        self._asking: asyncio.Task[None] | None = None
        self._answers: dict[bytes, _Kept] = {}
        self._statuses: dict[str, _Kept] = {}
        self.mark = 0
        """Moves on with every change that was heard of."""

    async def current(self) -> bool:
        """Hear of every change committed before this call; False when the database cannot tell."""
        waiting: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        return await waiting

    def answer(self, request: bytes, *, at: datetime) -> bytes | None:
        """Return the kept answer to exactly these octets."""
        kept = self._answers.get(request)
        return kept.looked.der if kept is not None and at < kept.until else None

    def status(self, serial_number: str, *, at: datetime) -> bytes | None:
        """Return the status (CertStatus) of one of our certificates, where it is known."""
        kept = self._statuses.get(serial_number)
        return kept.looked.status if kept is not None and at < kept.until else None

    def keep(self, request: bytes | None, looked: Looked, *, mark: int, at: datetime) -> None:
        """Keep what was looked up after `mark` was read; `request` None keeps the status only."""
        serial = looked.serial_number
        if mark != self.mark or serial is None or looked.until is None:
            return
        if len(self._answers) + len(self._statuses) >= MAX_ANSWERS:
            self._make_room()
        kept = self._statuses.get(serial)
        until = min(looked.until, at + KEPT_FOR)
        if kept is None or kept.until <= at:
            if kept is not None:
                self._drop([serial])
            kept = self._statuses[serial] = _Kept(looked, until)
        if request is not None:
            self._answers[request] = _Kept(looked, until)
            kept.requests.append(request)

    def forget(self) -> None:
        """Drop everything."""
        self.mark += 1
        self._answers.clear()
        self._statuses.clear()

    def close(self) -> None:
        """Let go of the connection."""
        self._changes.close()

    async def _ask(self) -> None:
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, []
                heard = False
                try:
                    heard = await self._hear()
                finally:
                    for each in waiting:
                        if not each.done():  # whoever asked may have given up
                            each.set_result(heard)
        finally:
            self._asking = None

    async def _hear(self) -> bool:
        try:
            rows = await self._changes.run(self._snapshot)
        except DbError:
            self._snapshot = None
            self.forget()
            return False
        snapshot, serials = rows[0]
        if self._snapshot is None:
            self.forget()
        elif serials is not None:
            changed = serials.decode().split(",")
            self.mark += 1
            if "" in changed:
                self._authority_changed()
                self.forget()
            else:
                self._drop(changed)
        self._snapshot = snapshot
        return True

    def _drop(self, serials: Iterable[str]) -> None:
        for serial in serials:
            kept = self._statuses.pop(serial, None)
            for request in kept.requests if kept is not None else ():
                self._answers.pop(request, None)

    def _make_room(self) -> None:
        self._drop(list(self._statuses)[: max(1, len(self._statuses) // 4)])
