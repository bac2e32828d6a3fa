"""The tables of kept evidence: what a verdict rested on, and what is left when it is destroyed."""

import uuid
from datetime import datetime

from sqlalchemy import JSON, ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, UtcDateTime


class VerificationEvidence(Base):
    """Anchors, policy and answers of one kept verification, as `ca.recording` writes them."""

    __tablename__ = "verification_evidence"

    verification_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("verifications.id"), primary_key=True
    )
    manifest: Mapped[dict[str, object]] = mapped_column(JSON)


class EvidenceItem(Base):
    """A certificate, CRL or OCSP answer; kept once, however many verdicts rest on it."""

    __tablename__ = "evidence_items"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    data: Mapped[bytes] = mapped_column(LargeBinary)


class EvidenceUse(Base):
    """Which verification rests on which item."""

    __tablename__ = "evidence_uses"

    verification_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("verifications.id"), primary_key=True
    )
    sha256: Mapped[str] = mapped_column(
        ForeignKey("evidence_items.sha256"), primary_key=True, index=True
    )


class VerificationTombstone(Base):
    """Says that a kept report was destroyed: when, by whom, why; its content is gone."""

    __tablename__ = "verification_tombstones"

    verification_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("verifications.id"), primary_key=True
    )
    destroyed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    destroyed_by: Mapped[str]
    reason: Mapped[str]
