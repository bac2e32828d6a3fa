"""The CMS container of a PAdES or CAdES signature, written from DER templates.

Everything that stays the same from one document to the next (certificates, identifiers, the
signing-certificate-v2 attribute) is encoded once per signer; a document adds its digest, the raw
signature and, at level B-T, a time-stamp token. Sources: RFC 5652 (SignedData), RFC 5035
(signing-certificate-v2), ETSI EN 319 122-1 and EN 319 142-1 (which attributes a baseline
signature holds; the claimed time stands in the PDF dictionary, never in the attributes).
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from pdf import der_writer as der
from pdf.algorithms import (
    SignatureAlgorithm,
    digest_identifier,
    largest_signature,
    require_key_fits,
    signature_identifier,
)
from pdf.errors import CertificateUnsuitable
from pdf.signer import SignerChain
from pdf.statement import STATEMENTS

__all__ = ["CmsTemplate", "SignatureAlgorithm", "template_for"]

_DATA = der.oid("1.2.840.113549.1.7.1")
_SIGNED_DATA = der.oid("1.2.840.113549.1.7.2")
_CONTENT_TYPE = der.oid("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST = der.oid("1.2.840.113549.1.9.4")
_SIGNING_TIME = der.oid("1.2.840.113549.1.9.5")
_SIGNING_CERTIFICATE_V2 = der.oid("1.2.840.113549.1.9.16.2.47")
_SIGNATURE_TIME_STAMP = der.oid("1.2.840.113549.1.9.16.2.14")

# Six elements hold the attributes; the length of each grows by at most two bytes.
_LENGTHS = 12

# context tags of SignedData and SignerInfo, RFC 5652 sections 5.1 and 5.3
_CERTIFICATES = 0xA0
_SIGNED_ATTRIBUTES = 0xA0
_UNSIGNED_ATTRIBUTES = 0xA1
_DIRECTORY_NAME = 0xA4


def _attribute(kind: bytes, value: bytes) -> bytes:
    return der.sequence(kind, der.tlv(der.SET, value))


class CmsTemplate:
    """One signer with one algorithm; gives the attributes to sign and the finished container."""

    def __init__(self, signer: SignerChain, algorithm: SignatureAlgorithm) -> None:
        require_key_fits(signer.public_key, algorithm)
        issuer, serial = signer.issuer_and_serial
        self._digest_algorithm = digest_identifier(algorithm.hash_algorithm)
        self._signature_algorithm = signature_identifier(algorithm)
        self._signer_identifier = der.sequence(issuer, serial)
        self._constant_attributes = (
            _attribute(_CONTENT_TYPE, _DATA),
            _attribute(_SIGNING_CERTIFICATE_V2, _signing_certificate(signer)),
        )
        self._certificates = der.set_of(
            {signer.certificate, *signer.others},
            tag=_CERTIFICATES,
        )
        self._largest_signature = largest_signature(signer.public_key)
        self._rooms: dict[int, int] = {}
        self._hash_size = hashlib.new(algorithm.hash_algorithm).digest_size

    def signed_attributes(
        self,
        document_digest: bytes,
        *,
        signing_time: datetime | None = None,
        stated: Sequence[bytes] = (),
    ) -> bytes:
        """Encode the attributes as the SET that is hashed and signed (RFC 5652 section 5.4).

        `signing_time` is for CAdES, which has no dictionary to hold it (EN 319 122-1 5.2.1);
        `stated` are the attributes of a `Statement`.
        """
        attributes = [*stated, _attribute(_MESSAGE_DIGEST, der.octets(document_digest))]
        if signing_time is not None:
            attributes.append(_attribute(_SIGNING_TIME, der.time(signing_time)))
        return der.set_of((*self._constant_attributes, *attributes))

    def has_signed(
        self, to_be_signed: bytes, document_digest: bytes, *, signing_time: datetime | None = None
    ) -> bool:
        """Say whether these are the attributes of this signer over this document.

        What is stated beside them is the signer's own choice, and taken as it stands.
        """
        if to_be_signed == self.signed_attributes(document_digest, signing_time=signing_time):
            return True
        try:
            members = der.children(to_be_signed)
            stated = [each for each in members if der.children(each)[0] in STATEMENTS]
        except (CertificateUnsuitable, IndexError):
            return False
        again = self.signed_attributes(document_digest, signing_time=signing_time, stated=stated)
        return to_be_signed == again

    def container(
        self, signed_attributes: bytes, signature: bytes, *, tokens: Sequence[bytes] = ()
    ) -> bytes:
        """Encode the ContentInfo: SignedData without content, one signer, perhaps time-stamped."""
        # inside SignerInfo the same SET carries the implicit tag [0]
        attributes = bytes((_SIGNED_ATTRIBUTES,)) + signed_attributes[1:]
        unsigned = (
            der.set_of(
                (_attribute(_SIGNATURE_TIME_STAMP, token) for token in tokens),
                tag=_UNSIGNED_ATTRIBUTES,
            )
            if tokens
            else b""
        )
        signer_info = der.sequence(
            der.integer(1),
            self._signer_identifier,
            self._digest_algorithm,
            attributes,
            self._signature_algorithm,
            der.octets(signature),
            unsigned,
        )
        signed_data = der.sequence(
            der.integer(1),
            der.tlv(der.SET, self._digest_algorithm),
            der.sequence(_DATA),
            self._certificates,
            der.tlv(der.SET, signer_info),
        )
        return der.sequence(_SIGNED_DATA, der.tlv(0xA0, signed_data))

    def room_needed(self, *, timestamp_size: int = 0, stated: Sequence[bytes] = ()) -> int:
        """Say how many bytes the container takes at most, with a token of that many bytes."""
        # outer lengths may take some bytes more when there is more inside
        return self._room(timestamp_size) + (sum(map(len, stated)) + _LENGTHS if stated else 0)

    def _room(self, timestamp_size: int) -> int:
        if timestamp_size not in self._rooms:
            tokens = (bytes(timestamp_size),) if timestamp_size else ()
            attributes = self.signed_attributes(bytes(self._hash_size))
            largest = self.container(attributes, bytes(self._largest_signature), tokens=tokens)
            self._rooms[timestamp_size] = len(largest)
        return self._rooms[timestamp_size]


def _signing_certificate(signer: SignerChain) -> bytes:
    """Encode SigningCertificateV2 with SHA-256, which as the default is left out (RFC 5035)."""
    issuer, serial = signer.issuer_and_serial
    general_names = der.sequence(der.tlv(_DIRECTORY_NAME, issuer))
    identified = der.sequence(
        der.octets(hashlib.sha256(signer.certificate).digest()),
        der.sequence(general_names, serial),
    )
    return der.sequence(der.sequence(identified))


@lru_cache(maxsize=1024)
def template_for(signer: SignerChain, algorithm: SignatureAlgorithm) -> CmsTemplate:
    """Give the template of a signer, built at its first use and kept for the next document."""
    return CmsTemplate(signer, algorithm)
