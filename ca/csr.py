"""Certification requests (PKCS#10, RFC 2986): hostile bytes in, a public key proven owned out.

The names in a request decide nothing, a subject comes from the registry. But a request that asks
for names or powers that will not be certified is refused, so that nobody gets less than asked.
"""

import unicodedata
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from ca import der, distinguished_names
from ca.errors import CsrUnacceptable
from ca.profiles import KeyRules
from ca.public_keys import check_strength

MAX_SIZE: Final = 16 * 1024
"""Octets; a request for RSA-4096 with a long subject and attributes stays below 3,000."""

MAX_SUBJECT_ATTRIBUTES: Final = 32
"""Our longest subject has ten."""

_SUBJECT: Final = 1
"""Its place in CertificationRequestInfo (RFC 2986 4.1), after the version."""

_HASHES: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)

_TOLERATED_EXTENSIONS: Final = frozenset(
    {
        x509.KeyUsage.oid,
        x509.ExtendedKeyUsage.oid,
        x509.SubjectKeyIdentifier.oid,
        x509.BasicConstraints.oid,
    }
)
"""What common tools put in by themselves; the profile decides, whatever they say."""


@dataclass(frozen=True)
class CertificationRequest:
    """A request that passed every check that needs no registry."""

    der: bytes
    public_key: CertificatePublicKeyTypes


def parse(data: bytes, *, rules: KeyRules) -> CertificationRequest:
    """Read a request in PEM or DER; raise CsrUnacceptable or KeyUnacceptable.

    Reasons: oversized, unreadable, signature_algorithm, signature_invalid, asks_for_ca,
    extension_not_allowed, name_forbidden. The key is checked before the signature, so that an
    enormous key costs no computation.
    """
    if len(data) > MAX_SIZE:
        raise CsrUnacceptable("oversized", f"{len(data)} octets, at most {MAX_SIZE}")
    csr = _load(data)
    key = _public_key(csr)
    check_strength(key, rules=rules)
    _check_signature(csr)
    _check_subject(csr)
    _check_extensions(csr)
    return CertificationRequest(csr.public_bytes(Encoding.DER), key)


def checked_key(data: bytes, *, rules: KeyRules) -> CertificatePublicKeyTypes:
    """Read the key of a DER request that `parse` accepted before, and that was stored since.

    Possession was proven then; the rules may have changed. Raises as `parse` does.
    """
    key = _public_key(_load(data))
    check_strength(key, rules=rules)
    return key


def _load(data: bytes) -> x509.CertificateSigningRequest:
    try:
        if data.lstrip().startswith(b"-----"):
            return x509.load_pem_x509_csr(data)
        return x509.load_der_x509_csr(data)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as e:
        raise CsrUnacceptable("unreadable", "not a PKCS#10 request in PEM or DER") from e


def _public_key(csr: x509.CertificateSigningRequest) -> CertificatePublicKeyTypes:
    try:
        return csr.public_key()
    except (ValueError, UnsupportedAlgorithm) as e:
        raise CsrUnacceptable("unreadable", "its public key cannot be read") from e


def _check_signature(csr: x509.CertificateSigningRequest) -> None:
    try:
        algorithm = csr.signature_hash_algorithm
    except UnsupportedAlgorithm as e:
        raise CsrUnacceptable(
            "signature_algorithm", csr.signature_algorithm_oid.dotted_string
        ) from e
    if not isinstance(algorithm, _HASHES):
        name = algorithm.name if algorithm else csr.signature_algorithm_oid.dotted_string
        raise CsrUnacceptable("signature_algorithm", name)
    try:
        der.signed_parts(csr.public_bytes(Encoding.DER))
        valid = csr.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm) as e:
        raise CsrUnacceptable("signature_invalid") from e
    if not valid:
        raise CsrUnacceptable("signature_invalid", "the key's possession is not proven")


def _check_subject(csr: x509.CertificateSigningRequest) -> None:
    information = der.children(der.whole(csr.tbs_certrequest_bytes))
    try:
        attributes = list(distinguished_names.read(information[_SUBJECT].encoded))
    except der.DerError as e:
        raise CsrUnacceptable("name_forbidden", "the subject cannot be read") from e
    if len(attributes) > MAX_SUBJECT_ATTRIBUTES:
        raise CsrUnacceptable("name_forbidden", f"{len(attributes)} attributes in the subject")
    for attribute in attributes:
        value = attribute.value
        if isinstance(value, bytes) or any(unicodedata.category(c)[0] == "C" for c in value):
            raise CsrUnacceptable("name_forbidden", "invisible characters in the subject")


def _check_extensions(csr: x509.CertificateSigningRequest) -> None:
    try:
        extensions = list(csr.extensions)
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as e:
        raise CsrUnacceptable("unreadable", "its extensions cannot be read") from e
    for extension in extensions:
        if extension.oid == x509.SubjectAlternativeName.oid:
            raise CsrUnacceptable("name_forbidden", "alternative names are not certified")
        if extension.oid not in _TOLERATED_EXTENSIONS:
            raise CsrUnacceptable("extension_not_allowed", extension.oid.dotted_string)
        if isinstance(extension.value, x509.BasicConstraints) and extension.value.ca:
            raise CsrUnacceptable("asks_for_ca", "a subscriber's certificate is no authority")
