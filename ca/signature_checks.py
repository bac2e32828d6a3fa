"""Checking one signature over exact bytes, of a certificate, CRL or OCSP answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, mldsa, padding, rsa

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
    from cryptography.x509 import ocsp

_PSS_OID: Final = "1.2.840.113549.1.1.10"


@dataclass(frozen=True, slots=True)
class SignedBytes:
    """What was signed, the signature, and how it claims to have been made."""

    data: bytes | memoryview[int]
    signature: bytes
    hash: hashes.HashAlgorithm | None
    rsa_padding: padding.PSS | padding.PKCS1v15

    @property
    def hash_name(self) -> str | None:
        """Name of the hash; None for schemes that bring their own (Ed25519, ML-DSA)."""
        return self.hash.name if self.hash is not None else None


def of_certificate(certificate: x509.Certificate, to_be_signed: bytes | None = None) -> SignedBytes:
    """Take the signed bytes of a certificate; ValueError for an algorithm that is not known.

    `to_be_signed` where they are known and need not be what the parser was given.
    """
    try:
        return SignedBytes(
            to_be_signed or certificate.tbs_certificate_bytes,
            certificate.signature,
            certificate.signature_hash_algorithm,
            _padding(certificate.signature_algorithm_parameters),
        )
    except UnsupportedAlgorithm as error:
        raise ValueError("unknown signature algorithm") from error


def of_crl(
    crl: x509.CertificateRevocationList, to_be_signed: bytes | memoryview[int]
) -> SignedBytes:
    """Take the signed bytes of a CRL; ValueError for an algorithm that is not known.

    They are given as they came: the parser would write them anew, which costs more than all else.
    """
    try:
        return SignedBytes(
            to_be_signed,
            crl.signature,
            crl.signature_hash_algorithm,
            _padding(crl.signature_algorithm_parameters),
        )
    except UnsupportedAlgorithm as error:
        raise ValueError("unknown signature algorithm") from error


def of_ocsp_response(response: ocsp.OCSPResponse) -> SignedBytes:
    """Take the signed bytes of an OCSP answer; PSS is read with a salt as long as the hash."""
    try:
        digest = response.signature_hash_algorithm
    except UnsupportedAlgorithm as error:
        raise ValueError("unknown signature algorithm") from error
    chosen: padding.PSS | padding.PKCS1v15 = padding.PKCS1v15()
    if response.signature_algorithm_oid.dotted_string == _PSS_OID:
        digest = digest or hashes.SHA256()
        chosen = padding.PSS(padding.MGF1(digest), padding.PSS.AUTO)
    return SignedBytes(response.tbs_response_bytes, response.signature, digest, chosen)


def _padding(parameters: object) -> padding.PSS | padding.PKCS1v15:
    if isinstance(parameters, padding.PSS):
        return parameters
    return padding.PKCS1v15()


def is_signed_by(signed: SignedBytes, key: CertificatePublicKeyTypes | None) -> bool:
    """Say whether the signature is the key's over these bytes.

    Path building tries keys, so a mismatch is an ordinary answer here and no error.
    """
    try:
        _verify(signed, key)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _verify(signed: SignedBytes, key: CertificatePublicKeyTypes | None) -> None:
    match key:
        case rsa.RSAPublicKey() if signed.hash is not None:
            data = cast("bytes", signed.data)  # any buffer does, whatever the stub says
            key.verify(signed.signature, data, signed.rsa_padding, signed.hash)
        case ec.EllipticCurvePublicKey() if signed.hash is not None:
            key.verify(signed.signature, signed.data, ec.ECDSA(signed.hash))
        case dsa.DSAPublicKey() if signed.hash is not None:
            key.verify(signed.signature, signed.data, signed.hash)
        case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey():
            key.verify(signed.signature, signed.data)
        case mldsa.MLDSA44PublicKey() | mldsa.MLDSA65PublicKey() | mldsa.MLDSA87PublicKey():
            key.verify(signed.signature, signed.data)
        case _:
            raise InvalidSignature
