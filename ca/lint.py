"""Linting: a certificate is judged before the authority's key touches it.

Two linters. Our own has every field read by code that did not write it, and compares it with what
was meant; it runs on every single certificate and costs less than a signature. The full one (ETSI
EN 319 412, RFC 5280, about 180 rules) is imported lazily, and runs on the first certificate of each
profile version, issuer and algorithm in a process, and on a steady sample after it: on the twin
that a certificate builder makes of the same facts, whose octets have to be the same.
"""

import functools
import itertools
import threading
from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum
from typing import Final

from cryptography import x509

from ca import distinguished_names, tbs, tbs_octets
from ca.errors import LintFailed
from ca.profiles import EtsiType
from ca.tbs import CertificateFacts, Shared
from hsm.algorithms import SignatureAlgorithm


class Severity(IntEnum):
    """How bad a finding is, mildest first."""

    DEBUG = 0
    INFO = 1
    NOTICE = 2
    WARNING = 3
    ERROR = 4
    FATAL = 5


@dataclass(frozen=True)
class Finding:
    """One finding of the full linter: a stable code, and the path of the field it is about."""

    severity: Severity
    code: str
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.severity.name} {self.code} at {self.path}: {self.message}".rstrip(": ")


REFUSED_FROM: Final = Severity.WARNING

ACCEPTED: Final = frozenset({"etsi.internal_domain_name"})
"""Findings that are no defect here: inside an administration's closed network, the addresses of
CRL and OCSP are internal names on purpose."""

SAMPLE: Final = 500
"""Every so many twins one is judged in full although its kind is known."""

_judged: set[tuple[str, x509.Certificate, SignatureAlgorithm]] = set()
"""Profile version, issuer and algorithm that passed the full linter here; only a saving of time,
any process can find it out again."""
_known: set[tuple[str, Shared, SignatureAlgorithm]] = set()
"""The same for each partition: looking an issuer's certificate up takes as long as reading one."""
_checked = itertools.count(1)
_judging = threading.Lock()

_SHARED: Final = ("version", "algorithm", "issuer")
_SKI_HEAD: Final = bytes.fromhex("0603551d0e04160414")
"""What stands before the value of a subject key identifier of SHA-1 (RFC 5280 4.2.1.2)."""

MODELS: Final = 2048
"""Models kept at most; there is one for each profile, issuer and partition of its CRL."""

_models: dict[tuple[Shared, SignatureAlgorithm], "_Model"] = {}


def check(to_be_signed: bytes, *, facts: CertificateFacts, algorithm: SignatureAlgorithm) -> None:
    """Raise LintFailed with every finding if these octets may not be signed."""
    findings = fast_findings(to_be_signed, facts=facts, algorithm=algorithm)
    if findings:
        raise LintFailed(findings)
    if _was_judged(facts, algorithm) and next(_checked) % SAMPLE:
        return
    with _judging:
        twin = tbs.twin(facts, algorithm=algorithm)
        if tbs.tbs_of(twin) != to_be_signed:
            raise LintFailed(("the octets are not those that a builder makes",))
        found = full(twin, facts.profile.etsi_type)
        severe = [f for f in found if f.severity >= REFUSED_FROM and f.code not in ACCEPTED]
        if severe:
            raise LintFailed(tuple(map(str, severe)))
        _judged.add((facts.profile.identifier, facts.issuer, algorithm))


def _was_judged(facts: CertificateFacts, algorithm: SignatureAlgorithm) -> bool:
    kind = (facts.profile.identifier, facts.shared, algorithm)
    if kind not in _known:
        if (facts.profile.identifier, facts.issuer, algorithm) not in _judged:
            return False
        if len(_known) >= MODELS:
            _known.clear()
        _known.add(kind)
    return True


