"""The table of reports that were frozen: what was counted at the end of a period, for ever."""

import uuid
from datetime import datetime

from sqlalchemy import ARRAY, JSON, CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, UtcDateTime, uuid7


class ReportSnapshot(Base):
    """One frozen report; a trigger refuses to change or delete it."""

    __tablename__ = "report_snapshots"
    __table_args__ = (
        CheckConstraint("as_of <= known_at", "in_the_past"),
        Index(
            "report_snapshots_once",
            "period",
            text("coalesce(under, '00000000-0000-0000-0000-000000000000'::uuid)"),
            "by",
            unique=True,
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    period: Mapped[str]
    """As the office names it: `2026-Q1`, `2026`, `đột xuất 15/03/2026`."""
    under: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("organizations.id"))
    by: Mapped[list[str]] = mapped_column(ARRAY(String))
    as_of: Mapped[datetime] = mapped_column(UtcDateTime)
    known_at: Mapped[datetime] = mapped_column(UtcDateTime)
    content: Mapped[dict[str, object]] = mapped_column(JSON)
    sha256: Mapped[str]
    """Of the content as canonical JSON."""
    made_by: Mapped[str]
