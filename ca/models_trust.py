"""The tables of trust: anchors, the newest trusted list of each scheme, evidence of others."""

import uuid
from datetime import datetime

from sqlalchemy import Integer, LargeBinary, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, UtcDateTime, uuid7


class TrustAnchor(Base):
    """A certificate that paths may end at, beside our own root."""

    __tablename__ = "trust_anchors"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    sha256_fingerprint: Mapped[str] = mapped_column(unique=True)
    subject: Mapped[str]
    certificate: Mapped[bytes] = mapped_column(LargeBinary)
    added_at: Mapped[datetime] = mapped_column(UtcDateTime)
    added_by: Mapped[str]


class TrustedListRow(Base):
    """A trusted list of ETSI TS 119 612 that somebody has imported."""

    __tablename__ = "trusted_lists"
    __table_args__ = (UniqueConstraint("operator", "territory"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    operator: Mapped[str]
    territory: Mapped[str]
    sequence_number: Mapped[int] = mapped_column(Integer)
    issued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    next_update: Mapped[datetime] = mapped_column(UtcDateTime)
    sha256: Mapped[str]
    """Of the file."""
    signer_fingerprint: Mapped[str]
    """SHA-256 of the certificate that was named as the list's signer."""
    services: Mapped[list[dict[str, object]]] = mapped_column(JSONB)
    added_at: Mapped[datetime] = mapped_column(UtcDateTime)
    added_by: Mapped[str]


class CachedRevocationData(Base):
    """A CRL or OCSP answer fetched from elsewhere, until it is stale."""

    __tablename__ = "revocation_cache"

    key: Mapped[str] = mapped_column(primary_key=True)
    """`crl:` + URL, or `ocsp:` + URL + hash of the request."""
    fetched_at: Mapped[datetime] = mapped_column(UtcDateTime)
    next_update: Mapped[datetime | None] = mapped_column(UtcDateTime)
    der: Mapped[bytes] = mapped_column(LargeBinary)
