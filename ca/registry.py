"""Looking one certificate up: by id, serial number, fingerprint or key; and "usable now"."""

import re
import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from ca.errors import CertificateNotFound
from ca.models import Authority, Certificate
from ca.standing import Issuer, require_in_force

OWN_SERIAL_DIGITS: Final = 40
"""Twenty octets: every serial number that our authorities give."""

_STANDING: Final = select(
    Authority.slug,
    Authority.not_before,
    Authority.not_after,
    Authority.revoked_at,
    Authority.issuer_id,
)
_SERIAL_PREFIX: Final = "serial:"
_SERIAL: Final = re.compile(r"[0-9a-f]{1,40}")


def get(session: Session, id_or_serial: str | uuid.UUID) -> Certificate:
    """Return the certificate with that id, or with that `serial:<hex>`; CertificateNotFound."""
    if isinstance(id_or_serial, str) and id_or_serial.startswith(_SERIAL_PREFIX):
        return by_serial(session, id_or_serial.removeprefix(_SERIAL_PREFIX))
    try:
        identifier = uuid.UUID(str(id_or_serial))
    except ValueError as e:
        raise CertificateNotFound("neither a certificate's id nor serial:<hexadecimal>") from e
    found = session.get(Certificate, identifier)
    if found is None:
        raise CertificateNotFound(f"no certificate {identifier}")
    return found


def by_serial(session: Session, serial_number: str) -> Certificate:
    """Return the certificate with that serial number in hexadecimal, colons and case aside."""
    digits = serial_number.replace(":", "").lower()
    if not _SERIAL.fullmatch(digits):
        raise CertificateNotFound("a serial number has 1 to 40 hexadecimal digits")
    short = external_serial(int(digits, 16))
    query = select(Certificate).where(
        Certificate.serial_number.in_({short, digits.rjust(OWN_SERIAL_DIGITS, "0")})
    )
    found = list(session.scalars(query.order_by(Certificate.id).limit(2)))
    if len(found) != 1:
        raise CertificateNotFound(
            f"{'more than one' if found else 'no'} certificate with serial number {digits}"
        )
    return found[0]


def external_serial(number: int) -> str:
    """Return another issuer's serial number as stored: an even number of hexadecimal digits."""
    digits = f"{number:x}"
    return digits.rjust(len(digits) + len(digits) % 2, "0")


def by_fingerprint(session: Session, sha256_fingerprint: str) -> Certificate:
    """Return the certificate whose DER has that SHA-256 (hexadecimal)."""
    query = select(Certificate).where(
        Certificate.sha256_fingerprint == sha256_fingerprint.replace(":", "").lower()
    )
    found = session.scalars(query).one_or_none()
    if found is None:
        raise CertificateNotFound("no certificate with this fingerprint")
    return found


def by_key_uri(session: Session, key_uri: str) -> Certificate:
    """Return the newest certificate whose private key is at that URI; CertificateNotFound."""
    query = select(Certificate).where(Certificate.key_uri == key_uri)
    found = session.scalars(query.order_by(Certificate.id.desc()).limit(1)).one_or_none()
    if found is None:
        raise CertificateNotFound("no certificate has its key at this address")
    return found


def of_request(session: Session, request_id: uuid.UUID) -> Certificate | None:
    """Return the certificate that a request ended in; None while there is none."""
    query = select(Certificate).where(
        Certificate.request_id == request_id, Certificate.der.is_not(None)
    )
    return session.scalars(query).one_or_none()


def usable_now(session: Session, certificate_id: uuid.UUID, *, at: datetime) -> Certificate:
    """Return a certificate that may be used at `at`, or raise CertificateNotUsable with why.

    Checked are its own status and times, and those of every authority above it.
    """
    certificate = session.get(Certificate, certificate_id, populate_existing=True)
    if certificate is None:
        raise CertificateNotFound(f"no certificate {certificate_id}")
    validity = (certificate.not_before, certificate.not_after)
    require_in_force(certificate.status, validity, _above(session, certificate), at=at)
    return certificate


def _above(session: Session, certificate: Certificate) -> Iterator[Issuer]:
    """Read the authorities above a certificate, one after the other as they are asked for."""
    above = certificate.authority_id
    while above is not None:
        found = session.execute(_STANDING.where(Authority.id == above)).one()
        yield Issuer(found.slug, found.not_before, found.not_after, found.revoked_at)
        above = found.issuer_id
