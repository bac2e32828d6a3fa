"""What is known about a certificate's revocation, and the shape of those who know.

A source gives facts it vouches for itself (our registry), or evidence that is checked first: CRLs
and OCSP answers. It gives them one by one, so that nothing is fetched once the question is settled.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from ca.parsed_certificates import ParsedCertificate


class RevocationStatus(StrEnum):
    """Status words of a verification report."""

    GOOD = "GOOD"
    REVOKED = "REVOKED"
    SUSPENDED = "SUSPENDED"
    UNKNOWN = "UNKNOWN"
    NOT_CHECKED = "NOT_CHECKED"


@dataclass(frozen=True, slots=True)
class RevocationFact:
    """The status of one certificate and where it was learned.

    `revoked_at` may lie after the time that is asked about: then the certificate was good at that
    time, and the fact still says that it was revoked later. For SUSPENDED it is when that began.
    """

    status: RevocationStatus
    source: str | None = None
    this_update: datetime | None = None
    next_update: datetime | None = None
    revoked_at: datetime | None = None
    reason: str | None = None
    signer_expired: bool = False
    """The answer may be as old as it says, but its signer's certificate has expired since."""

    def stands_against(self, at: datetime) -> bool:
        """Say whether the certificate was revoked or suspended at that time."""
        if self.status not in {RevocationStatus.REVOKED, RevocationStatus.SUSPENDED}:
            return False
        return self.revoked_at is None or self.revoked_at <= at


NOT_CHECKED: Final = RevocationFact(RevocationStatus.NOT_CHECKED)


@dataclass(frozen=True, slots=True)
class RevocationQuery:
    """Whose status is asked, at which time, and how many seconds there are to find it out."""

    certificate: ParsedCertificate
    issuer: ParsedCertificate
    at: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class RevocationEvidence:
    """A CRL or OCSP answer as DER, not checked yet."""

    crls: tuple[bytes, ...] = ()
    ocsp_responses: tuple[bytes, ...] = ()


class RevocationSource(Protocol):
    """Somebody who may know."""

    @property
    def name(self) -> str:
        """Word for reports, such as `registry` or `cache`."""

    @property
    def authoritative(self) -> bool:
        """Whether to ask it before the document's own data."""

    def look_up(self, query: RevocationQuery) -> Iterator[RevocationFact | RevocationEvidence]:
        """Give what is known, the best first; nothing when nothing is known."""


@dataclass(frozen=True, slots=True)
class EmbeddedSource:
    """CRLs and OCSP answers that a document carries."""

    crls: tuple[bytes, ...] = ()
    ocsp_responses: tuple[bytes, ...] = ()
    name: str = "document"
    authoritative: bool = False

    def look_up(self, query: RevocationQuery) -> Iterator[RevocationFact | RevocationEvidence]:
        """Give everything at once: it is there already."""
        del query
        if self.crls or self.ocsp_responses:
            yield RevocationEvidence(self.crls, self.ocsp_responses)
