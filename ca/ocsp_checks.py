"""Reading status from OCSP answers that others give us (RFC 6960 3.2)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from ca import ocsp_messages, path_rules, signature_checks
from ca.crl_checks import reason_word
from ca.parsed_certificates import UNREADABLE, ParsedCertificate, parse
from ca.revocation import RevocationFact, RevocationQuery, RevocationStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from ca.algorithm_policy import AlgorithmPolicy
    from ca.signature_checks import SignedBytes

MAX_RESPONSE_BYTES: Final = 256 * 1024
"""An answer has 0.3 to 6 kB with its certificates."""
_UNDERSTOOD: Final = frozenset({x509.OCSPNonce.oid})
_HASHES: Final = frozenset({"sha1", "sha256", "sha384", "sha512"})


@dataclass(frozen=True, slots=True)
class AnswerRules:
    """What answers are judged by: algorithms at the asked time, and which responders fell."""

    algorithms: AlgorithmPolicy
    legacy: bool
    """SHA-1 still counts below this anchor."""
    withdrawn: Callable[[ParsedCertificate], bool] = lambda _: False
    """Whether a responder is known to be revoked itself."""

    def strong(self, signed: SignedBytes, at: datetime) -> bool:
        """Say whether the hash of a signature still counted."""
        name = signed.hash_name
        return self.algorithms.hash_allowed(name, at=at) or (self.legacy and name == "sha1")


def status(
    query: RevocationQuery, data: bytes, *, source: str, rules: AnswerRules
) -> RevocationFact | None:
    """Find the certificate's status in one answer; None when it does not settle it."""
    if len(data) > MAX_RESPONSE_BYTES:
        return None
    try:
        response = ocsp.load_der_ocsp_response(data)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return None
        singles = [single for single in response.responses if _is_about(single, query)]
        plain = singles and not _says_what_we_do_not_know(response)
        signer = _authentic_signer(response, query, rules) if plain else None
        if signer is None:
            return None
        fact = _fact(max(singles, key=_newest_and_worst), query, source)
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


def _newest_and_worst(single: ocsp.OCSPSingleResponse) -> tuple[datetime, bool]:
    """Order what one answer says of a certificate: the newest counts, of two the worse."""
    good = single.certificate_status is ocsp.OCSPCertStatus.GOOD
    return single.this_update_utc, not good


def _says_what_we_do_not_know(response: ocsp.OCSPResponse) -> bool:
    """Tell whether a critical extension is there, of which we understand none (RFC 6960 4.4)."""
    alone = len(list(response.responses)) == 1
    extensions = [*response.extensions, *(response.single_extensions if alone else ())]
    return any(extension.critical and extension.oid not in _UNDERSTOOD for extension in extensions)


def _is_about(single: ocsp.OCSPSingleResponse, query: RevocationQuery) -> bool:
    digest = single.hash_algorithm.name
    if single.serial_number != query.certificate.serial_number or digest not in _HASHES:
        return False
    hashes = ocsp_messages.issuer_hashes(query.issuer.certificate, digest=digest)
    return hashes == (single.issuer_name_hash, single.issuer_key_hash)


def _authentic_signer(
    response: ocsp.OCSPResponse, query: RevocationQuery, rules: AnswerRules
) -> ParsedCertificate | None:
    """Find who signed the answer and may; None when nobody did."""
    signed = signature_checks.of_ocsp_response(response)
    if not rules.strong(signed, query.at):
        return None
    return next(
        (
            signer
            for signer in _signers(response, query, rules)
            if signature_checks.is_signed_by(signed, signer.public_key)
        ),
        None,
    )


def _signers(
    response: ocsp.OCSPResponse, query: RevocationQuery, rules: AnswerRules
) -> Iterator[ParsedCertificate]:
    """Give the issuer itself, and responders that the issuer has authorised directly.

    RFC 6960 4.2.2.2. Nobody is asked about a responder's own revocation: with nocheck it need not
    be. But one that a list at hand names as revoked is believed no more, nocheck or not.
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
            and rules.strong(signed, query.at)
            and signature_checks.is_signed_by(signed, query.issuer.public_key)
            and not rules.withdrawn(responder)
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
