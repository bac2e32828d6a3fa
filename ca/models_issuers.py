"""The table of issuers that are not ours: certificates issued elsewhere hang on them.

An `Authority` is a key of ours; a known issuer has no key here, and perhaps not even a certificate,
when all that came was a list with its name.
"""

import uuid
from datetime import datetime

from sqlalchemy import ARRAY, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, UtcDateTime, uuid7


class KnownIssuer(Base):
    """A CA of somebody else whose certificates are in the registry."""

    __tablename__ = "known_issuers"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    search_names: Mapped[list[str]] = mapped_column(ARRAY(String))
    """Folded: every way in which lists and certificates have named it."""
    certificate: Mapped[bytes | None] = mapped_column(LargeBinary)
    """DER; without it nothing that the issuer publishes can be checked."""
    crl_urls: Mapped[list[str]] = mapped_column(ARRAY(String))
    ocsp_urls: Mapped[list[str]] = mapped_column(ARRAY(String))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    checked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When its answers were last compared with our records."""
    check_problem: Mapped[str | None]
    """Why the last comparison could not be made; a stable word, None when it was made."""
    check_cursor: Mapped[uuid.UUID | None]
    """The certificate after which a comparison that was bounded goes on."""
