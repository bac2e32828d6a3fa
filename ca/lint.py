"""Linting: a certificate is judged before the authority's key touches it.

Two linters. Our own reads the parts that vary and compares them with what was meant; it runs on
every single twin and costs less than a signature. The full one (ETSI EN 319 412, RFC 5280, about
180 rules) is imported lazily, and runs on the first twin of each profile version, issuer and
algorithm in a process; the constant parts of the next twins are the same.
"""

import functools
import threading
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ca import tbs
from ca.errors import LintFailed
from ca.profiles import EtsiType
from ca.tbs import CertificateFacts


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

_judged: set[tuple[str, bytes, str]] = set()
"""Profile version, issuer's fingerprint and algorithm that passed the full linter here; only a
saving of time, any process can find it out again."""
_judging = threading.Lock()


def check(twin: bytes, *, facts: CertificateFacts) -> None:
    """Raise LintFailed with every finding if the twin may not be signed."""
    findings = fast_findings(twin, facts=facts)
    if findings:
        raise LintFailed(findings)
    certificate = x509.load_der_x509_certificate(twin)
    kind = (
        facts.profile.identifier,
        facts.issuer.fingerprint(hashes.SHA256()),
        certificate.signature_algorithm_oid.dotted_string,
    )
    if kind in _judged:
        return
    with _judging:
        found = full(twin, facts.profile.etsi_type)
        severe = [f for f in found if f.severity >= REFUSED_FROM and f.code not in ACCEPTED]
        if severe:
            raise LintFailed(tuple(map(str, severe)))
        _judged.add(kind)


def fast_findings(twin: bytes, *, facts: CertificateFacts) -> tuple[str, ...]:
    """Compare a twin, read back from its octets, with what was meant; empty when all is well."""
    certificate = x509.load_der_x509_certificate(twin)
    serial = certificate.serial_number
    issuer = facts.issuer
    checks = {
        "version": certificate.version is x509.Version.v3,
        "serial_number": serial == facts.serial_number
        and len(tbs.serial_text(serial)) == 2 * tbs.SERIAL_OCTETS
        and serial >> (8 * tbs.SERIAL_OCTETS - 1) == 0,
        "issuer": certificate.issuer.public_bytes() == issuer.subject.public_bytes(),
        "subject": certificate.subject.public_bytes() == facts.subject.public_bytes(),
        "public_key": _spki(certificate) == _encoded(facts),
        "validity": certificate.not_valid_before_utc == facts.not_before
        and certificate.not_valid_after_utc == facts.not_after
        and issuer.not_valid_before_utc <= facts.not_before < facts.not_after
        and facts.not_after <= issuer.not_valid_after_utc,
        "extensions": _extensions_as_meant(certificate, facts),
        "addresses": facts.public_url.startswith(("http://", "https://")),
    }
    return tuple(f"{name} is not as meant" for name, holds in checks.items() if not holds)


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


def _extensions_as_meant(certificate: x509.Certificate, facts: CertificateFacts) -> bool:
    found = [(e.value.public_bytes(), e.oid, e.critical) for e in certificate.extensions]
    meant = [
        (value.public_bytes(), value.oid, critical) for value, critical in tbs.extensions(facts)
    ]
    return found == meant


def _spki(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _encoded(facts: CertificateFacts) -> bytes:
    return facts.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
