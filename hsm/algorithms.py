"""Signature algorithms by name, and the one way to sign and to check with each.

The names are the same strings wherever the product stores or shows an algorithm. Keys are
``cryptography`` keys; whether a token or a file stands behind them makes no difference here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, TypeGuard, runtime_checkable

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from hsm.errors import HsmError, MechanismUnavailable, SignatureMismatch

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
SigningKey = PrivateKey | mldsa.MLDSA65PrivateKey
"""What can sign documents; authorities and tokens have keys of the older kinds only."""
CheckingKey = PublicKey | mldsa.MLDSA65PublicKey


class KeyAlgorithm(StrEnum):
    """Kinds of key that can be generated."""

    RSA_2048 = "rsa-2048"
    RSA_3072 = "rsa-3072"
    RSA_4096 = "rsa-4096"
    P_256 = "p-256"
    P_384 = "p-384"
    ED25519 = "ed25519"


class SignatureAlgorithm(StrEnum):
    """Kinds of signature: RFC 8017 (PKCS#1 v1.5 and PSS), FIPS 186-5 ECDSA (DER), RFC 8032.

    ML-DSA (FIPS 204, in its pure form with an empty context) is an experiment: few verifiers
    know it, and no rule on signatures of documents names it yet.
    """

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

    @property
    def hash_name(self) -> str | None:
        """``sha256``, ``sha384`` or ``sha512``; None for those that hash by themselves."""
        name = self.value.rpartition("-")[2]
        return name if name in _HASHES else None

    @property
    def is_experimental(self) -> bool:
        """Whether users have to be told that others may not understand the signature."""
        return self is SignatureAlgorithm.ML_DSA_65


@dataclass(frozen=True, slots=True)
class _Rsa:
    padding: padding.AsymmetricPadding
    hash: hashes.HashAlgorithm


@dataclass(frozen=True, slots=True)
class _Ecdsa:
    over_message: ec.ECDSA
    over_digest: ec.ECDSA


@runtime_checkable
class _SignsManyRsa(Protocol):
    """An RSA key that is asked for many signatures in one go, as those on tokens are."""

    def sign_all(
        self,
        messages: Sequence[bytes],
        padding: padding.AsymmetricPadding,
        algorithm: hashes.HashAlgorithm,
    ) -> list[bytes | HsmError]: ...


@runtime_checkable
class _SignsManyEcdsa(Protocol):
    def sign_all(
        self, messages: Sequence[bytes], signature_algorithm: ec.ECDSA
    ) -> list[bytes | HsmError]: ...


def _pss(algorithm: hashes.HashAlgorithm) -> padding.PSS:
    """RSASSA-PSS with MGF1 over the same hash and a salt as long as the hash (RFC 8017 9.1)."""
    return padding.PSS(mgf=padding.MGF1(algorithm), salt_length=algorithm.digest_size)


_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


def _scheme(algorithm: SignatureAlgorithm) -> _Rsa | _Ecdsa | None:
    if algorithm.hash_name is None:
        return None
    digest = _HASHES[algorithm.hash_name]
    if algorithm.startswith("rsa-pkcs1-"):
        return _Rsa(padding.PKCS1v15(), digest)
    if algorithm.startswith("rsa-pss-"):
        return _Rsa(_pss(digest), digest)
    return _Ecdsa(ec.ECDSA(digest), ec.ECDSA(Prehashed(digest)))


_SCHEMES: Final = {algorithm: _scheme(algorithm) for algorithm in SignatureAlgorithm}


def sign(key: SigningKey, algorithm: SignatureAlgorithm, data: bytes) -> bytes:
    """Sign *data* (the whole message, hashed here or by the key).

    ECDSA signatures are the DER SEQUENCE of r and s, RSA ones as long as the modulus. Raises
    MechanismUnavailable when key and algorithm do not fit, and whatever a token key raises.
    """
    return _sign(key, algorithm, data, prehashed=False)


def sign_digest(key: SigningKey, algorithm: SignatureAlgorithm, digest: bytes) -> bytes:
    """Sign a message given as its hash; the result is the same kind as that of :func:`sign`."""
    return _sign(key, algorithm, digest, prehashed=True)


def sign_all(
    key: SigningKey, algorithm: SignatureAlgorithm, messages: Sequence[bytes]
) -> list[bytes | HsmError]:
    """Sign many messages as :func:`sign` does; in the place of one that failed stands why.

    A token is borrowed once for a share of them, and its session is not given back between two.
    """
    scheme = _SCHEMES[algorithm]
    if isinstance(scheme, _Rsa) and isinstance(key, _SignsManyRsa):
        return key.sign_all(messages, scheme.padding, scheme.hash)
    if isinstance(scheme, _Ecdsa) and isinstance(key, _SignsManyEcdsa):
        return key.sign_all(messages, scheme.over_message)
    signed: list[bytes | HsmError] = []
    for message in messages:
        try:
            signed.append(sign(key, algorithm, message))
        except HsmError as error:
            signed.append(error)
    return signed


def _sign(key: SigningKey, algorithm: SignatureAlgorithm, data: bytes, *, prehashed: bool) -> bytes:
    scheme = _SCHEMES[algorithm]
    try:
        if isinstance(scheme, _Rsa) and isinstance(key, rsa.RSAPrivateKey):
            return key.sign(
                data, scheme.padding, Prehashed(scheme.hash) if prehashed else scheme.hash
            )
        if isinstance(scheme, _Ecdsa) and isinstance(key, ec.EllipticCurvePrivateKey):
            return key.sign(data, scheme.over_digest if prehashed else scheme.over_message)
        if scheme is None and not prehashed and _takes_whole_messages(key, algorithm):
            return key.sign(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise MechanismUnavailable(f"{algorithm} is not possible with this key") from error
    raise MechanismUnavailable(f"{algorithm} does not fit {_kind(key)}")


def _takes_whole_messages(
    key: SigningKey, algorithm: SignatureAlgorithm
) -> TypeGuard[ed25519.Ed25519PrivateKey | mldsa.MLDSA65PrivateKey]:
    if algorithm is SignatureAlgorithm.ED25519:
        return isinstance(key, ed25519.Ed25519PrivateKey)
    return isinstance(key, mldsa.MLDSA65PrivateKey)


def _checks_whole_messages(
    key: CheckingKey, algorithm: SignatureAlgorithm
) -> TypeGuard[ed25519.Ed25519PublicKey | mldsa.MLDSA65PublicKey]:
    if algorithm is SignatureAlgorithm.ED25519:
        return isinstance(key, ed25519.Ed25519PublicKey)
    return isinstance(key, mldsa.MLDSA65PublicKey)


def verify(
    public_key: CheckingKey, algorithm: SignatureAlgorithm, signature: bytes, data: bytes
) -> None:
    """Check *signature* over *data*; raises SignatureMismatch or MechanismUnavailable."""
    scheme = _SCHEMES[algorithm]
    try:
        if isinstance(scheme, _Rsa) and isinstance(public_key, rsa.RSAPublicKey):
            public_key.verify(signature, data, scheme.padding, scheme.hash)
        elif isinstance(scheme, _Ecdsa) and isinstance(public_key, ec.EllipticCurvePublicKey):
            public_key.verify(signature, data, scheme.over_message)
        elif scheme is None and _checks_whole_messages(public_key, algorithm):
            public_key.verify(signature, data)
        else:
            raise MechanismUnavailable(f"{algorithm} does not fit {_kind(public_key)}")
    except InvalidSignature as error:
        raise SignatureMismatch("the signature does not belong to this key and data") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise MechanismUnavailable(f"{algorithm} is not possible with this key") from error


def default_for(public_key: CheckingKey) -> SignatureAlgorithm:
    """Choose what most verifiers accept for this key: PKCS#1 v1.5 for RSA, hash by curve size."""
    if isinstance(public_key, rsa.RSAPublicKey):
        return SignatureAlgorithm.RSA_PKCS1_SHA256
    if isinstance(public_key, ed25519.Ed25519PublicKey):
        return SignatureAlgorithm.ED25519
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        by_size = {256: SignatureAlgorithm.ECDSA_SHA256, 384: SignatureAlgorithm.ECDSA_SHA384}
        return by_size.get(public_key.curve.key_size, SignatureAlgorithm.ECDSA_SHA512)
    if isinstance(public_key, mldsa.MLDSA65PublicKey):
        return SignatureAlgorithm.ML_DSA_65
    raise MechanismUnavailable(f"no signature algorithm for {_kind(public_key)}")


def _kind(key: SigningKey | CheckingKey) -> str:
    if isinstance(key, (rsa.RSAPrivateKey, rsa.RSAPublicKey)):
        return f"an RSA-{key.key_size} key"
    if isinstance(key, (ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey)):
        return f"an EC key on {key.curve.name}"
    if isinstance(key, (mldsa.MLDSA65PrivateKey, mldsa.MLDSA65PublicKey)):
        return "an ML-DSA-65 key"
    return "an Ed25519 key"
