"""The fields of a certificate as they were encoded, and names in the form that is compared.

Hashes of OCSP go over the encoded name and key, so neither may be encoded anew; and names are
compared here without the opinions of a parser on how long a country code should be.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ca import der, distinguished_names

if TYPE_CHECKING:
    from cryptography import x509

    from ca.distinguished_names import DistinguishedName

CanonicalName = tuple[frozenset[tuple[str, str | bytes]], ...]
"""A distinguished name in the form in which two equal names are equal (RFC 5280 7.1)."""

_VERSION: Final = 0xA0
_MIN_FIELDS: Final = 6


@dataclass(frozen=True, slots=True)
class CertificateFields:
    """Fields of TBSCertificate (RFC 5280 4.1); names and key are DER."""

    serial_number: int
    algorithm: der.Element
    """The signature algorithm as it stands among what is signed."""
    issuer: bytes
    subject: bytes
    subject_public_key_info: bytes

    @property
    def subject_public_key(self) -> bytes:
        """The bits of subjectPublicKey: what OCSP and key identifiers hash (RFC 6960 4.1.1)."""
        return der.children(der.whole(self.subject_public_key_info))[1].content[1:]


def read_fields(to_be_signed: bytes) -> CertificateFields:
    """Read the fields of a TBSCertificate; DerError for anything else."""
    fields = der.children(der.whole(to_be_signed))
    if fields and fields[0].tag == _VERSION:
        fields = fields[1:]
    if len(fields) < _MIN_FIELDS:
        raise der.DerError("not a TBSCertificate")
    serial_number, algorithm, issuer, _, subject, key = fields[:_MIN_FIELDS]
    number = der.read_integer(serial_number)
    return CertificateFields(number, algorithm, issuer.encoded, subject.encoded, key.encoded)


def subject_of(certificate: x509.Certificate) -> DistinguishedName:
    """Read whom a certificate is about."""
    return distinguished_names.read(read_fields(certificate.tbs_certificate_bytes).subject)


def issuer_of(certificate: x509.Certificate) -> DistinguishedName:
    """Read who made a certificate."""
    return distinguished_names.read(read_fields(certificate.tbs_certificate_bytes).issuer)


def canonical_name(name: bytes) -> CanonicalName:
    """Fold case, width and white space of every attribute of a DER Name (RFC 5280 7.1)."""
    return tuple(_canonical_part(part) for part in der.children(der.whole(name)))


def _canonical_part(part: der.Element) -> frozenset[tuple[str, str | bytes]]:
    return frozenset(
        (der.read_object_identifier(kind), _folded(value))
        for kind, value in distinguished_names.members(part)
    )


def _folded(value: der.Element) -> str | bytes:
    text = distinguished_names.text_of(value)
    if text is None:
        return value.encoded
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(text.casefold().split())
