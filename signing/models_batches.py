"""The tables of batches: many documents, one consent, one result for each file."""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, UtcDateTime, uuid7
from signing.models import WhenNoTimestamp


class BatchStatus(StrEnum):
    """Where a batch stands."""

    RUNNING = "running"
    """Files are being signed, or wait for a worker to sign them."""
    PAUSED = "paused"
    """What every file needs has failed: key, certificate or time-stamp; it can be resumed."""
    DONE = "done"
    """Every file has its result."""
    CANCELLED = "cancelled"


class ItemStatus(StrEnum):
    """The result of one file."""

    WAITING = "waiting"
    SIGNED = "signed"
    HOLDER = "holder"
    """Prepared; its request waits for the holder's signature."""
    FAILED = "failed"
    CANCELLED = "cancelled"


class SignBatch(Base):
    """Documents that one person agreed at one time to have signed with one certificate."""

    __tablename__ = "sign_batches"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    status: Mapped[BatchStatus] = mapped_column(index=True)
    actor: Mapped[str]
    certificate_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("certificates.id"))
    organization_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organizations.id"))
    when_no_timestamp: Mapped[WhenNoTimestamp]
    total: Mapped[int]
    manifest_sha256: Mapped[str]
    """Over the names and digests of the files, in order: what was agreed to."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    error_code: Mapped[str | None]


class SignBatchItem(Base):
    """One file of a batch; its sign request has its id before anything is signed."""

    __tablename__ = "sign_batch_items"

    batch_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sign_batches.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    file_name: Mapped[str]
    document_sha256: Mapped[str]
    document_size: Mapped[int] = mapped_column(BigInteger)
    request_id: Mapped[uuid.UUID] = mapped_column(unique=True)
    status: Mapped[ItemStatus]
    error_code: Mapped[str | None]
    error: Mapped[str | None]
