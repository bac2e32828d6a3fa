"""The fields of a certificate as they were encoded, and names in the form that is compared.

Hashes of OCSP go over the encoded name and key, so neither may be encoded anew; and names are
compared here without the opinions of a parser on how long a country code should be.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Final

from ca import der

CanonicalName = tuple[frozenset[tuple[str, str | bytes]], ...]
"""A distinguished name in the form in which two equal names are equal (RFC 5280 7.1)."""

_VERSION: Final = 0xA0
_MIN_FIELDS: Final = 6
_ENCODINGS: Final = {
    0x0C: "utf-8",  # UTF8String
    0x12: "ascii",  # NumericString
    0x13: "ascii",  # PrintableString
    0x14: "latin-1",  # TeletexString, as everybody reads it
    0x16: "ascii",  # IA5String
    0x1A: "ascii",  # VisibleString
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}


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


def canonical_name(name: bytes) -> CanonicalName:
    """Fold case, width and white space of every attribute of a DER Name (RFC 5280 7.1)."""
    return tuple(_canonical_part(part) for part in der.children(der.whole(name)))


def _canonical_part(part: der.Element) -> frozenset[tuple[str, str | bytes]]:
    attributes = [der.children(one) for one in der.children(der.expect(part, der.SET))]
    if not all(len(attribute) == 2 for attribute in attributes):  # noqa: PLR2004 -- type and value
        raise der.DerError("not a RelativeDistinguishedName")
    return frozenset(
        (der.read_object_identifier(kind), _folded(value)) for kind, value in attributes
    )


def _folded(value: der.Element) -> str | bytes:
    encoding = _ENCODINGS.get(value.tag)
    if encoding is None:
        return value.encoded
    try:
        text = value.content.decode(encoding)
    except UnicodeDecodeError:
        return value.encoded
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(text.casefold().split())
