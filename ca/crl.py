"""Certificate revocation lists (RFC 5280 5), joined from entries that are stored as DER.

An entry is encoded once, when its certificate is revoked or suspended; a list of 100,000 is then
one join and one signature. Nobody looks a status up in a CRL here: that is the database's work.
Entries of expired certificates stay listed, and the list says so (X.509 expiredCertsOnCRL),
because a signature is often verified long after its certificate has expired.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from sqlalchemy import func, select

from ca import der
from ca.authority_signers import AuthoritySigner, signer
from ca.errors import CrlUnavailable
from ca.models import Authority, Certificate, CertificateRevocationList, RevocationReason
from db import audit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from hsm.providers import KeyStore

DEFAULT_LIFETIME: Final = timedelta(days=7)
"""nextUpdate after thisUpdate; a new list comes at least daily (ETSI EN 319 411-1 6.3.9)."""

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


@dataclass(frozen=True, slots=True)
class CrlFacts:
    """What a list says about itself."""

    number: int
    this_update: datetime
    next_update: datetime
    expired_since: datetime | None = None
    """Certificates that expired after this date stay listed; None leaves the extension out."""


def build(authority: AuthoritySigner, *, facts: CrlFacts, entries: bytes) -> bytes:
    """Assemble and sign a complete CRL from the concatenated DER of its entries."""
    algorithm = authority.algorithm_identifier
    to_be_signed = der.sequence(
        _VERSION_2,
        algorithm,
        authority.certificate.subject.public_bytes(),
        der.time(facts.this_update),
        der.time(facts.next_update),
        der.sequence(entries) if entries else b"",
        der.explicit(0, _extensions(authority.certificate, facts)),
    )
    signature = authority.sign(to_be_signed)
    return der.sequence(to_be_signed, algorithm, der.bit_string(signature))


def _extensions(issuer: x509.Certificate, facts: CrlFacts) -> bytes:
    key_identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    found = [
        der.extension("2.5.29.35", der.sequence(der.tlv(0x80, key_identifier.key_identifier))),
        der.extension("2.5.29.20", der.integer(facts.number)),
    ]
    if facts.expired_since is not None:
        found.append(der.extension("2.5.29.60", der.generalized_time(facts.expired_since)))
    return der.sequence(*found)


def publish(
    session: Session,
    *,
    authority: Authority,
    keys: KeyStore,
    at: datetime,
    lifetime: timedelta = DEFAULT_LIFETIME,
    actor: str = "system",
) -> CertificateRevocationList:
    """Sign the next CRL of an authority from what is committed, and store it.

    The authority's row is locked until the caller commits: two processes never give out the same
    number, and a higher number never knows less than a lower one.
    """
    opened = signer(authority, keys=keys)
    session.flush()
    own_row = select(Authority.crl_number).where(Authority.id == authority.id)
    # NO KEY UPDATE: certificates that refer to the authority are issued meanwhile.
    locked = own_row.with_for_update(key_share=True)
    number = session.execute(locked).scalar_one() + 1
    this_update = at.replace(microsecond=0)
    facts = CrlFacts(number, this_update, this_update + lifetime, authority.not_before)
    made = CertificateRevocationList(
        authority_id=authority.id,
        number=number,
        this_update=facts.this_update,
        next_update=facts.next_update,
        der=build(opened, facts=facts, entries=_entries(session, authority)),
    )
    authority.crl_number = number
    session.add(made)
    session.flush()
    audit.record(
        session,
        at=at,
        actor=actor,
        action="crl.publish",
        object_type="authority",
        object_id=str(authority.id),
        after={"number": number, "next_update": facts.next_update.isoformat()},
    )
    return made


def _entries(session: Session, authority: Authority) -> bytes:
    """Let the database join the entries: one value to fetch instead of a million rows."""
    joined = func.string_agg(Certificate.crl_entry, b"")
    query = select(joined).where(
        Certificate.authority_id == authority.id, Certificate.crl_entry.is_not(None)
    )
    found: bytes | None = session.execute(query).scalar_one()
    return bytes(found) if found else b""


def latest(session: Session, authority: Authority) -> CertificateRevocationList:
    """Find the newest CRL of an authority; CrlUnavailable before the first."""
    query = (
        select(CertificateRevocationList)
        .where(CertificateRevocationList.authority_id == authority.id)
        .order_by(CertificateRevocationList.number.desc())
        .limit(1)
    )
    found = session.scalar(query)
    if found is None:
        raise CrlUnavailable(f"{authority.slug} has not published a CRL yet")
    return found
