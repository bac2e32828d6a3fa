"""Reading status from OCSP answers that others give us (RFC 6960 3.2)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from ca import ocsp_messages, path_rules, signature_checks
from ca.crl_checks import reason_word
from ca.parsed_certificates import UNREADABLE, ParsedCertificate, parse
from ca.revocation import RevocationFact, RevocationQuery, RevocationStatus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from ca.algorithm_policy import AlgorithmPolicy

MAX_RESPONSE_BYTES: Final = 256 * 1024
"""An answer has 0.3 to 6 kB with its certificates."""
_HASHES: Final = frozenset({"sha1", "sha256", "sha384", "sha512"})


def status(
    query: RevocationQuery, data: bytes, *, source: str, algorithms: AlgorithmPolicy, legacy: bool
) -> RevocationFact | None:
    """Find the certificate's status in one answer; None when it does not settle it."""
    if len(data) > MAX_RESPONSE_BYTES:
        return None
    try:
        response = ocsp.load_der_ocsp_response(data)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return None
        singles = [single for single in response.responses if _is_about(single, query)]
        signer = _authentic_signer(response, query, algorithms, legacy=legacy) if singles else None
        if signer is None:
            return None
        fact = _fact(max(singles, key=lambda single: single.this_update_utc), query, source)
    except UNREADABLE:
        return None
    good = fact is not None and fact.status is RevocationStatus.GOOD
    if fact is not None and good and signer.certificate.not_valid_after_utc < query.at:
        # Only the answer itself says that it was made before; nothing proves it.
        return replace(fact, status=RevocationStatus.UNKNOWN, signer_expired=True)
    return fact


def next_update(data: bytes) -> tuple[bool, datetime | None]:
    """Say whether bytes are a successful answer, and until when it speaks."""
    try:
        response = ocsp.load_der_ocsp_response(data)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return False, None
        ends = [single.next_update_utc for single in response.responses]
    except UNREADABLE:
        return False, None
    return True, min((end for end in ends if end is not None), default=None)


def _is_about(single: ocsp.OCSPSingleResponse, query: RevocationQuery) -> bool:
    digest = single.hash_algorithm.name
    if single.serial_number != query.certificate.serial_number or digest not in _HASHES:
        return False
    hashes = ocsp_messages.issuer_hashes(query.issuer.certificate, digest=digest)
    return hashes == (single.issuer_name_hash, single.issuer_key_hash)


def _authentic_signer(
    response: ocsp.OCSPResponse,
    query: RevocationQuery,
    algorithms: AlgorithmPolicy,
    *,
    legacy: bool,
) -> ParsedCertificate | None:
    """Find who signed the answer and may; None when nobody did."""
    signed = signature_checks.of_ocsp_response(response)
    name = signed.hash_name
    if not algorithms.hash_allowed(name, at=query.at) and not (legacy and name == "sha1"):
        return None
    return next(
        (
            signer
            for signer in _signers(response, query)
            if signature_checks.is_signed_by(signed, signer.public_key)
        ),
        None,
    )


def _signers(response: ocsp.OCSPResponse, query: RevocationQuery) -> Iterator[ParsedCertificate]:
    """Give the issuer itself, and responders that the issuer has authorised directly.

    RFC 6960 4.2.2.2. A responder's own revocation is not looked up: with nocheck it need not be,
    and without it the answer would be the same issuer's word.
    """
    yield query.issuer
    for certificate in response.certificates:
        try:
            responder = parse(certificate.public_bytes(Encoding.DER))
            signed = signature_checks.of_certificate(responder.certificate)
        except UNREADABLE:
            continue
        produced = response.produced_at_utc
        if (
            responder.issuer == query.issuer.subject
            and path_rules.may_answer_ocsp(responder)
            and responder.certificate.not_valid_before_utc <= produced
            and produced <= responder.certificate.not_valid_after_utc
            and signature_checks.is_signed_by(signed, query.issuer.public_key)
        ):
            yield responder


def _fact(
    single: ocsp.OCSPSingleResponse, query: RevocationQuery, source: str
) -> RevocationFact | None:
    this_update, next_update = single.this_update_utc, single.next_update_utc
    fresh = this_update >= query.at or (next_update is not None and query.at <= next_update)
    if single.certificate_status is ocsp.OCSPCertStatus.GOOD:
        if not fresh:
            return None
        return RevocationFact(RevocationStatus.GOOD, source, this_update, next_update)
    if single.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
        return None
    held = single.revocation_reason is x509.ReasonFlags.certificate_hold
    if held and not fresh:
        return None
    return RevocationFact(
        RevocationStatus.SUSPENDED if held else RevocationStatus.REVOKED,
        source,
        this_update,
        next_update,
        single.revocation_time_utc,
        reason_word(single.revocation_reason or x509.ReasonFlags.unspecified),
    )
