"""Reports frozen at the end of a period, and the proof that they can be produced again.

A frozen report keeps its numbers and the two times it was made for; counting again for those times
gives the same numbers, whatever was issued, revoked or imported since.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from ca import organizations, reports
from ca.errors import ReportInvalid
from ca.errors_registry import SnapshotNotFound, SnapshotTaken
from ca.models_reports import ReportSnapshot
from ca.names import storable
from db import audit
from db.base import uuid7
from db.canonical import canonical_json

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from sqlalchemy.orm import Session

    from ca.reports import CertificateReport, Totals

SETTLED: Final = timedelta(minutes=5)
"""A period is counted this long after its end, when every transaction of it has ended."""

MAX_PERIOD: Final = 100


@dataclass(frozen=True, slots=True)
class Period:
    """What to freeze: the name of the period, its end, the groups and the part of the tree."""

    name: str
    as_of: datetime
    by: tuple[str, ...] = ()
    under: uuid.UUID | None = None


def freeze(session: Session, *, period: Period, at: datetime, actor: str) -> ReportSnapshot:
    """Count as of the period's end and keep the result for ever.

    Raises ReportInvalid when the period has not ended yet, or SnapshotTaken.
    """
    name = period.name.strip()
    if not 0 < len(name) <= MAX_PERIOD or not storable(name):
        raise ReportInvalid(f"a period has a name of at most {MAX_PERIOD} characters")
    if period.as_of > at - SETTLED:
        raise ReportInvalid("a report is frozen five minutes after its period has ended")
    report = reports.certificate_totals(
        session, as_of=period.as_of, by=period.by, under=period.under, known_at=at
    )
    content = to_content(report)
    made = ReportSnapshot(
        id=uuid7(),
        period=name,
        under=period.under,
        by=list(report.by),
        as_of=period.as_of,
        known_at=at,
        content=content,
        sha256=_digest(content),
        made_by=actor,
    )
    try:
        with session.begin_nested():
            session.add(made)
    except IntegrityError as e:
        raise SnapshotTaken(f"the report of {name} is frozen already") from e
    audit.record(
        session,
        at=at,
        actor=actor,
        action="report.freeze",
        object_type="report",
        object_id=str(made.id),
        after={"period": name, "as_of": made.as_of.isoformat(), "sha256": made.sha256},
    )
    return made


def get(session: Session, snapshot_id: uuid.UUID) -> ReportSnapshot:
    """Return a frozen report; SnapshotNotFound."""
    found = session.get(ReportSnapshot, snapshot_id)
    if found is None:
        raise SnapshotNotFound(f"no frozen report {snapshot_id}")
    return found


def reproduces(session: Session, snapshot: ReportSnapshot) -> bool:
    """Count again for the frozen times; whether the numbers are the same, and were not changed."""
    report = reports.certificate_totals(
        session,
        as_of=snapshot.as_of,
        by=snapshot.by,
        under=snapshot.under,
        known_at=snapshot.known_at,
    )
    return _digest(to_content(report)) == snapshot.sha256 == _digest(snapshot.content)


def listing(
    session: Session, *, under: uuid.UUID | None, limit: int, before: uuid.UUID | None = None
) -> list[ReportSnapshot]:
    """Return up to `limit` frozen reports, newest first; with `under` only those of a subtree."""
    query = select(ReportSnapshot).order_by(ReportSnapshot.id.desc()).limit(limit)
    if before is not None:
        query = query.where(ReportSnapshot.id < before)
    if under is not None:
        query = query.where(ReportSnapshot.under.in_(organizations.subtree(under)))
    return list(session.scalars(query))


def to_content(report: CertificateReport) -> dict[str, object]:
    """Render a report's numbers as JSON."""
    return {
        "totals": _numbers(report.totals),
        "rows": [{"group": dict(row.group), **_numbers(row.totals)} for row in report.rows],
    }


def _numbers(totals: Totals) -> dict[str, int]:
    return {
        "issued": totals.issued,
        "in_force": totals.in_force,
        "suspended": totals.suspended,
        "revoked": totals.revoked,
        "expired": totals.expired,
    }


def _digest(content: dict[str, object]) -> str:
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()
