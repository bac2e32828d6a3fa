"""OCSP requests and answers as bytes (RFC 6960, RFC 5019, nonces of RFC 9654); no database here.

Requests come from anybody, so their size and shape are limited before anything else is done.
Answers are joined from parts that are encoded once for each responder.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from ca import der
from ca.algorithm_identifiers import DIGEST_NAMES, DIGEST_SIZES
from ca.certificate_fields import read_fields
from ca.crl_messages import REASON_CODES
from hsm.errors import HsmError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography import x509

    from ca.authority_signers import AuthoritySigner
    from ca.revocation_reasons import RevocationReason

MAX_REQUEST_BYTES: Final = 4096
"""A request for one certificate has about 110 octets; the rest is for several, or a signature."""
MAX_CERTIFICATES: Final = 20
"""In one request: each costs a look-up, and the answer grows with them."""
NONCE_OCTETS: Final = range(1, 33)
"""RFC 9654 2.1: a nonce outside these bounds is refused as malformed."""
MAX_SERIAL_OCTETS: Final = 20
"""RFC 5280 4.1.2.2."""

_NONCE: Final = "1.3.6.1.5.5.7.48.1.2"
_SUCCESSFUL: Final = der.enumerated(0)
_BASIC: Final = der.object_identifier("1.3.6.1.5.5.7.48.1.1")
_ARCHIVE_CUTOFF: Final = "1.3.6.1.5.5.7.48.1.6"
_EXTENDED_REVOKE: Final = der.extension("1.3.6.1.5.5.7.48.1.9", der.NULL)
_KNOWN_EXTENSIONS: Final = frozenset(
    {_NONCE, "1.3.6.1.5.5.7.48.1.4", "1.3.6.1.5.5.7.48.1.7", "1.3.6.1.5.5.7.48.1.8"}
)


def _failure(status: int) -> bytes:
    return der.sequence(der.enumerated(status))


MALFORMED_REQUEST: Final = _failure(1)
INTERNAL_ERROR: Final = _failure(2)
TRY_LATER: Final = _failure(3)
UNAUTHORIZED: Final = _failure(6)

GOOD: Final = b"\x80\x00"
UNKNOWN: Final = b"\x82\x00"
NEVER_TO_BE_TRUSTED: Final = der.tlv(
    0xA1,
    der.generalized_time(datetime(1970, 1, 1, tzinfo=UTC)) + der.explicit(0, der.enumerated(6)),
)
"""`revoked` for a certificate that was not issued: certificateHold at the beginning of 1970, and
the answer has the extension extendedRevoke (RFC 6960 2.2, 4.4.8)."""


def revoked(at: datetime, reason: RevocationReason | None) -> bytes:
    """Encode CertStatus `revoked`; a suspended certificate is one revoked for certificateHold."""
    code = REASON_CODES[reason] if reason is not None else 0
    named = der.explicit(0, der.enumerated(code)) if code else b""
    return der.tlv(0xA1, der.generalized_time(at) + named)


@dataclass(frozen=True, slots=True)
class CertificateId:
    """CertID (RFC 6960 4.1.1); `encoded` is repeated in the answer as it came."""

    digest: str
    issuer_name_hash: bytes
    issuer_key_hash: bytes
    serial: int
    encoded: bytes

    @property
    def issuer(self) -> tuple[str, bytes, bytes]:
        """What names the issuer, as a key to look it up by."""
        return (self.digest, self.issuer_name_hash, self.issuer_key_hash)


@dataclass(frozen=True, slots=True)
class OcspRequest:
    """What is asked, and the nonce element to be repeated (None without)."""

    certificates: tuple[CertificateId, ...]
    nonce: bytes | None


def parse_request(data: bytes) -> OcspRequest:
    """Read a request; DerError for everything that is to be answered with malformedRequest."""
    if len(data) > MAX_REQUEST_BYTES:
        raise der.DerError("request too long")
    outer = der.children(der.whole(data))
    if not 1 <= len(outer) <= 2:  # noqa: PLR2004 -- TBSRequest and an optional signature
        raise der.DerError("not an OCSPRequest")
    fields = der.children(der.expect(outer[0], der.SEQUENCE))
    nonce = None
    if fields and fields[0].tag == 0xA0:  # noqa: PLR2004 -- version [0] DEFAULT v1
        raise der.DerError("version other than 1, or the default encoded")
    if fields and fields[0].tag == 0xA1:  # noqa: PLR2004 -- requestorName [1]
        fields = fields[1:]
    if len(fields) == 2 and fields[1].tag == 0xA2:  # noqa: PLR2004 -- requestExtensions [2]
        nonce = _nonce(fields.pop())
    if len(fields) != 1:
        raise der.DerError("not a TBSRequest")
    entries = der.children(der.expect(fields[0], der.SEQUENCE))
    if not 1 <= len(entries) <= MAX_CERTIFICATES:
        raise der.DerError("no certificate, or too many")
    return OcspRequest(tuple(_certificate_id(entry) for entry in entries), nonce)


def request_from_path(path: str) -> bytes:
    """Decode the request in the path of a GET (RFC 6960 A.1); what is no base64 gives b""."""
    try:
        return base64.b64decode(unquote_to_bytes(path[: 2 * MAX_REQUEST_BYTES]), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _certificate_id(entry: der.Element) -> CertificateId:
    request = der.children(der.expect(entry, der.SEQUENCE))
    if not 1 <= len(request) <= 2:  # noqa: PLR2004 -- reqCert and optional extensions
        raise der.DerError("not a Request")
    parts = der.children(der.expect(request[0], der.SEQUENCE))
    if len(parts) != 4:  # noqa: PLR2004 -- hashAlgorithm, two hashes, serialNumber
        raise der.DerError("not a CertID")
    algorithm = der.children(der.expect(parts[0], der.SEQUENCE))
    if not 1 <= len(algorithm) <= 2:  # noqa: PLR2004 -- algorithm and optional parameters
        raise der.DerError("not an AlgorithmIdentifier")
    digest = DIGEST_NAMES.get(der.read_object_identifier(algorithm[0]), "unsupported")
    name_hash = der.expect(parts[1], der.OCTET_STRING).content
    key_hash = der.expect(parts[2], der.OCTET_STRING).content
    if digest in DIGEST_SIZES and {len(name_hash), len(key_hash)} != {DIGEST_SIZES[digest]}:
        raise der.DerError("hashes of a wrong length")
    if len(parts[3].content) > MAX_SERIAL_OCTETS + 1:
        raise der.DerError("serial number too long")
    serial = der.read_integer(parts[3])
    return CertificateId(digest, name_hash, key_hash, serial, request[0].encoded)


def _nonce(tagged: der.Element) -> bytes | None:
    parts = der.children(tagged)
    if len(parts) != 1:
        raise der.DerError("not Extensions")
    extensions = der.read_extensions(parts[0])
    for oid, (critical, _) in extensions.items():
        if critical and oid not in _KNOWN_EXTENSIONS:
            raise der.DerError("unknown critical extension")
    if _NONCE not in extensions:
        return None
    value = extensions[_NONCE][1]
    if len(der.whole(value, der.OCTET_STRING).content) not in NONCE_OCTETS:
        raise der.DerError("nonce outside the bounds of RFC 9654")
    return der.extension(_NONCE, value)


@dataclass(frozen=True, slots=True)
class SingleAnswer:
    """The status of one certificate; `certificate_id` and `status` are encoded already."""

    certificate_id: bytes
    status: bytes
    this_update: datetime
    next_update: datetime


class Responder:
    """A delegated responder with the constant parts of its answers encoded once."""

    def __init__(self, signer: AuthoritySigner, issuer: x509.Certificate) -> None:
        self._signer = signer
        key = read_fields(signer.certificate.tbs_certificate_bytes).subject_public_key
        self._name = der.explicit(2, der.octet_string(_sha1(key)))
        self._head = signer.algorithm_identifier
        self._tail = der.explicit(0, der.sequence(signer.certificate_der))
        # RFC 6960 4.4.4: status is kept for as long as the issuer has issued.
        cutoff = der.generalized_time(issuer.not_valid_before_utc)
        self._single_extensions = der.explicit(
            1, der.sequence(der.extension(_ARCHIVE_CUTOFF, cutoff))
        )

    def answer(
        self, answers: Sequence[SingleAnswer], *, produced_at: datetime, nonce: bytes | None = None
    ) -> bytes:
        """Sign an OCSPResponse `successful` with these answers."""
        never = any(answer.status == NEVER_TO_BE_TRUSTED for answer in answers)
        extensions = (nonce or b"") + (_EXTENDED_REVOKE if never else b"")
        singles = (der.sequence(one.certificate_id, self._said(one)) for one in answers)
        to_be_signed = self._data(b"".join(singles), produced_at, extensions)
        return self._response(to_be_signed, self._signer.sign(to_be_signed))

    def answer_each(
        self, certificate_ids: Sequence[bytes], said: SingleAnswer, *, produced_at: datetime
    ) -> list[bytes | HsmError]:
        """Sign an answer for each of these, all saying what `said` says of its own certificate.

        In the place of one that could not be signed stands why.
        """
        extensions = _EXTENDED_REVOKE if said.status == NEVER_TO_BE_TRUSTED else b""
        same = self._said(said)
        data = [
            self._data(der.sequence(identifier, same), produced_at, extensions)
            for identifier in certificate_ids
        ]
        return [
            made if isinstance(made, HsmError) else self._response(to_be_signed, made)
            for to_be_signed, made in zip(data, self._signer.sign_all(data), strict=True)
        ]

    def _said(self, answer: SingleAnswer) -> bytes:
        """Encode what a SingleResponse says after its CertID (RFC 6960 4.2.1)."""
        until = der.explicit(0, _time(answer.next_update))
        return answer.status + _time(answer.this_update) + until + self._single_extensions

    def _data(self, singles: bytes, produced_at: datetime, extensions: bytes) -> bytes:
        """Encode ResponseData (RFC 6960 4.2.1)."""
        return der.sequence(
            self._name,
            _time(produced_at),
            der.tlv(der.SEQUENCE, singles),
            der.explicit(1, der.sequence(extensions)) if extensions else b"",
        )

    def _response(self, to_be_signed: bytes, signature: bytes) -> bytes:
        basic = der.sequence(to_be_signed, self._head, der.bit_string(signature), self._tail)
        response_bytes = der.sequence(_BASIC, der.octet_string(basic))
        return der.sequence(_SUCCESSFUL, der.explicit(0, response_bytes))


@functools.lru_cache(maxsize=16)
def _time(moment: datetime) -> bytes:
    """Encode a time that the answers of one moment share."""
    return der.generalized_time(moment)


def certificate_id(issuer: x509.Certificate, serial: int, *, digest: str = "sha1") -> CertificateId:
    """Build the CertID of a certificate; SHA-1 is what clients ask with unless told otherwise."""
    name_hash, key_hash = issuer_hashes(issuer, digest=digest)
    encoded = certificate_id_of(name_and_key(issuer, digest=digest), serial)
    return CertificateId(digest, name_hash, key_hash, serial, encoded)


def name_and_key(issuer: x509.Certificate, *, digest: str = "sha1") -> bytes:
    """Encode the part of a CertID that all certificates of an issuer share."""
    name_hash, key_hash = issuer_hashes(issuer, digest=digest)
    return _digest_with_null(digest) + der.octet_string(name_hash) + der.octet_string(key_hash)


def certificate_id_of(shared: bytes, serial: int) -> bytes:
    """Encode a CertID from the part that `name_and_key` gives."""
    return der.sequence(shared, der.integer(serial))


def issuer_hashes(issuer: x509.Certificate, *, digest: str) -> tuple[bytes, bytes]:
    """Hash the issuer's name and the bits of its public key (RFC 6960 4.1.1)."""
    fields = read_fields(issuer.tbs_certificate_bytes)
    name = hashlib.new(digest, fields.subject, usedforsecurity=False).digest()
    key = hashlib.new(digest, fields.subject_public_key, usedforsecurity=False).digest()
    return name, key


def _digest_with_null(digest: str) -> bytes:
    oid = {name: oid for oid, name in DIGEST_NAMES.items()}[digest]
    return der.sequence(der.object_identifier(oid), der.NULL)


def _sha1(data: bytes) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()
