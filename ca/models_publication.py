"""The tables of what is published, of mass revocation, and of the watch over both.

`status_events` is written by a trigger, in every transaction that changes a status, so no code path
can forget it. Its rows say which transaction wrote them: whoever keeps a snapshot finds exactly the
changes that were committed since, without a lock and without trusting a clock.
"""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from ca.revocation_reasons import RevocationReason
from db.base import Base, UtcDateTime, uuid7


class CertificateRevocationList(Base):
    """A signed CRL, kept so that every number can be produced again."""

    __tablename__ = "certificate_revocation_lists"
    __table_args__ = (
        UniqueConstraint("authority_id", "number"),
        Index(None, "authority_id", "shard", "number"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    authority_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("authorities.id"))
    number: Mapped[int] = mapped_column(BigInteger)
    this_update: Mapped[datetime] = mapped_column(UtcDateTime)
    next_update: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    der: Mapped[bytes] = mapped_column(LargeBinary)
    shard: Mapped[int | None] = mapped_column(SmallInteger)
    """Partition (RFC 5280 5.2.5); None: every certificate of the authority."""
    base_number: Mapped[int | None] = mapped_column(BigInteger)
    """Of a delta CRL: the number of the complete list that it starts from (RFC 5280 5.2.4)."""
    snapshot: Mapped[str | None]
    """What was committed when the entries were read (pg_snapshot): a delta begins after it."""


class OcspAnswer(Base):
    """The pre-signed OCSP answer of one certificate (RFC 6960), replaced at each status change."""

    __tablename__ = "ocsp_answers"

    certificate_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("certificates.id"), primary_key=True
    )
    authority_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("authorities.id"))
    serial_number: Mapped[str] = mapped_column(index=True)
    this_update: Mapped[datetime] = mapped_column(UtcDateTime)
    next_update: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    der: Mapped[bytes] = mapped_column(LargeBinary)


class StatusEvent(Base):
    """One change of a status; kept for as long as a delta CRL or a process may ask for it."""

    __tablename__ = "status_events"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    transaction: Mapped[int] = mapped_column(BigInteger, index=True)
    """The number of the transaction that made the change (xid8)."""
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    authority_id: Mapped[uuid.UUID]
    certificate_id: Mapped[uuid.UUID]
    serial_number: Mapped[str]


class IncidentTarget(StrEnum):
    """What an incident is about: the certificates of whom or what."""

    LIST = "list"
    SUBSCRIBER = "subscriber"
    DEVICE = "device"
    ORGANIZATION = "organization"
    """The unit and everything below it."""
    POST = "post"
    """The certificates that a person got for a post, when that ends."""


class IncidentState(StrEnum):
    """How far an incident is."""

    PLANNED = "planned"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


class ItemState(StrEnum):
    """What became of one certificate of an incident."""

    WAITING = "waiting"
    REVOKED = "revoked"
    SKIPPED = "skipped"


class Incident(Base):
    """One decision to revoke: many certificates at once, or some of them on a later day."""

    __tablename__ = "incidents"
    __table_args__ = (
        CheckConstraint("(target = 'list') = (target_id IS NULL)", "target"),
        CheckConstraint("(state = 'cancelled') = (cancelled_by IS NOT NULL)", "cancelled"),
        CheckConstraint("(state = 'done') = (finished_at IS NOT NULL)", "finished"),
        Index(
            "incidents_to_do_idx",
            "effective_at",
            postgresql_where=text("state IN ('planned', 'running')"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    target: Mapped[IncidentTarget]
    target_id: Mapped[uuid.UUID | None]
    state: Mapped[IncidentState]
    reason: Mapped[RevocationReason]
    invalidity_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    note: Mapped[str]
    document_reference: Mapped[str | None]
    effective_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """When the certificates are to be revoked; the time of the decision when at once."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str]
    cancelled_by: Mapped[str | None]
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class IncidentItem(Base):
    """One certificate of an incident."""

    __tablename__ = "incident_items"
    __table_args__ = (
        Index(
            "incident_items_waiting_idx",
            "incident_id",
            postgresql_where=text("state = 'waiting'"),
        ),
    )

    incident_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("incidents.id"), primary_key=True)
    certificate_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("certificates.id"), primary_key=True, index=True
    )
    state: Mapped[ItemState]
    outcome: Mapped[str | None]
    """Why it was skipped: the status that it had by then."""
    at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Alarm(Base):
    """Something published, or a certificate of ours, that is about to run out, or has."""

    __tablename__ = "publication_alarms"
    __table_args__ = (
        UniqueConstraint("kind", "subject", "raised_at"),
        Index(
            "publication_alarms_open_once",
            "kind",
            "subject",
            unique=True,
            postgresql_where=text("cleared_at IS NULL"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    kind: Mapped[str]
    subject: Mapped[str]
    """What it is about, as in its address: `issuing.crl`, `issuing/3.crl`, `ocsp`."""
    runs_out_at: Mapped[datetime] = mapped_column(UtcDateTime)
    raised_at: Mapped[datetime] = mapped_column(UtcDateTime)
    cleared_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
