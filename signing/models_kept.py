"""The table of documents that are kept for their caller and are no sign requests."""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, UtcDateTime, uuid7


class KeptAs(StrEnum):
    """What a document is kept as."""

    UPLOAD = "upload"
    """It waits for its batch."""
    EXTENSION = "extension"
    """It was raised to a level under an Idempotency-Key, and can be asked for again."""


class KeptDocument(Base):
    """One document of one caller, and how many bytes it takes."""

    __tablename__ = "kept_documents"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    kept_as: Mapped[KeptAs]
    actor: Mapped[str] = mapped_column(index=True)
    file_name: Mapped[str]
    sha256: Mapped[str]
    """As it was sent."""
    size: Mapped[int] = mapped_column(BigInteger)
    kept_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    spent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When a batch has taken it; from then on it is only remembered, for repeated calls."""
