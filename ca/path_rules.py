"""The rules of RFC 5280 6.1 for one path, revocation left to `ca.revocation_checks`.

What is wrong is returned as findings in the words of ETSI EN 319 102-1, worst first, because a
report names the reason and path building may go on to another path.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Literal

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from ca import signature_checks
from ca.name_constraints import NameConstraintState, TooManyComparisons
from ca.parsed_certificates import UNREADABLE
from ca.policy_graph import PolicyInputs, policies_hold

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from ca.algorithm_policy import AlgorithmPolicy
    from ca.anchor_terms import AnchorTerms
    from ca.parsed_certificates import ParsedCertificate
    from ca.path_building import Effort, Path

Purpose = Literal["signing", "timestamping", "crl", "any"]


class SubIndication(StrEnum):
    """Sub-indications of ETSI EN 319 102-1 that certificate validation gives."""

    NO_CERTIFICATE_CHAIN_FOUND = "NO_CERTIFICATE_CHAIN_FOUND"
    CERTIFICATE_CHAIN_GENERAL_FAILURE = "CERTIFICATE_CHAIN_GENERAL_FAILURE"
    CHAIN_CONSTRAINTS_FAILURE = "CHAIN_CONSTRAINTS_FAILURE"
    CRYPTO_CONSTRAINTS_FAILURE = "CRYPTO_CONSTRAINTS_FAILURE"
    NO_CERTIFICATE_CHAIN_FOUND_NO_POE = "NO_CERTIFICATE_CHAIN_FOUND_NO_POE"
    CRYPTO_CONSTRAINTS_FAILURE_NO_POE = "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"
    OUT_OF_BOUNDS_NO_POE = "OUT_OF_BOUNDS_NO_POE"
    OUT_OF_BOUNDS_NOT_REVOKED = "OUT_OF_BOUNDS_NOT_REVOKED"
    REVOCATION_OUT_OF_BOUNDS_NO_POE = "REVOCATION_OUT_OF_BOUNDS_NO_POE"
    REVOKED_NO_POE = "REVOKED_NO_POE"
    REVOKED_CA_NO_POE = "REVOKED_CA_NO_POE"
    TRY_LATER = "TRY_LATER"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a path; `code` is stable and fit for a message catalogue."""

    code: str
    sub_indication: SubIndication


@dataclass(frozen=True, slots=True)
class PathInputs:
    """What a path is judged by, beside the path."""

    at: datetime
    purpose: Purpose
    algorithms: AlgorithmPolicy
    policies: PolicyInputs = field(default_factory=PolicyInputs)
    terms: Mapping[bytes, AnchorTerms] = field(default_factory=dict)
    """By fingerprint: anchors that are not trusted always, or not for everything."""


_UNDERSTOOD: Final = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.NAME_CONSTRAINTS,
        ExtensionOID.CERTIFICATE_POLICIES,
        ExtensionOID.POLICY_MAPPINGS,
        ExtensionOID.POLICY_CONSTRAINTS,
        ExtensionOID.INHIBIT_ANY_POLICY,
        ExtensionOID.CRL_DISTRIBUTION_POINTS,
        ExtensionOID.FRESHEST_CRL,
        ExtensionOID.AUTHORITY_INFORMATION_ACCESS,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.OCSP_NO_CHECK,
        x509.ObjectIdentifier("1.3.6.1.5.5.7.1.3"),  # QCStatements: they limit, and are shown
    }
)
_OTHER_TRADES: Final = frozenset(
    {
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.TIME_STAMPING,
        ExtendedKeyUsageOID.OCSP_SIGNING,
    }
)
"""A certificate made only for these does not sign documents."""


