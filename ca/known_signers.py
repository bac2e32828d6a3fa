"""Who our registry knows behind certificates that signed a document: one statement for them all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, LiteralString

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection
    from datetime import datetime

    from db.reads import Reads

SIGNERS: Final[LiteralString] = """
SELECT c.sha256_fingerprint, c.id, c.kind, c.status, s.full_name, s.post, o.name, o.code,
    s.id, o.id, h.at, h.status, h.reason
FROM certificates c
JOIN subscribers s ON s.id = c.subscriber_id
JOIN organizations o ON o.id = c.organization_id
LEFT JOIN certificate_status_changes h ON h.certificate_id = c.id
WHERE c.sha256_fingerprint = ANY(%s)
ORDER BY c.id, h.at, h.id
"""
_OWN: Final = 10
"""Columns that are of the certificate and not of a change of its status."""


@dataclass(frozen=True, slots=True)
class StatusChange:
    """One step in a certificate's life."""

    at: datetime
    status: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class KnownSigner:
    """A certificate of the registry, whose it is, and its history, oldest first."""

    certificate_id: uuid.UUID
    kind: str
    status: str
    subscriber: str
    post: str | None
    organization: str
    organization_code: str
    subscriber_id: uuid.UUID
    organization_id: uuid.UUID
    history: tuple[StatusChange, ...] = ()


def known_signers(registry: Reads, fingerprints: Collection[str]) -> dict[str, KnownSigner]:
    """Find certificates by their SHA-256 fingerprints (hexadecimal); raises StatementFailed."""
    wanted = sorted(set(fingerprints))
    if not wanted:
        return {}
    found: dict[str, KnownSigner] = {}
    for row in registry.read(SIGNERS, (wanted,)):
        signer = found.get(row[0]) or KnownSigner(*row[1:_OWN])
        if row[_OWN] is not None:
            signer = replace(signer, history=(*signer.history, StatusChange(*row[_OWN:])))
        found[row[0]] = signer
    return found
