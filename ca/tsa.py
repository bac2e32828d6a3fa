"""Our time-stamp authority (RFC 3161 with the signing-certificate attribute of RFC 5816).

A token is joined from parts that are encoded once; what remains is one hash and one signature.
Nothing is stored: a time-stamp lives in the document that it belongs to.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Final

from ca import der
from ca import tsa_messages as messages
from ca.algorithm_identifiers import digest_identifier
from ca.certificate_fields import issuer_of
from ca.errors import AuthorityUnavailable, ClockUntrusted, TimestampRequestInvalid
from ca.tsa_messages import TimestampRequest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ca.authority_signers import AuthoritySigner
    from ca.clock_guard import ClockGuard

DEFAULT_POLICY: Final = "0.4.0.2023.1.1"
"""Best-practices time-stamp policy, `baseline-ts-policy` of ETSI EN 319 421 5.2."""

_SERIAL_OCTETS: Final = 16
"""Random bits make serial numbers unique without asking a database (RFC 3161 2.4.2: up to 160)."""
_CONTENT_TYPE: Final = der.object_identifier("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST: Final = der.object_identifier("1.2.840.113549.1.9.4")
_SIGNING_CERTIFICATE_V2: Final = der.object_identifier("1.2.840.113549.1.9.16.2.47")
_TST_INFO: Final = der.object_identifier("1.2.840.113549.1.9.16.1.4")
_SIGNED_DATA: Final = der.object_identifier("1.2.840.113549.1.7.2")
_VERSION_1: Final = der.integer(1)
_VERSION_3: Final = der.integer(3)


class TimeStampAuthority:
    """Signs time-stamps with one key; threads may share it."""

    def __init__(
        self,
        signer: AuthoritySigner,
        *,
        policies: Sequence[str] = (DEFAULT_POLICY,),
        accuracy_seconds: int = 1,
        others: Sequence[bytes] = (),
        guard: ClockGuard | None = None,
    ) -> None:
        """Take the opened TSA key.

        `policies` are those that a request may name; the first is used where it names none.
        `accuracy_seconds` is how far the clock may be off. `others` are the DER certificates above
        the TSA's, put into tokens beside it so that they can be verified for years.
        `guard` stops the authority when its clock was moved.
        """
        self._guard = guard
        self._signer = signer
        self._policy = policies[0]
        self._tst_heads = {each: _VERSION_1 + der.object_identifier(each) for each in policies}
        self._accuracy = der.sequence(der.integer(accuracy_seconds))
        self._digest = digest_identifier(signer.digest)
        self._certificates = der.tlv(0xA0, b"".join(sorted({signer.certificate_der, *others})))
        self._fixed_attributes = (
            der.sequence(_CONTENT_TYPE, der.set_of([_TST_INFO])),
            der.sequence(_SIGNING_CERTIFICATE_V2, der.set_of([_signing_certificate(signer)])),
        )
        self._signer_head = _VERSION_1 + _issuer_and_serial(signer) + self._digest

    def reply(self, request: bytes, *, at: datetime) -> bytes:
        """Answer a TimeStampReq with a TimeStampResp, whatever the bytes; never raises for them."""
        try:
            asked = messages.parse_request(request)
            if asked.policy is not None and asked.policy not in self._tst_heads:
                offered = ", ".join(self._tst_heads)
                return messages.refused("unacceptedPolicy", f"the policies here are {offered}")
            return messages.granted(self._token(asked, at))
        except TimestampRequestInvalid as error:
            return messages.refused(error.failure, str(error))
        except ClockUntrusted:
            return messages.refused("timeNotAvailable", "the clock is not to be trusted now")
        except AuthorityUnavailable:
            return messages.refused("systemFailure", "the time-stamp key cannot be used now")

    def token(self, digest: bytes, hash_algorithm: str, *, at: datetime) -> bytes:
        """Time-stamp a digest within this process; a TimeStampToken with certificates.

        TimestampRequestInvalid for another hash than SHA-256, SHA-384 or SHA-512.
        """
        name = hash_algorithm.lower().replace("-", "")
        if name not in messages.ACCEPTED_DIGESTS:
            raise TimestampRequestInvalid("badAlg", hash_algorithm)
        if len(digest) != hashlib.new(name).digest_size:
            raise TimestampRequestInvalid("badDataFormat", "hash of a wrong length")
        imprint = der.sequence(digest_identifier(name), der.octet_string(digest))
        asked = TimestampRequest(name, imprint, None, nonce=b"", certificate_wanted=True)
        return self._token(asked, at)

    def _token(self, asked: TimestampRequest, at: datetime) -> bytes:
        if self._guard is not None:
            self._guard.require(at)
        certificate = self._signer.certificate
        if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
            raise AuthorityUnavailable("the time-stamp certificate is not valid at this time")
        info = der.sequence(
            self._tst_heads[asked.policy or self._policy],
            asked.imprint,
            der.integer(secrets.randbits(8 * _SERIAL_OCTETS - 1) | 1 << 8 * _SERIAL_OCTETS - 2),
            der.generalized_time(at),
            self._accuracy,
            asked.nonce,
        )
        signed_data = der.sequence(
            _VERSION_3,
            der.set_of([self._digest]),
            der.sequence(_TST_INFO, der.explicit(0, der.octet_string(info))),
            self._certificates if asked.certificate_wanted else b"",
            der.set_of([self._signer_info(info)]),
        )
        return der.sequence(_SIGNED_DATA, der.explicit(0, signed_data))

    def _signer_info(self, info: bytes) -> bytes:
        digest = hashlib.new(self._signer.digest, info).digest()
        said = der.sequence(_MESSAGE_DIGEST, der.set_of([der.octet_string(digest)]))
        attributes = der.set_of([*self._fixed_attributes, said])
        signature = self._signer.sign(attributes)
        return der.sequence(
            self._signer_head,
            b"\xa0" + attributes[1:],  # RFC 5652 5.4: signed as SET, carried as [0]
            self._signer.algorithm_identifier,
            der.octet_string(signature),
        )


def _issuer_and_serial(signer: AuthoritySigner) -> bytes:
    certificate = signer.certificate
    return der.sequence(issuer_of(certificate).encoded, der.integer(certificate.serial_number))


def _signing_certificate(signer: AuthoritySigner) -> bytes:
    """Encode SigningCertificateV2 with SHA-256, its default hash (RFC 5035 3)."""
    certificate = signer.certificate
    issuer = der.sequence(der.explicit(4, issuer_of(certificate).encoded))
    issuer_serial = der.sequence(issuer, der.integer(certificate.serial_number))
    digest = hashlib.sha256(signer.certificate_der).digest()
    return der.sequence(der.sequence(der.sequence(der.octet_string(digest), issuer_serial)))
