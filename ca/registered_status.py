"""What our own registry says about a certificate's revocation: one statement for each question.

It is asked for every certificate of every path, so nothing is built and nothing is cached: a
revocation that is committed is felt by the next question of every process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, LiteralString, NamedTuple

from ca.errors import RevocationDataUnavailable
from ca.models import CertificateStatus
from ca.revocation import RevocationFact, RevocationStatus
from ca.revocation_reasons import RevocationReason
from db.errors import StatementFailed

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterator
    from datetime import datetime

    from ca.revocation import RevocationEvidence, RevocationQuery
    from db.reads import Reads

STATUS: Final[LiteralString] = """
SELECT below.id, below.revoked_at, below.revocation_reason,
    own.status, own.der = %s, own.revoked_at, own.revocation_reason, change.status, change.at
FROM (SELECT id FROM authorities WHERE certificate = %s LIMIT 1) issuer
LEFT JOIN authorities below ON below.issuer_id = issuer.id AND below.certificate = %s
LEFT JOIN certificates own ON own.authority_id = issuer.id AND own.serial_number = %s
LEFT JOIN LATERAL (
    SELECT status, at FROM certificate_status_changes
    WHERE certificate_id = own.id AND at <= %s ORDER BY at DESC, id DESC LIMIT 1
) change ON true
LIMIT 1
"""
"""No row: another's certificate. Else: the authority it is, or the certificate with its serial
number, whether that has these very bytes, and the last change of its status before a time."""


_DECIDED: Final = frozenset(
    {CertificateStatus.ACTIVE, CertificateStatus.SUSPENDED, CertificateStatus.REVOKED}
)


class _Registered(NamedTuple):
    """The row of STATUS."""

    authority_id: uuid.UUID | None
    authority_revoked_at: datetime | None
    authority_reason: str | None
    status: str | None
    same_bytes: bool | None
    revoked_at: datetime | None
    reason: str | None
    last_status: str | None
    last_change: datetime | None


class RegistrySource:
    """Our own registry, which knows first and remembers suspensions that were lifted."""

    name = "registry"
    authoritative = True

    def __init__(self, registry: Reads) -> None:
        self._registry = registry

    def look_up(self, query: RevocationQuery) -> Iterator[RevocationFact | RevocationEvidence]:
        """Give the committed status of a certificate that one of our authorities issued.

        RevocationDataUnavailable when the database cannot be read: to go on without the one source
        that knows would be worse than to say so.
        """
        asked, serial = query.certificate.der, f"{max(query.certificate.serial_number, 0):040x}"
        values = (asked, query.issuer.der, asked, serial, query.at)
        try:
            rows = self._registry.read(STATUS, values)
        except StatementFailed as error:
            raise RevocationDataUnavailable("the registry cannot be read") from error
        if rows:
            yield _fact(_Registered(*rows[0]), query.at)


def _fact(row: _Registered, at: datetime) -> RevocationFact:
    if row.authority_id is not None:
        if row.authority_revoked_at is None:
            return RevocationFact(RevocationStatus.GOOD, RegistrySource.name, at)
        return _revoked(row.authority_revoked_at, row.authority_reason, at)
    if not row.same_bytes or row.status not in _DECIDED:
        # Signed by our key and not in our books: nothing that others say makes that good.
        return RevocationFact(RevocationStatus.UNKNOWN, RegistrySource.name, at)
    suspended = row.last_change if row.last_status == CertificateStatus.SUSPENDED else None
    revoked_by_then = row.revoked_at is not None and row.revoked_at <= at
    if row.status == CertificateStatus.REVOKED and (suspended is None or revoked_by_then):
        return _revoked(row.revoked_at, row.reason or RevocationReason.UNSPECIFIED.value, at)
    if suspended is not None:
        return _suspended(suspended, at)
    return RevocationFact(RevocationStatus.GOOD, RegistrySource.name, at)


def _revoked(since: datetime | None, reason: str | None, at: datetime) -> RevocationFact:
    return RevocationFact(
        RevocationStatus.REVOKED, RegistrySource.name, at, revoked_at=since, reason=reason
    )


def _suspended(since: datetime, at: datetime) -> RevocationFact:
    return RevocationFact(
        RevocationStatus.SUSPENDED,
        RegistrySource.name,
        at,
        revoked_at=since,
        reason=RevocationReason.CERTIFICATE_HOLD.value,
    )