def findings(path: Path, inputs: PathInputs, effort: Effort) -> list[Finding]:
    """List what is wrong with a path given from the anchor down; nothing means it holds.

    Raises EffortExceeded when the time of the validation is over.
    """
    try:
        found = [
            *_anchor(path, inputs),
            *_walk(path, inputs, effort),
            *_purpose(path[-1], inputs.purpose),
        ]
        if len(path) > 1 and not policies_hold(path[1:], inputs.policies):
            found.append(_constraint("policy_not_accepted"))
    except TooManyComparisons:
        return [
            Finding("name_constraints_too_many", SubIndication.CERTIFICATE_CHAIN_GENERAL_FAILURE)
        ]
    except UNREADABLE:
        return [Finding("chain_unreadable", SubIndication.CERTIFICATE_CHAIN_GENERAL_FAILURE)]
    return sorted(found, key=lambda finding: _RANK.index(finding.sub_indication))


_RANK: Final = (
    SubIndication.NO_CERTIFICATE_CHAIN_FOUND,
    SubIndication.CERTIFICATE_CHAIN_GENERAL_FAILURE,
    SubIndication.CHAIN_CONSTRAINTS_FAILURE,
    SubIndication.CRYPTO_CONSTRAINTS_FAILURE,
    SubIndication.NO_CERTIFICATE_CHAIN_FOUND_NO_POE,
    SubIndication.REVOKED_CA_NO_POE,
    SubIndication.REVOKED_NO_POE,
    SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE,
    SubIndication.OUT_OF_BOUNDS_NO_POE,
    SubIndication.OUT_OF_BOUNDS_NOT_REVOKED,
    SubIndication.REVOCATION_OUT_OF_BOUNDS_NO_POE,
    SubIndication.TRY_LATER,
)


def rank(finding: Finding) -> int:
    """Order findings: the smaller, the harder to mend."""
    return _RANK.index(finding.sub_indication)


def warnings(path: Path, inputs: PathInputs) -> list[str]:
    """List codes of what is let through but worth saying."""
    found = []
    anchor = path[0]
    if not _in_time(anchor, inputs.at):
        found.append("anchor_outside_validity")
    if _legacy(path, inputs) and any(_hash_name(link) == "sha1" for link in path[1:]):
        found.append("sha1_accepted_for_legacy_anchor")
    usage = path[-1].extensions.get(ExtensionOID.EXTENDED_KEY_USAGE)
    if inputs.purpose == "timestamping" and usage is not None and not usage.critical:
        found.append("timestamping_usage_not_critical")
    return found


def _anchor(path: Path, inputs: PathInputs) -> Iterator[Finding]:
    """Say whether the anchor is trusted for that purpose at that time.

    A list may name a service that is no authority, which then vouches for nobody but itself.
    """
    anchor = path[0]
    terms = inputs.terms.get(anchor.fingerprint)
    if terms is None:
        return
    if len(path) > 1 and anchor.extensions:
        yield from _may_certify(anchor)
    periods = terms.of(inputs.purpose)
    if not periods:
        yield Finding("anchor_not_for_purpose", SubIndication.NO_CERTIFICATE_CHAIN_FOUND)
    elif not any(period.includes(inputs.at) for period in periods):
        yield Finding("anchor_trusted_then", SubIndication.NO_CERTIFICATE_CHAIN_FOUND_NO_POE)


def _walk(path: Path, inputs: PathInputs, effort: Effort) -> Iterator[Finding]:
    names = NameConstraintState().narrowed(path[0])
    room = _path_length(path[0], len(path))
    for position, link in enumerate(path[1:], start=1):
        effort.look_at_clock()
        last = position == len(path) - 1
        yield from _basics(link, inputs, legacy=_legacy(path, inputs), last=last)
        if (last or not link.self_issued) and not names.allows(link):
            yield _constraint("name_not_permitted")
        if last:
            return
        yield from _may_certify(link)
        if not link.self_issued:
            if room <= 0:
                yield _constraint("path_too_long")
            room -= 1
        room = min(room, _path_length(link, len(path)))
        names = names.narrowed(link)


