"""Time-stamp requests and answers as bytes (RFC 3161, RFC 5816), without keys or clocks.

A request comes from anybody: it is read strictly and refused with the failure info that RFC 3161
2.4.2 has for the case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ca import der
from ca.algorithm_identifiers import DIGEST_NAMES, DIGEST_SIZES
from ca.errors import TimestampRequestInvalid

MAX_REQUEST_BYTES: Final = 4096
"""A request has 60 to 120 octets."""
MAX_NONCE_OCTETS: Final = 64
"""Clients send 8 to 20 octets; the nonce is copied into the token, which must not grow."""
ACCEPTED_DIGESTS: Final = frozenset({"sha256", "sha384", "sha512"})
"""SHA-1 is refused: a new time-stamp must outlast it (ETSI TS 119 312)."""

_FAILURE_BITS: Final = {
    "badAlg": 0,
    "badRequest": 2,
    "badDataFormat": 5,
    "timeNotAvailable": 14,
    "unacceptedPolicy": 15,
    "unacceptedExtension": 16,
    "addInfoNotAvailable": 17,
    "systemFailure": 25,
}
_GRANTED: Final = der.sequence(der.integer(0))
_REJECTED: Final = der.integer(2)
_FIELDS: Final = range(2, 7)


@dataclass(frozen=True, slots=True)
class TimestampRequest:
    """A request that can be granted; `imprint` and `nonce` are the encoded elements."""

    digest_name: str
    imprint: bytes
    policy: str | None
    nonce: bytes
    certificate_wanted: bool


def parse_request(data: bytes) -> TimestampRequest:
    """Read a TimeStampReq; TimestampRequestInvalid names the failure of RFC 3161."""
    if len(data) > MAX_REQUEST_BYTES:
        raise TimestampRequestInvalid("badRequest", "too long")
    try:
        return _parse(data)
    except der.DerError as error:
        raise TimestampRequestInvalid("badDataFormat", str(error)) from error


def _parse(data: bytes) -> TimestampRequest:
    fields = der.children(der.whole(data))
    if len(fields) not in _FIELDS:
        raise der.DerError("not a TimeStampReq")
    if der.read_integer(fields.pop(0)) != 1:
        raise TimestampRequestInvalid("badRequest", "version is not 1")
    imprint = fields.pop(0)
    digest_name = _check_imprint(imprint)
    policy, nonce, certificate_wanted = None, b"", False
    if fields and fields[0].tag == der.OBJECT_IDENTIFIER:
        policy = der.read_object_identifier(fields.pop(0))
    if fields and fields[0].tag == der.INTEGER:
        nonce = _check_nonce(fields.pop(0))
    if fields and fields[0].tag == der.BOOLEAN:
        certificate_wanted = der.read_boolean(fields.pop(0))
    if fields and fields[0].tag == 0xA0:  # noqa: PLR2004 -- extensions [0] IMPLICIT
        # RFC 3161 2.4.1: any extension that is not recognised refuses the request.
        raise TimestampRequestInvalid("unacceptedExtension")
    if fields:
        raise der.DerError("fields that do not belong there")
    return TimestampRequest(digest_name, imprint.encoded, policy, nonce, certificate_wanted)


def _check_imprint(imprint: der.Element) -> str:
    parts = der.children(der.expect(imprint, der.SEQUENCE))
    if len(parts) != 2:  # noqa: PLR2004 -- hashAlgorithm, hashedMessage
        raise der.DerError("not a MessageImprint")
    algorithm = der.children(der.expect(parts[0], der.SEQUENCE))
    if not algorithm or [part.encoded for part in algorithm[1:]] not in ([], [der.NULL]):
        raise der.DerError("hash algorithm with parameters")
    digest_name = DIGEST_NAMES.get(der.read_object_identifier(algorithm[0]), "")
    if digest_name not in ACCEPTED_DIGESTS:
        raise TimestampRequestInvalid("badAlg", "hash algorithm")
    if len(der.expect(parts[1], der.OCTET_STRING).content) != DIGEST_SIZES[digest_name]:
        raise der.DerError("hash of a wrong length")
    return digest_name


def _check_nonce(nonce: der.Element) -> bytes:
    der.read_integer(nonce)
    if len(nonce.content) > MAX_NONCE_OCTETS:
        raise TimestampRequestInvalid("badRequest", "nonce too long")
    return nonce.encoded


def granted(token: bytes) -> bytes:
    """Wrap a TimeStampToken into a TimeStampResp."""
    return der.sequence(_GRANTED, token)


def refused(failure: str, text: str = "") -> bytes:
    """Build the TimeStampResp that refuses, with its PKIFailureInfo bit and a text for people."""
    bit = _FAILURE_BITS[failure]
    octets = bytes(bit // 8) + bytes((0x80 >> bit % 8,))
    unused = 7 - bit % 8
    said = der.sequence(der.tlv(0x0C, text.encode())) if text else b""
    info = der.tlv(der.BIT_STRING, bytes((unused,)) + octets)
    return der.sequence(der.sequence(_REJECTED, said, info))
