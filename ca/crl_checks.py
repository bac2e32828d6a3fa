"""Reading status from CRLs that others give us (RFC 5280 6.3.3).

Complete, partitioned (issuing distribution point), indirect and delta CRLs. A CRL counts only when
its signer may sign for the certificate's issuer; who that is, the caller's `trusts` decides by
validating the signer's own path.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.x509.oid import CRLEntryExtensionOID

from ca import der
from ca.certificate_fields import canonical_name
from ca.loaded_crls import LoadedCrl, load
from ca.parsed_certificates import UNREADABLE
from ca.revocation import RevocationFact, RevocationStatus

__all__ = ["CrlCheck", "LoadedCrl", "load", "names_crl_issuer", "reason_word", "status"]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from ca.algorithm_policy import AlgorithmPolicy
    from ca.certificate_fields import CanonicalName
    from ca.parsed_certificates import ParsedCertificate

_MAX_POINTS: Final = 64
"""Distribution points of one certificate that are looked at; honest ones have one to five."""
_MAX_INDIRECT: Final = 50_000
"""Entries of an indirect list that are read one by one: about a second."""
_ALL_REASONS: Final = frozenset(x509.ReasonFlags) - {
    x509.ReasonFlags.unspecified,
    x509.ReasonFlags.remove_from_crl,
}
_ENTRY_UNDERSTOOD: Final = frozenset(
    {
        CRLEntryExtensionOID.CRL_REASON,
        CRLEntryExtensionOID.INVALIDITY_DATE,
        CRLEntryExtensionOID.CERTIFICATE_ISSUER,
    }
)


@dataclass(frozen=True, slots=True)
class CrlCheck:
    """One certificate to be looked up; `trusts(crl)` finds and checks the CRL's signer."""

    certificate: ParsedCertificate
    issuer: ParsedCertificate
    at: datetime
    algorithms: AlgorithmPolicy
    legacy: bool
    trusts: Callable[[LoadedCrl], bool]


def status(check: CrlCheck, crls: Iterable[LoadedCrl], *, source: str) -> RevocationFact | None:
    """Find the status of a certificate; None when these CRLs do not settle it, or break off."""
    try:
        return _status(check, crls, source=source)
    except UNREADABLE:
        return None


def _status(check: CrlCheck, crls: Iterable[LoadedCrl], *, source: str) -> RevocationFact | None:
    usable = [crl for crl in crls if crl.usable and _strong(crl, check)]
    complete = [crl for crl in usable if crl.base_number is None]
    deltas = [crl for crl in usable if crl.base_number is not None]
    covered: frozenset[x509.ReasonFlags] = frozenset()
    newest: LoadedCrl | None = None
    for point in _points(check.certificate):
        for crl in sorted(complete, key=lambda one: one.crl.last_update_utc, reverse=True):
            reasons = _reasons(crl, point)
            if not reasons - covered or not _in_scope(crl, point, check):
                continue
            if not check.trusts(crl):
                continue
            found = _entry_fact(crl, _delta_of(crl, deltas, check), check, source)
            if found is not None:
                return found
            if _speaks(crl, deltas, check):
                covered |= reasons
                newest = newest or crl
    if newest is None or not covered >= _ALL_REASONS:
        return None
    return RevocationFact(
        RevocationStatus.GOOD, source, newest.crl.last_update_utc, newest.crl.next_update_utc
    )


def _strong(crl: LoadedCrl, check: CrlCheck) -> bool:
    if crl.signed is None:
        return False
    name = crl.signed.hash_name
    return check.algorithms.hash_allowed(name, at=check.at) or (check.legacy and name == "sha1")


def _points(certificate: ParsedCertificate) -> Sequence[x509.DistributionPoint | None]:
    """List the certificate's distribution points, and None for the issuer's complete CRL."""
    found = certificate.extension(x509.CRLDistributionPoints)
    return [*tuple(found or ())[:_MAX_POINTS], None]


def _reasons(crl: LoadedCrl, point: x509.DistributionPoint | None) -> frozenset[x509.ReasonFlags]:
    reasons = _ALL_REASONS
    if point is not None and point.reasons is not None:
        reasons &= point.reasons
    if crl.scope is not None and crl.scope.only_some_reasons is not None:
        reasons &= crl.scope.only_some_reasons
    return reasons


def _in_scope(crl: LoadedCrl, point: x509.DistributionPoint | None, check: CrlCheck) -> bool:
    """RFC 5280 6.3.3 (b)."""
    issuers = _directory_names(point.crl_issuer if point is not None else None)
    if issuers:
        if crl.issuer not in issuers or not crl.indirect:
            return False
    elif crl.issuer != check.certificate.issuer:
        return False
    scope = crl.scope
    if scope is None:
        return True
    constraints = check.certificate.extension(x509.BasicConstraints)
    is_ca = constraints is not None and constraints.ca
    if scope.only_contains_attribute_certs:
        return False
    if (scope.only_contains_user_certs and is_ca) or (scope.only_contains_ca_certs and not is_ca):
        return False
    return _names_point(scope, point, crl.issuer)


