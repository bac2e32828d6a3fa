"""Certificate revocation lists (RFC 5280 5) as bytes, joined from entries that are DER already.

An entry is encoded once, when its certificate is revoked or suspended; a list of 100,000 is then
one join and one signature. Entries of expired certificates stay listed, and the list says so (X.509
expiredCertsOnCRL), because a signature is often verified long after its certificate has expired.
Which list is made when, and from what, is in `ca.crl`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography import x509

from ca import der
from ca.certificate_fields import subject_of
from ca.revocation_reasons import RevocationReason

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ca.authority_signers import AuthoritySigner

REASON_CODES: Final[Mapping[RevocationReason, int]] = {
    RevocationReason.UNSPECIFIED: 0,
    RevocationReason.KEY_COMPROMISE: 1,
    RevocationReason.CA_COMPROMISE: 2,
    RevocationReason.AFFILIATION_CHANGED: 3,
    RevocationReason.SUPERSEDED: 4,
    RevocationReason.CESSATION_OF_OPERATION: 5,
    RevocationReason.CERTIFICATE_HOLD: 6,
    RevocationReason.PRIVILEGE_WITHDRAWN: 9,
}
"""CRLReason of RFC 5280 5.3.1."""

_VERSION_2: Final = der.integer(1)
_REASONS: Final[Mapping[RevocationReason, bytes]] = {
    reason: der.extension("2.5.29.21", der.enumerated(code))
    for reason, code in REASON_CODES.items()
    if code  # RFC 5280 5.3.1: unspecified is said by leaving the extension out
}


def entry_der(
    serial: int,
    revoked_at: datetime,
    reason: RevocationReason | None = None,
    invalidity_at: datetime | None = None,
) -> bytes:
    """Encode one element of revokedCertificates, to be stored beside its certificate."""
    extensions = _REASONS.get(reason, b"") if reason is not None else b""
    if invalidity_at is not None:
        extensions += der.extension("2.5.29.24", der.generalized_time(invalidity_at))
    return der.sequence(
        der.integer(serial),
        der.time(revoked_at),
        der.sequence(extensions) if extensions else b"",
    )


REMOVED: Final = der.extension("2.5.29.21", der.enumerated(8))
"""removeFromCRL: in a delta, that a suspended certificate was restored (RFC 5280 5.3.1)."""


def removal_der(serial: int, removed_at: datetime) -> bytes:
    """Encode the element of a delta CRL that takes a restored certificate off the list."""
    return der.sequence(der.integer(serial), der.time(removed_at), der.sequence(REMOVED))


@dataclass(frozen=True, slots=True)
class CrlFacts:
    """What a list says about itself."""

    number: int
    this_update: datetime
    next_update: datetime
    expired_since: datetime | None = None
    """Certificates that expired after this date stay listed; None leaves the extension out."""
    partition_url: str | None = None
    """Where a partition lies: it lists only certificates whose distribution point says so."""
    base_number: int | None = None
    """Of a delta: the number of the complete list that it starts from."""
    freshest_url: str | None = None
    """Where the deltas to a complete list are (RFC 5280 5.2.6)."""


def build(authority: AuthoritySigner, *, facts: CrlFacts, entries: bytes) -> bytes:
    """Assemble and sign a CRL from the concatenated DER of its entries, which are copied once."""
    algorithm = authority.algorithm_identifier
    before = (
        _VERSION_2
        + algorithm
        + subject_of(authority.certificate).encoded
        + der.time(facts.this_update)
        + der.time(facts.next_update)
        + (der.head(der.SEQUENCE, len(entries)) if entries else b"")
    )
    after = der.explicit(0, _extensions(authority.certificate, facts))
    size = len(before) + len(entries) + len(after)
    to_be_signed = (der.head(der.SEQUENCE, size) + before, entries, after)
    end = algorithm + der.bit_string(authority.sign_joined(to_be_signed))
    whole = sum(map(len, to_be_signed)) + len(end)
    return b"".join((der.head(der.SEQUENCE, whole), *to_be_signed, end))


def _extensions(issuer: x509.Certificate, facts: CrlFacts) -> bytes:
    key_identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    found = [
        der.extension("2.5.29.35", der.sequence(der.tlv(0x80, key_identifier.key_identifier))),
        der.extension("2.5.29.20", der.integer(facts.number)),
    ]
    if facts.partition_url is not None:
        point = der.sequence(_point_name(facts.partition_url))
        found.append(der.extension("2.5.29.28", point, critical=True))
    if facts.base_number is not None:
        found.append(der.extension("2.5.29.27", der.integer(facts.base_number), critical=True))
    if facts.freshest_url is not None:
        points = der.sequence(der.sequence(_point_name(facts.freshest_url)))
        found.append(der.extension("2.5.29.46", points))
    if facts.expired_since is not None:
        found.append(der.extension("2.5.29.60", der.generalized_time(facts.expired_since)))
    return der.sequence(*found)


def _point_name(url: str) -> bytes:
    """Encode distributionPoint [0] with fullName [0] and one URI."""
    return der.explicit(0, der.explicit(0, der.tlv(0x86, url.encode("ascii"))))
