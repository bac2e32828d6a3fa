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
from ca.tbs import CertificateFacts
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
        found = der.split(der.whole(to_be_signed).content)
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
        _algorithm_and_issuer(algorithm, facts.issuer),
        _validity(facts.not_before, facts.not_after),
        facts.subject.encoded,
        key,
        _extensions(facts, key),
    )


@functools.lru_cache(maxsize=32)
def _algorithm_and_issuer(algorithm: SignatureAlgorithm, issuer: x509.Certificate) -> bytes:
    return SIGNATURE_IDENTIFIERS[algorithm.value] + subject_of(issuer).encoded


@functools.lru_cache(maxsize=64)
def _validity(not_before: datetime, not_after: datetime) -> bytes:
    return der.sequence(der.time(not_before), der.time(not_after))


def _extensions(facts: CertificateFacts, key: bytes) -> bytes:
    before, after = _constant_extensions(
        facts.issuer, facts.profile.policies, facts.crl_url, facts.ocsp_url, facts.ca_issuers_url
    )
    # RFC 5280 4.2.1.2, method 1: SHA-1 over the bits of the key, which are the key's last element.
    bits = der.split(der.whole(key).content)[1]
    content = der.whole(bits, der.BIT_STRING).content[1:]
    identifier = hashlib.sha1(content, usedforsecurity=False).digest()
    return der.explicit(3, der.tlv(der.SEQUENCE, before + identifier + after))


@functools.lru_cache(maxsize=512)
def _constant_extensions(
    issuer: x509.Certificate, policies: tuple[str, ...], crl: str, ocsp: str, issuers: str
) -> tuple[bytes, bytes]:
    """Encode what stands before and after the value of the subject key identifier."""
    ski = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    authority_key = der.sequence(der.tlv(0x80, ski.key_identifier))
    known = der.sequence(*(der.sequence(der.object_identifier(policy)) for policy in policies))
    point = der.sequence(der.explicit(0, der.explicit(0, _uri(crl))))
    access = der.sequence(
        der.sequence(der.object_identifier("1.3.6.1.5.5.7.48.1"), _uri(ocsp)),
        der.sequence(der.object_identifier("1.3.6.1.5.5.7.48.2"), _uri(issuers)),
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
