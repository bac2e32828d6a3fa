"""What verification needs to know of a certificate, read once from its bytes (RFC 5280).

Uses cryptography's parser and falls back to reading the structure itself for certificates that
are odd but common in old documents. Path validation is not here: that is the validator's.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_der_public_key

from pdf import der, distinguished_names
from pdf.der import BadDer, Node

PublicKey: TypeAlias = PublicKeyTypes
_SUBJECT_KEY_IDENTIFIER = "2.5.29.14"
_CACHE_SIZE = 512
_VERSION, _EXTENSIONS = 0xA0, 0xA3


@dataclass(frozen=True)
class CertificateFacts:
    """One certificate; `encoded` is its DER."""

    encoded: bytes
    issuer: bytes
    subject: bytes
    serial_number: int
    not_before: datetime
    not_after: datetime
    key_info: bytes
    key_identifier: bytes | None

    @cached_property
    def public_key(self) -> PublicKey | None:
        """The public key, None where its kind is not supported."""
        try:
            return load_der_public_key(self.key_info)
        except (ValueError, UnsupportedAlgorithm, TypeError):
            return None

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, hexadecimal."""
        return sha256(self.encoded).hexdigest()

    def subject_text(self) -> str:
        """Give the subject as RFC 4514 writes it."""
        return distinguished_names.written(self.subject)

    def issuer_text(self) -> str:
        """Give the issuer as RFC 4514 writes it."""
        return distinguished_names.written(self.issuer)

    def common_name(self) -> str | None:
        """Give the subject's common name."""
        return distinguished_names.common_name(self.subject)

    def organization(self) -> str | None:
        """Give the subject's organisation."""
        return distinguished_names.organization(self.subject)


@lru_cache(maxsize=_CACHE_SIZE)
def read_certificate(encoded: bytes) -> CertificateFacts:
    """Take a certificate apart; raises BadDer for what is none."""
    fields = der.parse(encoded).expect(der.SEQUENCE, "Certificate").children()[0].children()
    if fields and fields[0].tag == _VERSION:
        fields = fields[1:]
    if len(fields) < 6:  # noqa: PLR2004 (the required fields of RFC 5280 clause 4.1)
        raise BadDer("a certificate lacks required parts")
    validity = fields[3].expect(der.SEQUENCE, "validity").children()
    return CertificateFacts(
        encoded=encoded,
        issuer=fields[2].raw,
        subject=fields[4].raw,
        serial_number=der.integer(fields[0]),
        not_before=der.moment(validity[0]),
        not_after=der.moment(validity[1]),
        key_info=fields[5].raw,
        key_identifier=_key_identifier(fields[6:]),
    )


def _key_identifier(rest: list[Node]) -> bytes | None:
    for node in rest:
        if node.tag != _EXTENSIONS:
            continue
        for extension in node.children()[0].children():
            parts = extension.children()
            if der.oid(parts[0]) == _SUBJECT_KEY_IDENTIFIER:
                return der.parse(parts[-1].value).value
    return None
