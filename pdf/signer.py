"""The public half of a signer: the certificate, its chain, and what a signature takes from them."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import NameOID

from pdf import der_writer as der
from pdf import distinguished_names
from pdf.certificates import read_certificate
from pdf.der import BadDer
from pdf.errors import CertificateUnsuitable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

# context tag of TBSCertificate.version, absent in version 1 certificates (RFC 5280 section 4.1)
_VERSION = 0xA0


@dataclass(frozen=True)
class SignerChain:
    """The signer's certificate and the others that go into the signature, all DER.

    `others` are the issuing authorities in any order; the signature holds each certificate once.
    Reading is lazy and kept, so one chain object serves any number of signatures.
    """

    certificate: bytes
    others: tuple[bytes, ...] = ()

    def __getstate__(self) -> dict[str, object]:
        """Travel to another process without what was read and kept here."""
        return {"certificate": self.certificate, "others": self.others}

    @cached_property
    def _parsed(self) -> x509.Certificate:
        try:
            return x509.load_der_x509_certificate(self.certificate)
        except ValueError as error:
            raise CertificateUnsuitable("the signer's certificate cannot be read") from error

    @cached_property
    def public_key(self) -> "CertificatePublicKeyTypes":
        """The key that the signature must verify with."""
        try:
            return self._parsed.public_key()
        except (ValueError, UnsupportedAlgorithm) as error:
            raise CertificateUnsuitable("the certificate's key is of an unknown kind") from error

    @cached_property
    def issuer_and_serial(self) -> tuple[bytes, bytes]:
        """Issuer name and serial number exactly as the certificate encodes them."""
        to_be_signed = der.children(der.children(self.certificate)[0])
        first = 1 if to_be_signed[0][0] == _VERSION else 0
        return to_be_signed[first + 2], to_be_signed[first]

    @property
    def common_name(self) -> str | None:
        """The person's or body's name as the certificate gives it."""
        return self._attribute(NameOID.COMMON_NAME)

    @property
    def organization(self) -> str | None:
        """The organisation as the certificate gives it."""
        return self._attribute(NameOID.ORGANIZATION_NAME)

    @property
    def title(self) -> str | None:
        """The post as the certificate gives it."""
        return self._attribute(NameOID.TITLE)

    def _attribute(self, kind: x509.ObjectIdentifier) -> str | None:
        try:
            subject = read_certificate(self.certificate).subject
        except (BadDer, ValueError, IndexError) as error:
            raise CertificateUnsuitable("the certificate's subject cannot be read") from error
        return next(iter(distinguished_names.texts(subject, kind.dotted_string)), None)
