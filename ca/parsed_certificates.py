"""A certificate read once, with everything that path validation asks of it (RFC 5280 4).

Certificates come from documents and so from anybody: whatever cannot be read raises
CertificateUnreadable here, and never later.
"""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import AuthorityInformationAccessOID

from ca import der, dsa_keys
from ca.certificate_fields import CanonicalName, canonical_name, read_fields

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

MAX_CERTIFICATE_BYTES: Final = 64 * 1024
"""Ordinary ones have 1 to 4 kB; post-quantum ones stay under 20 kB."""

UNREADABLE: Final = (
    ValueError,
    TypeError,
    IndexError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What `cryptography` and our own reader raise for bytes that are not what they should be."""

_POLICY_MAPPINGS: Final = "2.5.29.33"
_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


class CertificateUnreadable(ValueError):
    """The bytes are no certificate that we can read; stays inside this room."""


@dataclass(frozen=True, eq=False, slots=True)
class ParsedCertificate:
    """A certificate with its names, key and extensions taken apart."""

    der: bytes
    to_be_signed: bytes
    """The TBSCertificate as it stands in `der`."""
    certificate: x509.Certificate
    serial_number: int
    fingerprint: bytes
    """SHA-256 of the DER."""
    subject: CanonicalName
    issuer: CanonicalName
    public_key: CertificatePublicKeyTypes | None
    """None when the kind of key is unknown here."""
    key_bytes: bytes
    extensions: dict[x509.ObjectIdentifier, x509.Extension[x509.ExtensionType]]

    @property
    def self_issued(self) -> bool:
        """Whether subject and issuer are the same name (RFC 5280 6.1)."""
        return self.subject == self.issuer

    def extension(self, kind: type[_Extension]) -> _Extension | None:
        """Return the value of an extension, None where it is absent."""
        found = self.extensions.get(kind.oid)
        return found.value if found is not None and isinstance(found.value, kind) else None

    @property
    def subject_key_identifier(self) -> bytes | None:
        """What issued certificates name this key by."""
        found = self.extension(x509.SubjectKeyIdentifier)
        return found.digest if found else None

    @property
    def authority_key_identifier(self) -> bytes | None:
        """The identifier of the key that signed this certificate."""
        found = self.extension(x509.AuthorityKeyIdentifier)
        return found.key_identifier if found else None

    @property
    def may_sign_crls(self) -> bool:
        """Whether key usage allows cRLSign, or says nothing."""
        usage = self.extension(x509.KeyUsage)
        return usage is None or usage.crl_sign

    @property
    def names_status_service(self) -> bool:
        """Whether it says where its status can be learned: a CRL or an OCSP server."""
        access = self.extension(x509.AuthorityInformationAccess)
        return self.extension(x509.CRLDistributionPoints) is not None or any(
            one.access_method == AuthorityInformationAccessOID.OCSP for one in access or ()
        )

    def policy_mappings(self) -> tuple[tuple[str, str], ...]:
        """List the pairs (issuer domain policy, subject domain policy) of RFC 5280 4.2.1.5."""
        found = self.extensions.get(x509.ObjectIdentifier(_POLICY_MAPPINGS))
        if found is None or not isinstance(found.value, x509.UnrecognizedExtension):
            return ()
        try:
            pairs = [der.children(pair) for pair in der.children(der.whole(found.value.value))]
            return tuple(
                (der.read_object_identifier(first), der.read_object_identifier(second))
                for first, second in pairs
            )
        except ValueError as error:
            raise CertificateUnreadable("policy mappings") from error


def parse(data: bytes) -> ParsedCertificate:
    """Read one DER certificate; CertificateUnreadable for anything else."""
    if len(data) > MAX_CERTIFICATE_BYTES:
        raise CertificateUnreadable("too large")
    try:
        content, algorithm, _ = der.signed_parts(data)
        to_be_signed = content.encoded
        fields = read_fields(to_be_signed)
        if not der.same_algorithm(fields.algorithm, algorithm):
            raise CertificateUnreadable("it names two signature algorithms")
        certificate = _load(data, quietly=fields.serial_number <= 0)
        extensions = {found.oid: found for found in certificate.extensions}
        return ParsedCertificate(
            der=data,
            to_be_signed=to_be_signed,
            certificate=certificate,
            serial_number=fields.serial_number,
            fingerprint=hashlib.sha256(data).digest(),
            subject=canonical_name(fields.subject),
            issuer=canonical_name(fields.issuer),
            public_key=(key := _public_key(certificate, to_be_signed)),
            key_bytes=_key_bytes(key),
            extensions=extensions,
        )
    except UNREADABLE as error:
        raise CertificateUnreadable(str(error)) from error


def _load(data: bytes, *, quietly: bool) -> x509.Certificate:
    """Load a certificate; the warning about an odd serial number is not for our log."""
    if not quietly:
        return _load_any(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _load_any(data)


def _load_any(data: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(data)
    except ValueError:
        return x509.load_der_x509_certificate(dsa_keys.readable(data))


def _public_key(
    certificate: x509.Certificate, to_be_signed: bytes
) -> CertificatePublicKeyTypes | None:
    if certificate.tbs_certificate_bytes != to_be_signed:
        return None  # a DSA key that leaves out its parameters; its issuer may complete it
    try:
        return certificate.public_key()
    except UNREADABLE:
        return None


def _key_bytes(key: CertificatePublicKeyTypes | None) -> bytes:
    if key is None:
        return b""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