def _basics(
    link: ParsedCertificate, inputs: PathInputs, *, legacy: bool, last: bool
) -> Iterator[Finding]:
    at = inputs.at.replace(microsecond=0)  # as fine as validity is written (RFC 5280 4.1.2.5)
    if at < link.certificate.not_valid_before_utc:
        yield Finding(
            "certificate_not_yet_valid" if last else "ca_not_yet_valid",
            SubIndication.OUT_OF_BOUNDS_NO_POE,
        )
    if at > link.certificate.not_valid_after_utc:
        yield Finding(
            "certificate_expired" if last else "ca_expired", SubIndication.OUT_OF_BOUNDS_NO_POE
        )
    name = _hash_name(link)
    allowed = inputs.algorithms.hash_allowed(name, at=inputs.at) or (legacy and name == "sha1")
    if not allowed or not inputs.algorithms.key_allowed(link.public_key, at=inputs.at):
        once = inputs.algorithms.hash_known(name) and inputs.algorithms.key_known(link.public_key)
        word = (
            SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE
            if once
            else SubIndication.CRYPTO_CONSTRAINTS_FAILURE
        )
        yield Finding("algorithm_too_weak", word)
    for extension in link.extensions.values():
        if _is_unknown(extension):
            yield _constraint("critical_extension_unknown")


def _may_certify(link: ParsedCertificate) -> Iterator[Finding]:
    """RFC 5280 6.1.4 (k), (l), (n)."""
    constraints = link.extension(x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        yield _constraint("issuer_is_no_ca")
    usage = link.extension(x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        yield _constraint("issuer_may_not_certify")


def _purpose(target: ParsedCertificate, purpose: Purpose) -> Iterator[Finding]:
    usage = target.extension(x509.KeyUsage)
    if purpose in {"signing", "timestamping"} and not (
        usage is None or usage.digital_signature or usage.content_commitment
    ):
        yield _constraint("key_usage_not_for_signing")
    if purpose == "crl" and not target.may_sign_crls:
        yield _constraint("key_usage_not_for_crl")
    extended = target.extension(x509.ExtendedKeyUsage)
    purposes = set(extended) if extended is not None else set()
    if purpose == "timestamping" and ExtendedKeyUsageOID.TIME_STAMPING not in purposes:
        yield _constraint("extended_key_usage_not_for_timestamping")
    if purpose == "signing" and purposes and purposes <= _OTHER_TRADES:
        yield _constraint("extended_key_usage_not_for_signing")


def may_answer_ocsp(responder: ParsedCertificate) -> bool:
    """Say whether a certificate is one of a delegated OCSP responder (RFC 6960 4.2.2.2)."""
    extended = responder.extension(x509.ExtendedKeyUsage)
    usage = responder.extension(x509.KeyUsage)
    return (
        extended is not None
        and ExtendedKeyUsageOID.OCSP_SIGNING in set(extended)
        and (usage is None or usage.digital_signature or usage.content_commitment)
        and not any(_is_unknown(one) for one in responder.extensions.values())
    )


def _is_unknown(extension: x509.Extension[x509.ExtensionType]) -> bool:
    return extension.critical and extension.oid not in _UNDERSTOOD


def _constraint(code: str) -> Finding:
    return Finding(code, SubIndication.CHAIN_CONSTRAINTS_FAILURE)


def _legacy(path: Path, inputs: PathInputs) -> bool:
    return inputs.algorithms.is_legacy(path[0].fingerprint, at=inputs.at)


def _in_time(link: ParsedCertificate, at: datetime) -> bool:
    certificate = link.certificate
    return certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc


def _hash_name(link: ParsedCertificate) -> str | None:
    try:
        return signature_checks.of_certificate(link.certificate).hash_name
    except ValueError:
        return "unknown"


def _path_length(link: ParsedCertificate, otherwise: int) -> int:
    constraints = link.extension(x509.BasicConstraints)
    if constraints is None or constraints.path_length is None:
        return otherwise
    return constraints.path_length
