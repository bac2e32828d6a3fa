"""Signature algorithms as CMS names them, and the check of one raw signature.

The values are the words that callers, keys and the database share. SHA-1 and RSA below 2048 bit
are not on the list; RSASSA-PSS always has a salt as long as its hash (RFC 8017 section 9.1).
"""

from enum import StrEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from pdf import der_writer as der
from pdf.errors import CertificateUnsuitable, SignatureRejected

# TS 119 312 and the technical list of signing software both start RSA here.
SMALLEST_RSA_BITS = 2048
# FIPS 204 table 2
_ML_DSA_65_SIZE = 3309

_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
_HASH_OIDS = {
    "sha256": "2.16.840.1.101.3.4.2.1",
    "sha384": "2.16.840.1.101.3.4.2.2",
    "sha512": "2.16.840.1.101.3.4.2.3",
}
_RSA_PKCS1_OIDS = {
    "sha256": "1.2.840.113549.1.1.11",
    "sha384": "1.2.840.113549.1.1.12",
    "sha512": "1.2.840.113549.1.1.13",
}
_ECDSA_OIDS = {
    "sha256": "1.2.840.10045.4.3.2",
    "sha384": "1.2.840.10045.4.3.3",
    "sha512": "1.2.840.10045.4.3.4",
}


class SignatureAlgorithm(StrEnum):
    """What is done to the bytes that are signed."""

    RSA_PKCS1_SHA256 = "rsa-pkcs1-sha256"
    RSA_PKCS1_SHA384 = "rsa-pkcs1-sha384"
    RSA_PKCS1_SHA512 = "rsa-pkcs1-sha512"
    RSA_PSS_SHA256 = "rsa-pss-sha256"
    RSA_PSS_SHA384 = "rsa-pss-sha384"
    RSA_PSS_SHA512 = "rsa-pss-sha512"
    ECDSA_SHA256 = "ecdsa-sha256"
    ECDSA_SHA384 = "ecdsa-sha384"
    ECDSA_SHA512 = "ecdsa-sha512"
    ED25519 = "ed25519"
    ML_DSA_65 = "ml-dsa-65"
    """FIPS 204, an experiment: few readers know it, and ISO 32000 and 32002 do not name it."""

    @property
    def hash_algorithm(self) -> str:
        """Name the digest, also of the document.

        Ed25519 and ML-DSA in CMS go with SHA-512 (RFC 8419 section 2.3, RFC 9882 section 3.3).
        """
        name = self.value.rpartition("-")[2]
        return name if name in _HASHES else "sha512"

    @property
    def is_experimental(self) -> bool:
        """Whether users have to be told that others may not understand the signature."""
        return self is SignatureAlgorithm.ML_DSA_65

    @property
    def scheme(self) -> str:
        """Name the family: rsa-pkcs1, rsa-pss, ecdsa, ed25519 or ml-dsa-65."""
        return self.value.removesuffix(f"-{self.hash_algorithm}")


def hash_named(name: str) -> hashes.HashAlgorithm:
    """Give the hash of that name, one of sha256, sha384, sha512."""
    return _HASHES[name]()


def digest_identifier(name: str) -> bytes:
    """Encode the AlgorithmIdentifier of a digest, parameters absent (RFC 5754 section 2)."""
    return der.sequence(der.oid(_HASH_OIDS[name]))


def signature_identifier(algorithm: SignatureAlgorithm) -> bytes:
    """Encode the AlgorithmIdentifier of a signature (RFC 5754, 4056, 8419, 9882)."""
    digest = algorithm.hash_algorithm
    if algorithm.scheme == "rsa-pkcs1":
        return der.sequence(der.oid(_RSA_PKCS1_OIDS[digest]), der.NULL)
    if algorithm.scheme == "ecdsa":
        return der.sequence(der.oid(_ECDSA_OIDS[digest]))
    if algorithm.scheme == "ed25519":
        return der.sequence(der.oid("1.3.101.112"))
    if algorithm.scheme == "ml-dsa-65":
        return der.sequence(der.oid("2.16.840.1.101.3.4.3.18"))
    mask = der.sequence(der.oid("1.2.840.113549.1.1.8"), _digest_with_null(digest))
    parameters = der.sequence(
        der.tlv(0xA0, _digest_with_null(digest)),
        der.tlv(0xA1, mask),
        der.tlv(0xA2, der.integer(hash_named(digest).digest_size)),
    )
    return der.sequence(der.oid("1.2.840.113549.1.1.10"), parameters)


def _digest_with_null(name: str) -> bytes:
    # RFC 4055 section 2.1: inside PSS parameters the NULL stands.
    return der.sequence(der.oid(_HASH_OIDS[name]), der.NULL)


def require_key_fits(key: CertificatePublicKeyTypes, algorithm: SignatureAlgorithm) -> None:
    """Raise CertificateUnsuitable unless the key can make this kind of signature."""
    if isinstance(key, rsa.RSAPublicKey):
        fits = algorithm.scheme in {"rsa-pkcs1", "rsa-pss"}
        if fits and key.key_size < SMALLEST_RSA_BITS:
            raise CertificateUnsuitable(f"the RSA key has {key.key_size} bits, 2048 are needed")
    elif isinstance(key, ec.EllipticCurvePublicKey):
        fits = algorithm.scheme == "ecdsa"
    elif isinstance(key, mldsa.MLDSA65PublicKey):
        fits = algorithm.scheme == "ml-dsa-65"
    else:
        fits = isinstance(key, ed25519.Ed25519PublicKey) and algorithm.scheme == "ed25519"
    if not fits:
        raise CertificateUnsuitable(
            f"the certificate's key ({type(key).__name__}) cannot make {algorithm} signatures"
        )


def largest_signature(key: CertificatePublicKeyTypes) -> int:
    """Say how many bytes a signature by this key takes at most."""
    if isinstance(key, rsa.RSAPublicKey):
        return (key.key_size + 7) // 8
    if isinstance(key, ec.EllipticCurvePublicKey):
        # two INTEGERs of the order's size, each perhaps with a leading zero
        number = (key.curve.key_size + 7) // 8 + 1
        return len(der.sequence(der.tlv(der.INTEGER, bytes(number)) * 2))
    return _ML_DSA_65_SIZE if isinstance(key, mldsa.MLDSA65PublicKey) else 64


def check_signature(
    key: CertificatePublicKeyTypes,
    algorithm: SignatureAlgorithm,
    *,
    signature: bytes,
    signed: bytes,
) -> None:
    """Raise SignatureRejected unless `signature` over `signed` was made with the key's other half.

    `signed` is the whole message, not its digest.
    """
    require_key_fits(key, algorithm)
    chosen = hash_named(algorithm.hash_algorithm)
    try:
        if isinstance(key, rsa.RSAPublicKey):
            scheme = (
                padding.PKCS1v15()
                if algorithm.scheme == "rsa-pkcs1"
                else padding.PSS(mgf=padding.MGF1(chosen), salt_length=chosen.digest_size)
            )
            key.verify(signature, signed, scheme, chosen)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, signed, ec.ECDSA(chosen))
        elif isinstance(key, ed25519.Ed25519PublicKey | mldsa.MLDSA65PublicKey):
            key.verify(signature, signed)
    except InvalidSignature as error:
        raise SignatureRejected(
            "the signature was not made over these bytes by the key of the certificate"
        ) from error
