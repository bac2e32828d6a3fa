"""The tables of imports - files of certificates issued elsewhere - and of what their issuers say.

A file is taken apart into rows at once; the rows are then worked through in transactions, each of
which writes what a row leads to together with the row's outcome. So an import that was interrupted
goes on where it stopped, and nothing of a row is there unless all of it is.
"""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, UtcDateTime, uuid7


class ImportState(StrEnum):
    """Whether rows are left to do."""

    WAITING = "waiting"
    DONE = "done"


class RowState(StrEnum):
    """What became of a row; in a dry run, what would become of it."""

    WAITING = "waiting"
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    FAILED = "failed"


class IssuerStatus(StrEnum):
    """What an issuer says of a certificate."""

    GOOD = "good"
    REVOKED = "revoked"
    SUSPENDED = "suspended"


class DifferenceState(StrEnum):
    """What became of a difference."""

    OPEN = "open"
    ACCEPTED = "accepted"
    """The issuer's answer was taken into our record."""
    SETTLED = "settled"
    """A later comparison found none."""


class Import(Base):
    """One file, or one token, of certificates issued elsewhere."""

    __tablename__ = "imports"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    state: Mapped[ImportState] = mapped_column(index=True)
    file_name: Mapped[str]
    file_format: Mapped[str]
    sha256: Mapped[str]
    dry_run: Mapped[bool]
    options: Mapped[dict[str, object]] = mapped_column(JSON)
    under: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("organizations.id"))
    """The subtree that the importer may write to; None for the whole tree."""
    row_count: Mapped[int]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ImportRow(Base):
    """One row or certificate of an import, and its outcome."""

    __tablename__ = "import_rows"
    __table_args__ = (
        CheckConstraint("(state = 'failed') = (problems IS NOT NULL)", "problems_when_failed"),
        Index(
            "import_rows_waiting_idx",
            "import_id",
            "number",
            postgresql_where=text("state = 'waiting'"),
        ),
    )

    import_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("imports.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    """As whoever opens the file counts: the header of a table is row 1."""
    state: Mapped[RowState]
    label: Mapped[str]
    """What a person recognises the row by: a name, or the file inside an archive."""
    cells: Mapped[dict[str, str] | None] = mapped_column(JSON(none_as_null=True))
    der: Mapped[bytes | None] = mapped_column(LargeBinary)
    certificate_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("certificates.id"))
    problems: Mapped[list[dict[str, str]] | None] = mapped_column(JSON(none_as_null=True))


class StatusDifference(Base):
    """Where our record of a certificate and its issuer's answer part."""

    __tablename__ = "status_differences"
    __table_args__ = (
        Index(
            "status_differences_open_once",
            "certificate_id",
            unique=True,
            postgresql_where=text("state = 'open'"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    certificate_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("certificates.id"), index=True)
    state: Mapped[DifferenceState]
    ours: Mapped[str]
    theirs: Mapped[IssuerStatus]
    their_moment: Mapped[datetime | None] = mapped_column(UtcDateTime)
    their_reason: Mapped[str | None]
    source: Mapped[str]
    """Address of the CRL or OCSP service."""
    found_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    closed_by: Mapped[str | None]
