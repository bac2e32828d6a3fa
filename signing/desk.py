"""What signing needs from its surroundings, handed in by the wiring."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session, sessionmaker

from ca.tsa import TimeStampAuthority
from hsm.providers import KeyStore
from pdf.timestamps import TimestampSource
from signing.documents import DocumentStore
from signing.policy import SigningPolicy


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Sessions, keys, documents and time-stamps of one installation; threads share it."""

    sessions: sessionmaker[Session]
    keys: KeyStore
    documents: DocumentStore
    timestamps: TimestampSource | None = None
    policy: SigningPolicy = field(default_factory=SigningPolicy)


@dataclass(frozen=True)
class OwnTimestamps:
    """Time-stamps of our own authority, without a detour through HTTP."""

    authority: TimeStampAuthority
    clock: Callable[[], datetime]

    def timestamp(self, digest: bytes, hash_algorithm: str) -> bytes:
        """Return a TimeStampToken (DER) over a digest."""
        return self.authority.token(digest, hash_algorithm, at=self.clock())
