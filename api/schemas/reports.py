"""Totals of certificates, as `/reports` shows them."""

import uuid
from datetime import datetime
from typing import Self

from pydantic import AwareDatetime, BaseModel, Field

from api.schemas.certificate_query import links
from api.schemas.lists import Schema
from ca.models_reports import ReportSnapshot
from ca.reports import CertificateReport, Totals
from ca.snapshots import Period

Links = dict[str, str | None]


class TotalsOut(BaseModel):
    """Ever issued, and what has become of them; the first is the sum of the others."""

    issued: int
    in_force: int
    suspended: int
    revoked: int
    expired: int

    @classmethod
    def of(cls, totals: Totals) -> Self:
        """Show totals."""
        return cls(
            issued=totals.issued,
            in_force=totals.in_force,
            suspended=totals.suspended,
            revoked=totals.revoked,
            expired=totals.expired,
        )


class ReportRowOut(TotalsOut):
    """One group: its values, its totals, and where the list behind each number is."""

    group: dict[str, str]
    links: Links


class ReportOut(BaseModel):
    """Totals as of a moment, whole and by group."""

    as_of: datetime
    by: list[str]
    totals: TotalsOut
    links: Links
    rows: list[ReportRowOut]

    @classmethod
    def of(cls, report: CertificateReport, *, under: uuid.UUID | None = None) -> Self:
        """Show a report; `under` is the subtree that it counted."""
        return cls(
            as_of=report.as_of,
            by=list(report.by),
            totals=TotalsOut.of(report.totals),
            links=links({}, as_of=report.as_of, under=under),
            rows=[
                ReportRowOut(
                    group=dict(row.group),
                    links=links(row.group, as_of=report.as_of, under=under),
                    **TotalsOut.of(row.totals).model_dump(),
                )
                for row in report.rows
            ],
        )


class SnapshotIn(Schema):
    """Which period to freeze."""

    period: str = Field(description="As the office names it, such as 2026-Q1")
    as_of: AwareDatetime = Field(description="The end of the period")
    by: list[str] = Field(default_factory=list)
    under: uuid.UUID | None = None

    def to_period(self, *, under: uuid.UUID | None) -> Period:
        """Return it as the registry takes it, within a subtree."""
        return Period(self.period, self.as_of, tuple(self.by), under)


class SnapshotOut(BaseModel):
    """A frozen report."""

    id: uuid.UUID
    period: str
    under: uuid.UUID | None
    as_of: datetime
    known_at: datetime
    by: list[str]
    totals: dict[str, int]
    rows: list[dict[str, object]]
    sha256: str
    made_by: str
    reproduces: bool | None = Field(default=None, description="Whether counting again gives this")

    @classmethod
    def of(cls, row: ReportSnapshot, *, reproduces: bool | None = None) -> Self:
        """Show a row."""
        return cls.model_validate(
            {
                "id": row.id,
                "period": row.period,
                "under": row.under,
                "as_of": row.as_of,
                "known_at": row.known_at,
                "by": row.by,
                "totals": row.content["totals"],
                "rows": row.content["rows"],
                "sha256": row.sha256,
                "made_by": row.made_by,
                "reproduces": reproduces,
            }
        )