def fast_findings(
    to_be_signed: bytes, *, facts: CertificateFacts, algorithm: SignatureAlgorithm
) -> tuple[str, ...]:
    """Have the octets read by code that did not write them; empty when all is as meant.

    What certificates of a kind share is compared with what a builder made for that kind.
    """
    found = tbs_octets.fields(to_be_signed)
    if found is None:
        return ("version is not as meant",)
    same = _model_of(facts, algorithm)
    checks = {name: found[name] == same.fields[name] for name in _SHARED}
    identifier = x509.SubjectKeyIdentifier.from_public_key(facts.public_key).digest
    checks["extensions"] = found["extensions"] == same.before + identifier + same.after
    checks["public_key"] = found["public_key"] == facts.subject_public_key
    checks["addresses"] = facts.public_url.startswith(("http://", "https://"))
    twin = tbs.signed_by_nobody(to_be_signed, algorithm=algorithm)
    try:
        checks["subject"] = distinguished_names.read(found["subject"]) == facts.subject
        checks |= _read(x509.load_der_x509_certificate(twin), facts)
    except (ValueError, x509.InvalidVersion):
        checks["octets"] = False
    return tuple(f"{name} is not as meant" for name, holds in checks.items() if not holds)


@dataclass(frozen=True, slots=True)
class _Model:
    """What all certificates of one kind have in common, as a builder encoded it."""

    fields: dict[str, bytes]
    before: bytes
    """The extensions up to the value of the subject key identifier,"""
    after: bytes
    """and from there on."""


def _model_of(facts: CertificateFacts, algorithm: SignatureAlgorithm) -> _Model:
    kind = (facts.shared, algorithm)
    found = _models.get(kind)
    if found is None:
        if len(_models) >= MODELS:
            _models.clear()
        found = _models[kind] = _model(facts, algorithm)
    return found


def _model(facts: CertificateFacts, algorithm: SignatureAlgorithm) -> _Model:
    begin, end = _validity(facts.shared)
    sound = replace(facts, serial_number=1, not_before=begin, not_after=end)
    found = tbs_octets.fields(tbs.tbs_of(tbs.twin(sound, algorithm=algorithm))) or {}
    identifier = x509.SubjectKeyIdentifier.from_public_key(facts.public_key).digest
    before, _, after = found["extensions"].partition(_SKI_HEAD + identifier)
    return _Model(found, before + _SKI_HEAD, after)


def _read(twin: x509.Certificate, facts: CertificateFacts) -> dict[str, bool]:
    """Compare what a certificate reader finds with the facts."""
    begin, end = _validity(facts.shared)
    not_before, not_after = twin.not_valid_before_utc, twin.not_valid_after_utc
    serial = twin.serial_number
    return {
        "serial_number": serial == facts.serial_number
        and serial.bit_length() == 8 * tbs.SERIAL_OCTETS - 1,
        "validity": (not_before, not_after) == (facts.not_before, facts.not_after)
        and begin <= not_before < not_after <= end,
    }


@functools.lru_cache(maxsize=MODELS)
def _validity(shared: Shared) -> tuple[datetime, datetime]:
    return shared.issuer.not_valid_before_utc, shared.issuer.not_valid_after_utc


def full(certificate: bytes, etsi_type: EtsiType) -> tuple[Finding, ...]:
    """Return the findings of the full linter for a DER certificate, NOTICE and milder included."""
    from pkilint import finding_filter, loader  # noqa: PLC0415 -- a second to import, rarely used

    document = loader.RFC5280CertificateDocumentLoader().load_document(certificate, "certificate")
    validator, filters = _full_linter(etsi_type)
    results, _ = finding_filter.filter_results(filters, validator.validate(document.root))
    return tuple(
        Finding(
            Severity[description.finding.severity.name],
            description.finding.code,
            result.node.path,
            description.message or "",
        )
        for result in results
        for description in result.finding_descriptions
    )


@functools.cache
def _full_linter(etsi_type: EtsiType):  # type: ignore[no-untyped-def] # noqa: ANN202 -- foreign
    from pkilint import etsi  # noqa: PLC0415 -- see `full`
    from pkilint.etsi.etsi_constants import CertificateType  # noqa: PLC0415 -- see `full`
    from pkilint.pkix import certificate  # noqa: PLC0415 -- see `full`

    kind = {
        EtsiType.NATURAL_PERSON: CertificateType.NCP_NATURAL_PERSON_CERTIFICATE,
        EtsiType.LEGAL_PERSON: CertificateType.NCP_LEGAL_PERSON_CERTIFICATE,
    }[etsi_type]
    validator = certificate.create_pkix_certificate_validator_container(
        etsi.create_decoding_validators(kind), etsi.create_validators(kind)
    )
    return validator, etsi.create_etsi_finding_filters(kind)