def _names_point(
    scope: x509.IssuingDistributionPoint,
    point: x509.DistributionPoint | None,
    crl_issuer: CanonicalName,
) -> bool:
    ours = _point_names(scope.full_name, scope.relative_name, crl_issuer)
    if not ours:
        return True
    if point is None:
        return False
    theirs = _point_names(point.full_name, point.relative_name, crl_issuer)
    if not theirs:
        theirs = _point_names(point.crl_issuer, None, crl_issuer)
    return bool(ours & theirs)


def _point_names(
    full_name: Sequence[x509.GeneralName] | None,
    relative_name: x509.RelativeDistinguishedName | None,
    crl_issuer: CanonicalName,
) -> set[object]:
    found: set[object] = set()
    for name in full_name or ():
        if isinstance(name, x509.DirectoryName):
            found.add(canonical_name(name.value.public_bytes()))
        else:
            found.add((type(name), name.value))
    if relative_name is not None:
        found.add((*crl_issuer, *canonical_name(x509.Name([relative_name]).public_bytes())))
    return found


def names_crl_issuer(certificate: ParsedCertificate, issuer: CanonicalName) -> bool:
    """Say whether a certificate itself names that CRL issuer in a distribution point."""
    return any(
        point is not None and issuer in _directory_names(point.crl_issuer)
        for point in _points(certificate)
    )


def _directory_names(names: Sequence[x509.GeneralName] | None) -> set[CanonicalName]:
    return {
        canonical_name(name.value.public_bytes())
        for name in names or ()
        if isinstance(name, x509.DirectoryName)
    }


def _delta_of(crl: LoadedCrl, deltas: Sequence[LoadedCrl], check: CrlCheck) -> LoadedCrl | None:
    """Find the newest delta that goes with a complete CRL (RFC 5280 5.2.4)."""
    fitting = [
        delta
        for delta in deltas
        if crl.number is not None
        and delta.number is not None
        and delta.base_number is not None
        and delta.base_number <= crl.number < delta.number
        and delta.issuer == crl.issuer
        and delta.scope == crl.scope
        and check.trusts(delta)
    ]
    return max(fitting, key=lambda delta: delta.number or 0, default=None)


def _speaks(crl: LoadedCrl, deltas: Sequence[LoadedCrl], check: CrlCheck) -> bool:
    """Say whether the CRL, or the delta that brings it up to date, is fresh enough."""
    delta = _delta_of(crl, deltas, check)
    return crl.fresh(check.at) or (delta is not None and delta.fresh(check.at))


def _entry_fact(
    crl: LoadedCrl, delta: LoadedCrl | None, check: CrlCheck, source: str
) -> RevocationFact | None:
    entry = _entry(delta, check) if delta is not None else None
    said_by = delta if entry is not None and delta is not None else crl
    entry = entry or _entry(crl, check)
    if entry is None:
        return None
    reason = _reason(entry)
    if reason is x509.ReasonFlags.remove_from_crl:
        return None
    held = reason is x509.ReasonFlags.certificate_hold
    if held and not said_by.fresh(check.at):
        return None
    return RevocationFact(
        RevocationStatus.SUSPENDED if held else RevocationStatus.REVOKED,
        source,
        said_by.crl.last_update_utc,
        said_by.crl.next_update_utc,
        # whoever is on the list is revoked by then, whatever date stands there
        min(entry.revocation_date_utc, said_by.crl.last_update_utc),
        reason_word(reason),
    )


def _entry(crl: LoadedCrl, check: CrlCheck) -> x509.RevokedCertificate | None:
    serial = check.certificate.serial_number
    if serial < 0:
        return _negative_entry(crl, serial)
    if not crl.indirect:
        return crl.entry(serial)
    if crl.entry(serial) is None:
        return None
    # In an indirect CRL the issuer stays the one named last (RFC 5280 5.3.3).
    issuers = {crl.issuer}
    for place, entry in enumerate(crl.whole()):
        if place >= _MAX_INDIRECT:
            raise der.DerError("an indirect list too long to be read one by one")
        try:
            named = entry.extensions.get_extension_for_class(x509.CertificateIssuer).value
        except x509.ExtensionNotFound:
            pass
        else:
            issuers = _directory_names(list(named))
        if entry.serial_number == serial and check.certificate.issuer in issuers:
            return entry
    return None


def _negative_entry(crl: LoadedCrl, serial: int) -> x509.RevokedCertificate | None:
    """Look a negative serial number up one by one; what is odd about it is no news for our log."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return next((entry for entry in crl.whole() if entry.serial_number == serial), None)


def _reason(entry: x509.RevokedCertificate) -> x509.ReasonFlags:
    """Read the reason; an entry with a critical extension we do not know is plainly revoked."""
    try:
        extensions = list(entry.extensions)
    except UNREADABLE:
        return x509.ReasonFlags.unspecified
    if any(found.critical and found.oid not in _ENTRY_UNDERSTOOD for found in extensions):
        return x509.ReasonFlags.unspecified
    for found in extensions:
        if isinstance(found.value, x509.CRLReason):
            return found.value.reason
    return x509.ReasonFlags.unspecified


def reason_word(reason: x509.ReasonFlags | None) -> str | None:
    """Write a reason as the registry does: `key_compromise`."""
    return reason.name if reason is not None else None
