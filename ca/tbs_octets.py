"""Writing a TBSCertificate by joining octets, and taking one apart again.

A certificate builder costs more than the signature. What all certificates of a profile share is
encoded once here; the rest is joined. The linter (`ca.lint`) has every result read by other code,
and compares it with what a builder makes (`ca.tbs.twin`) wherever it judges in full.
"""

import functools
import hashlib
from datetime import datetime
from typing import Final

from cryptography import x509

from ca import der
from ca.algorithm_identifiers import SIGNATURE_IDENTIFIERS
from ca.certificate_fields import subject_of
from ca.tbs import CertificateFacts, Shared
from hsm.algorithms import SignatureAlgorithm

FIELDS: Final = (
    "version",
    "serial_number",
    "algorithm",
    "issuer",
    "validity",
    "subject",
    "public_key",
    "extensions",
)
"""In their order (RFC 5280 4.1); issuerUniqueID and subjectUniqueID are never there."""

_VERSION_3: Final = der.explicit(0, der.integer(2))


def fields(to_be_signed: bytes) -> dict[str, bytes] | None:
    """Take a TBSCertificate apart; None where it has other fields than ours have."""
    try:
        found = der.split(der.inside(to_be_signed))
    except der.DerError:
        return None
    if len(found) != len(FIELDS):
        return None
    return dict(zip(FIELDS, found, strict=True))


def write(facts: CertificateFacts, *, algorithm: SignatureAlgorithm) -> bytes:
    """Return the DER TBSCertificate of these facts, to be signed with that algorithm."""
    key = facts.subject_public_key
    return der.sequence(
        _VERSION_3,
        der.integer(facts.serial_number),
        _algorithm_and_issuer(algorithm, facts.shared),
        _validity(facts.not_before, facts.not_after),
        facts.subject.encoded,
        key,
        _extensions(facts, key),
    )


@functools.lru_cache(maxsize=2048)
def _algorithm_and_issuer(algorithm: SignatureAlgorithm, shared: Shared) -> bytes:
    return SIGNATURE_IDENTIFIERS[algorithm.value] + subject_of(shared.issuer).encoded


@functools.lru_cache(maxsize=64)
def _validity(not_before: datetime, not_after: datetime) -> bytes:
    return der.sequence(der.time(not_before), der.time(not_after))


def _extensions(facts: CertificateFacts, key: bytes) -> bytes:
    before, after = _constant_extensions(facts.shared)
    # RFC 5280 4.2.1.2, method 1: SHA-1 over the bits of the key, which are the key's last element.
    bits = der.split(der.inside(key))[1]
    content = der.inside(bits, der.BIT_STRING)[1:]
    identifier = hashlib.sha1(content, usedforsecurity=False).digest()
    return der.explicit(3, der.tlv(der.SEQUENCE, before + identifier + after))


@functools.lru_cache(maxsize=2048)
def _constant_extensions(shared: Shared) -> tuple[bytes, bytes]:
    """Encode what stands before and after the value of the subject key identifier."""
    ski = shared.issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    authority_key = der.sequence(der.tlv(0x80, ski.key_identifier))
    policies = map(der.object_identifier, shared.policies)
    known = der.sequence(*map(der.sequence, policies))
    point = der.sequence(der.explicit(0, der.explicit(0, _uri(shared.crl_url))))
    access = der.sequence(
        der.sequence(der.object_identifier("1.3.6.1.5.5.7.48.1"), _uri(shared.ocsp_url)),
        der.sequence(der.object_identifier("1.3.6.1.5.5.7.48.2"), _uri(shared.ca_issuers_url)),
    )
    # nonRepudiation alone: bit 1, six bits unused.
    usage = der.tlv(der.BIT_STRING, b"\x06\x40")
    none = hashlib.sha1(b"", usedforsecurity=False).digest()
    own = der.extension("2.5.29.14", der.octet_string(none))
    before = der.extension("2.5.29.35", authority_key) + own.removesuffix(none)
    after = (
        der.extension("2.5.29.15", usage, critical=True)
        + der.extension("2.5.29.32", known)
        + der.extension("2.5.29.31", der.sequence(point))
        + der.extension("1.3.6.1.5.5.7.1.1", access)
    )
    return before, after


def _uri(text: str) -> bytes:
    return der.tlv(0x86, text.encode("ascii"))
