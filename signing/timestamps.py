"""Our own time-stamp authority as a source for documents, and sources asked one after the other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ca.errors import CaError
from ca.tsa import TimeStampAuthority
from pdf.errors import TimestampUnavailable
from pdf.timestamps import TimestampSource


@dataclass(frozen=True)
class OwnTimestamps:
    """Time-stamps made in this process; `open_` gives the authority, opened at its first use."""

    open_: Callable[[], TimeStampAuthority]
    clock: Callable[[], datetime]

    def timestamp(self, digest: bytes, hash_algorithm: str) -> bytes:
        """Return a token; raises TimestampUnavailable with what keeps the authority from it."""
        try:
            return self.open_().token(digest, hash_algorithm, at=self.clock())
        except CaError as error:
            raise TimestampUnavailable(f"our own authority: {error}") from error


@dataclass(frozen=True)
class InTurn:
    """The first source that answers."""

    sources: Sequence[TimestampSource]

    def timestamp(self, digest: bytes, hash_algorithm: str) -> bytes:
        """Return a token; raises TimestampUnavailable naming each failure."""
        failures = []
        for source in self.sources:
            try:
                return source.timestamp(digest, hash_algorithm)
            except TimestampUnavailable as error:
                failures.append(str(error))
        raise TimestampUnavailable("; ".join(failures) or "there is no time-stamp server")
