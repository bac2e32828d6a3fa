"""Totals of certificates, as `/reports/certificates` shows them."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel

from ca.reports import CertificateReport, Totals


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
    """One group: its values, and its totals."""

    group: dict[str, str]


class ReportOut(BaseModel):
    """Totals as of a moment, whole and by group."""

    as_of: datetime
    by: list[str]
    totals: TotalsOut
    rows: list[ReportRowOut]

    @classmethod
    def of(cls, report: CertificateReport) -> Self:
        """Show a report."""
        return cls(
            as_of=report.as_of,
            by=list(report.by),
            totals=TotalsOut.of(report.totals),
            rows=[
                ReportRowOut(group=dict(row.group), **TotalsOut.of(row.totals).model_dump())
                for row in report.rows
            ],
        )
