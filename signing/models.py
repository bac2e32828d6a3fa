"""The tables of the signing room: what was to be signed, what was signed, what was verified.

A sign request is committed before any key is used, so a crash leaves the intent and its staged
document, and the same bytes are signed when the caller comes back.
"""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, UtcDateTime, uuid7


class SignRequestStatus(StrEnum):
    """Where a sign request stands."""

    PREPARED = "prepared"
    """Intent committed; the key is about to be used by this server."""
    WAITING = "waiting"
    """Intent committed; the holder's signature is to be posted."""
    SIGNED = "signed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class WhenNoTimestamp(StrEnum):
    """What the caller wants when no time-stamp server answers."""

    FAIL = "fail"
    """No signature without its time-stamp."""
    QUEUE = "queue"
    """Sign at level B-B now; a job raises the stored document to its level later."""


class UpgradeState(StrEnum):
    """How it stands with a level that could not be reached at once."""

    QUEUED = "queued"
    DONE = "done"
    FAILED = "failed"


class SignRequest(Base):
    """One document to be signed with one certificate."""

    __tablename__ = "sign_requests"
    __table_args__ = (
        CheckConstraint(
            "(status = 'signed') = (completed_at IS NOT NULL)", "completed_when_signed"
        ),
        Index(
            "ix_sign_requests_upgrade_queued",
            "upgrade",
            postgresql_where=text("upgrade = 'queued'"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    status: Mapped[SignRequestStatus] = mapped_column(index=True)
    actor: Mapped[str]
    certificate_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("certificates.id"), index=True)
    organization_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organizations.id"))
    file_name: Mapped[str]
    level: Mapped[str]
    algorithm: Mapped[str]
    prepared: Mapped[str]
    """`signing.prepared_state` as JSON; holds no secret and no part of the document."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    completed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    error_code: Mapped[str | None]
    staged_size: Mapped[int | None] = mapped_column(BigInteger)
    """Bytes of the prepared document while its holder is waited for; None for keys that answer."""
    verification_code: Mapped[str | None]
    """Four digits that the signer's phone shows too; None while no phone is asked."""
    when_no_timestamp: Mapped[WhenNoTimestamp] = mapped_column(default=WhenNoTimestamp.FAIL)
    reached_level: Mapped[str | None]
    """The level of the stored document; `level` is the one that is wanted."""
    upgrade: Mapped[UpgradeState | None]
    upgrade_error: Mapped[str | None]


class Signature(Base):
    """A signature that left this service; at most one for each request."""

    __tablename__ = "signatures"

    sign_request_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("sign_requests.id"), primary_key=True
    )
    certificate_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("certificates.id"), index=True)
    signed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    level: Mapped[str]
    field: Mapped[str]
    document_sha256: Mapped[str] = mapped_column(index=True)
    document_size: Mapped[int] = mapped_column(BigInteger)
    signature_sha256: Mapped[str]


class DocumentProof(Base):
    """Until when one version of a signed document can be proven; the newest one counts."""

    __tablename__ = "document_proofs"
    __table_args__ = (
        Index("ix_document_proofs_end", "proven_until", postgresql_where=text("NOT superseded")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    sign_request_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("signatures.sign_request_id"), index=True
    )
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    level: Mapped[str]
    proven_until: Mapped[datetime] = mapped_column(UtcDateTime)
    """The end of the time-stamp's certificate; at level B-B, of the signer's."""
    document_sha256: Mapped[str] = mapped_column(index=True)
    document_size: Mapped[int] = mapped_column(BigInteger)
    superseded: Mapped[bool] = mapped_column(default=False)
    """A later version has a proof of its own."""


class Verification(Base):
    """A report that was asked to be kept."""

    __tablename__ = "verifications"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    actor: Mapped[str]
    checked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    document_sha256: Mapped[str] = mapped_column(index=True)
    indication: Mapped[str]
    report: Mapped[dict[str, object]] = mapped_column(JSON)
