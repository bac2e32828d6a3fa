"""May this certificate be used now: the one statement that every signature asks.

Nothing of it is cached, neither the certificate's status nor that of an authority above it, so a
revocation is felt by the next signature of every process. The certificates come along in the same
answer; what is computed from their bytes may be kept by those bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, LiteralString, cast

from ca.errors import CertificateNotFound, CertificateNotUsable
from ca.models import CertificateStatus

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Sequence

    from db.reads import Reads, Row

CHAIN: Final[LiteralString] = """
WITH RECURSIVE own AS (
    SELECT * FROM certificates WHERE id = ANY (%s::uuid[])
), above AS (
    SELECT a.*, own.id AS below, 1 AS step FROM authorities a JOIN own ON own.authority_id = a.id
    UNION ALL
    SELECT a.*, below, step + 1 FROM authorities a JOIN above ON above.issuer_id = a.id
        WHERE step < 16
)
SELECT 0 AS step, status AS name, not_before, not_after, revoked_at, der AS certificate,
    id AS own, organization_id, serial_number, key_uri FROM own
UNION ALL
SELECT step, slug, not_before, not_after, revoked_at, certificate, below, NULL, NULL, NULL
    FROM above
UNION ALL
SELECT 99, k.slug, NULL, NULL, NULL, k.certificate, own.id, NULL, NULL, NULL
    FROM known_issuers k JOIN own ON own.known_issuer_id = k.id
ORDER BY step
"""
"""Each certificate, then every authority of ours above it, or the one known issuer elsewhere."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """An authority above a certificate, as far as it decides whether that may be used."""

    slug: str
    not_before: datetime
    not_after: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A certificate and those above it as the database has them in this moment."""

    id: uuid.UUID
    organization_id: uuid.UUID
    serial_number: str
    status: CertificateStatus
    validity: tuple[datetime, datetime]
    key_uri: str | None
    certificate: bytes | None
    """DER; None where only the number is known."""
    authorities: tuple[Issuer, ...]
    issuers: tuple[bytes, ...]
    """DER of the certificates above it, the issuer first."""

    def require_in_force(self, *, at: datetime) -> None:
        """Raise CertificateNotUsable with why, unless it may be used at `at`."""
        require_in_force(self.status, self.validity, self.authorities, at=at)


def standing(registry: Reads, certificate_id: uuid.UUID) -> Standing:
    """Ask how a certificate stands; raises CertificateNotFound, StatementFailed."""
    found = standings(registry, [certificate_id]).get(certificate_id)
    if found is None:
        raise CertificateNotFound(f"no certificate {certificate_id}")
    return found


def standings(registry: Reads, wanted: Sequence[uuid.UUID]) -> dict[uuid.UUID, Standing]:
    """Ask for several at once; those that are not there are left out. Raises StatementFailed."""
    by_own: dict[uuid.UUID, list[Row]] = {}
    for row in registry.read(CHAIN, (list(wanted),)):
        by_own.setdefault(row[6], []).append(row)
    return {own: _standing(rows) for own, rows in by_own.items()}


def _standing(rows: Sequence[Row]) -> Standing:
    own, *above = rows
    _, status, not_before, not_after, _, der, identifier, organization_id, serial, key_uri = own
    return Standing(
        id=identifier,
        organization_id=organization_id,
        serial_number=serial,
        status=CertificateStatus(status),
        validity=(not_before, not_after),
        key_uri=key_uri,
        certificate=der,
        authorities=tuple(_issuer(row) for row in above if row[2] is not None),
        issuers=tuple(row[5] for row in above if row[5] is not None),
    )


def require_in_force(
    status: CertificateStatus,
    validity: tuple[datetime, datetime],
    issuers: Iterable[Issuer],
    *,
    at: datetime,
) -> None:
    """Raise CertificateNotUsable unless a certificate and every issuer of it is in force."""
    if status is not CertificateStatus.ACTIVE:
        raise CertificateNotUsable(status.value)
    not_before, not_after = validity
    if at < not_before:
        raise CertificateNotUsable("not_yet_valid", f"begins at {_text(not_before)}")
    if at > not_after:
        raise CertificateNotUsable("expired", f"ended at {_text(not_after)}")
    for issuer in issuers:
        revoked = issuer.revoked_at is not None and issuer.revoked_at <= at
        if revoked or not issuer.not_before <= at <= issuer.not_after:
            raise CertificateNotUsable("issuer_not_usable", issuer.slug)


def _issuer(row: Row) -> Issuer:
    return Issuer(*cast("tuple[str, datetime, datetime, datetime | None]", row[1:5]))


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
