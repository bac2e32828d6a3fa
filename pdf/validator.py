"""What verification asks of whoever judges certificates (EN 319 102-1 clause 5.2.6).

This room does no path validation: it hands over a certificate, a purpose and a time, and gets a
verdict back. `signing` passes in the validator of `ca`; tests and callers may pass their own.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

Purpose: TypeAlias = Literal["signing", "timestamping"]


class RevocationFact(Protocol):
    """The status of one certificate at the time that was asked for."""

    @property
    def status(self) -> str:
        """GOOD, REVOKED, SUSPENDED, UNKNOWN or NOT_CHECKED."""

    @property
    def source(self) -> str | None:
        """Where the status comes from."""

    @property
    def this_update(self) -> datetime | None:
        """When the source said so."""

    @property
    def revoked_at(self) -> datetime | None:
        """When the certificate was revoked or suspended."""

    @property
    def reason(self) -> str | None:
        """The reason of RFC 5280 clause 5.3.1."""


class PathVerdict(Protocol):
    """The verdict on one certificate."""

    @property
    def trusted(self) -> bool:
        """Whether path, purpose, time and status all hold."""

    @property
    def sub_indication(self) -> str | None:
        """The ETSI word for what does not hold."""

    @property
    def chain(self) -> tuple[bytes, ...]:
        """The path that was found, certificate first."""

    @property
    def revocation(self) -> RevocationFact:
        """The status of the certificate."""

    @property
    def messages(self) -> tuple[str, ...]:
        """Message codes."""


class CertificateValidator(Protocol):
    """Judges certificates; may fetch, cache or work from files, as its maker decided."""

    def validate(
        self,
        certificate: bytes,
        *,
        purpose: Purpose,
        at: datetime,
        others: Sequence[bytes],
        crls: Sequence[bytes],
        ocsp_responses: Sequence[bytes],
    ) -> PathVerdict:
        """Judge `certificate` for `purpose` at the time `at`, with evidence from the document."""
