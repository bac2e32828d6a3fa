"""One transaction's worth of an import: rows resolved, written and settled, their import locked.

A row that clashes with what somebody else stored meanwhile is kept out alone.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from ca import known_issuers
from ca.errors_registry import ImportNotFound, IssuerInvalid
from ca.import_problems import RowProblem, RowRefused
from ca.import_resolution import Defaults, Resolver, Units
from ca.import_values import refused
from ca.import_writing import BatchWriter
from ca.known_issuers import IssuerDirectory
from ca.listed_certificates import from_row
from ca.models import CertificateKind
from ca.models_imports import Import, ImportRow, ImportState, RowState
from db import audit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session, sessionmaker


def run(sessions: sessionmaker[Session], import_id: uuid.UUID, *, at: datetime, size: int) -> int:
    """Do one transaction's worth of rows; return how many, 0 when none is left."""
    try:
        with sessions.begin() as session:
            return _Batch(session, import_id, at).work(size)
    except IntegrityError:
        # Somebody stored the same meanwhile. One by one, only the row that clashes is kept out.
        with sessions.begin() as session:
            return _Batch(session, import_id, at).work_singly(size)


def counts(session: Session, import_id: uuid.UUID) -> dict[RowState, int]:
    """Return how many rows of an import came out how."""
    counted = select(ImportRow.state, func.count()).where(ImportRow.import_id == import_id)
    return dict(session.execute(counted.group_by(ImportRow.state)).all())


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of a row."""

    state: RowState
    certificate_id: uuid.UUID | None = None
    problems: tuple[RowProblem, ...] = ()

    def settle(self, row: ImportRow) -> None:
        """Write it into the row, after what the row led to."""
        row.state, row.certificate_id = self.state, self.certificate_id
        row.problems = [one.to_dict() for one in self.problems] or None


class _Batch:
    """Some rows of an import, in one transaction; the import's row is locked for its length."""

    def __init__(self, session: Session, import_id: uuid.UUID, at: datetime) -> None:
        record = session.get(Import, import_id, with_for_update=True, populate_existing=True)
        if record is None:
            raise ImportNotFound(f"no import {import_id}")
        self._session, self._record, self._at = session, record, at
        self._issuers = IssuerDirectory.load(session)
        self._units = Units(session, under=record.under, at=at)

    def work(self, size: int) -> int:
        waiting = self._waiting(size)
        self._do(waiting)
        self._finish(len(waiting), size)
        return len(waiting)

    def work_singly(self, size: int) -> int:
        waiting = self._waiting(size)
        for row in waiting:
            try:
                with self._session.begin_nested():
                    self._do([row])
            except IntegrityError:
                self._issuers = IssuerDirectory.load(self._session)
                clash = (RowProblem("stored_meanwhile"),)
                _Outcome(RowState.FAILED, problems=clash).settle(row)
        self._finish(len(waiting), size)
        return len(waiting)

    def _waiting(self, size: int) -> list[ImportRow]:
        query = (
            select(ImportRow)
            .where(ImportRow.import_id == self._record.id, ImportRow.state == RowState.WAITING)
            .order_by(ImportRow.number)
            .limit(size)
        )
        return list(self._session.scalars(query))

    def _do(self, waiting: Sequence[ImportRow]) -> None:
        record = self._record
        resolver = Resolver(self._session, self._units, self._issuers, self._defaults())
        writer = BatchWriter(
            self._session, resolver, self._at, record.created_by, record.id, record.dry_run
        )
        listed = {row.number: from_row(row.cells, row.der) for row in waiting}
        resolver.prepare([one for one in listed.values() if one is not None])
        outcomes: list[tuple[ImportRow, _Outcome]] = []
        for row in waiting:
            one = listed[row.number]
            try:
                outcome = (
                    _Outcome(self._learn(row))
                    if one is None
                    else _Outcome(*writer.take(resolver.resolve(one)))
                )
            except RowRefused as refusal:
                outcome = _Outcome(RowState.FAILED, problems=refusal.problems)
            outcomes.append((row, outcome))
        writer.flush()
        for row, outcome in outcomes:
            outcome.settle(row)
        self._session.flush()

    def _learn(self, row: ImportRow) -> RowState:
        """Take a CA certificate that came along; who may write to a part only, adds no issuer."""
        if self._record.under is not None:
            raise refused("certificate_is_ca", "certificate")
        if self._record.dry_run or row.der is None:
            return RowState.UNCHANGED
        try:
            new = known_issuers.learn(
                self._session,
                self._issuers,
                row.der,
                at=self._at,
                actor=self._record.created_by,
            )
        except IssuerInvalid as e:
            raise refused("certificate_unreadable", "certificate") from e
        return RowState.CREATED if new else RowState.UNCHANGED

    def _defaults(self) -> Defaults:
        options = self._record.options
        unit, kind, issuer = (options.get(n) for n in ("organization_id", "kind", "issuer"))
        return Defaults(
            issuer=str(issuer) if issuer else None,
            organization_id=uuid.UUID(str(unit)) if unit else None,
            kind=CertificateKind(str(kind)) if kind else None,
        )

    def _finish(self, done: int, size: int) -> None:
        if done == size or self._record.state is ImportState.DONE:
            return
        self._record.state, self._record.finished_at = ImportState.DONE, self._at
        came_out = counts(self._session, self._record.id)
        audit.record(
            self._session,
            at=self._at,
            actor=self._record.created_by,
            action="import.finish",
            object_type="import",
            object_id=str(self._record.id),
            after={state.value: count for state, count in came_out.items()},
        )
