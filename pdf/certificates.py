"""What verification needs to know of a certificate, read once from its bytes (RFC 5280).

Uses cryptography's parser and falls back to reading the structure itself for certificates that
are odd but common in old documents. Path validation is not here: that is the validator's.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import TypeAlias

from asn1crypto import x509 as asn1_x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_der_public_key

from pdf import der
from pdf.der import BadDer, Node

PublicKey: TypeAlias = PublicKeyTypes
_SUBJECT_KEY_IDENTIFIER = "2.5.29.14"
_CACHE_SIZE = 512
_VERSION, _EXTENSIONS = 0xA0, 0xA3
_COMMON_NAME, _ORGANIZATION = "2.5.4.3", "2.5.4.10"


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
        """Give the subject in words."""
        return _words(self.subject)

    def issuer_text(self) -> str:
        """Give the issuer in words."""
        return _words(self.issuer)

    def common_name(self) -> str | None:
        """Give the subject's common name."""
        return _attribute(self.subject, _COMMON_NAME)

    def organization(self) -> str | None:
        """Give the subject's organisation."""
        return _attribute(self.subject, _ORGANIZATION)


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


@lru_cache(maxsize=_CACHE_SIZE)
def _words(name: bytes) -> str:
    try:
        return str(asn1_x509.Name.load(name).human_friendly)
    except (ValueError, TypeError, KeyError, RecursionError):
        return name.hex()


@lru_cache(maxsize=_CACHE_SIZE)
def _attribute(name: bytes, wanted: str) -> str | None:
    try:
        for relative in der.parse(name).children():
            for pair in relative.children():
                kind, value = pair.children()
                if der.oid(kind) == wanted:
                    return _text(value)
    except (BadDer, ValueError):
        pass
    return None


def _text(node: Node) -> str:
    encodings = {0x1E: "utf-16-be", 0x1C: "utf-32-be", 0x14: "latin-1"}
    return node.value.decode(encodings.get(node.tag, "utf-8"), errors="replace")
