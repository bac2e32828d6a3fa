"""Private keys on a token, as ``cryptography`` private keys.

They subclass ``rsa.RSAPrivateKey`` and its like, so the certificate, CRL,
CSR and OCSP builders take them like any key. The message is hashed here and only raw mechanisms go
to the token, because they are the ones every module has: ``CKM_RSA_PKCS`` over a DigestInfo,
``CKM_RSA_PKCS_PSS`` with MGF1 of the same hash and a salt as long as the hash, ``CKM_ECDSA`` over
the digest with its r and s turned into DER.

Every signature is verified with the public key before it is returned. That costs little beside the
signature and catches a module that mixes up threads, a faulty device, and a wrong public key.
"""

# ruff: noqa: ARG002 - the interface of cryptography fixes parameters that are refused here

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NoReturn, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import (
    AsymmetricPadding,
    PKCS1v15,
)
from cryptography.hazmat.primitives.asymmetric.utils import (
    NoDigestInfo,
    Prehashed,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    KeySerializationEncryption,
    PrivateFormat,
)
from pkcs11.mechanisms import Mechanism

from hsm.digests import Buffer, Hash, checked_pss, digest_of
from hsm.errors import DeviceFailure, HsmError, MechanismUnavailable, SignatureMismatch
from hsm.objects import TokenPublicKey
from hsm.raw_signing import RawSignature, RawSigner

_STAYS: Final = "the private key never leaves its token"


class _TokenKey:
    """What all kinds of token key share: who makes the raw signature, and that it stays there."""

    def __init__(self, signer: RawSigner) -> None:
        self._signer = signer

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._signer.name})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key on a token cannot be serialised")

    def private_bytes(
        self,
        encoding: Encoding,
        format: PrivateFormat,  # noqa: A002 - the name that callers pass by
        encryption_algorithm: KeySerializationEncryption,
    ) -> NoReturn:
        """Refuse."""
        raise MechanismUnavailable(_STAYS)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self


def _mismatch(made: RawSignature, error: Exception) -> NoReturn:
    made.made_by.count_wrong()
    raise SignatureMismatch(
        f"token {made.made_by.token} returned a signature that is not of its key"
    ) from error


def _outcome(
    made: RawSignature | HsmError, checked: Callable[[RawSignature], bytes]
) -> bytes | HsmError:
    """Check a signature that was made among many; what is wrong with it is its own outcome."""
    if isinstance(made, HsmError):
        return made
    try:
        return checked(made)
    except HsmError as error:
        return error


class TokenRSAPrivateKey(_TokenKey, rsa.RSAPrivateKey):
    """An RSA private key on a token. Thread-safe; made by the key store."""

    def __init__(self, signer: RawSigner, public_key: rsa.RSAPublicKey) -> None:
        super().__init__(signer)
        self._public_key = public_key

    def sign(
        self,
        data: Buffer,
        padding: AsymmetricPadding,
        algorithm: Prehashed | hashes.HashAlgorithm | NoDigestInfo,
    ) -> bytes:
        """Sign with PKCS#1 v1.5, or with PSS and a salt as long as the hash."""
        digest, known = digest_of(data, algorithm)
        if isinstance(padding, PKCS1v15):
            made = self._signer.raw(Mechanism.RSA_PKCS, known.prefix + digest)
        else:
            padding = checked_pss(padding, known)
            made = self._signer.raw(Mechanism.RSA_PKCS_PSS, digest, known.pss)
        return self._checked(made, digest, padding, known)

    def sign_all(
        self,
        messages: Sequence[bytes],
        padding: AsymmetricPadding,
        algorithm: hashes.HashAlgorithm,
    ) -> list[bytes | HsmError]:
        """Sign many messages as `sign` does; in the place of one that failed stands why."""
        hashed = [digest_of(message, algorithm) for message in messages]
        if isinstance(padding, PKCS1v15):
            blocks = [known.prefix + digest for digest, known in hashed]
            made = self._signer.raw_all(Mechanism.RSA_PKCS, blocks)
        else:
            _, shared = digest_of(b"", algorithm)
            padding = checked_pss(padding, shared)
            blocks = [digest for digest, _ in hashed]
            made = self._signer.raw_all(Mechanism.RSA_PKCS_PSS, blocks, shared.pss)
        return [
            _outcome(one, partial(self._checked, digest=digest, padding=padding, known=known))
            for one, (digest, known) in zip(made, hashed, strict=True)
        ]

    def _checked(
        self, made: RawSignature, digest: bytes, padding: AsymmetricPadding, known: Hash
    ) -> bytes:
        try:
            self._public_key.verify(made.value, digest, padding, known.prehashed)
        except InvalidSignature as error:
            _mismatch(made, error)
        return made.value

    def public_key(self) -> rsa.RSAPublicKey:
        """Give the public half."""
        return self._public_key

    @property
    def key_size(self) -> int:
        """Size of the modulus in bits."""
        return self._public_key.key_size

    def decrypt(self, ciphertext: bytes, padding: AsymmetricPadding) -> NoReturn:
        """Refuse: keys of this service sign only."""
        raise MechanismUnavailable("keys on tokens are used for signing only")

    def private_numbers(self) -> NoReturn:
        """Refuse."""
        raise MechanismUnavailable(_STAYS)


class TokenECPrivateKey(_TokenKey, ec.EllipticCurvePrivateKey):
    """An elliptic-curve private key on a token. Thread-safe; made by the key store."""

    def __init__(self, signer: RawSigner, public_key: ec.EllipticCurvePublicKey) -> None:
        super().__init__(signer)
        self._public_key = public_key
        self._width = (public_key.curve.key_size + 7) // 8

    def sign(self, data: Buffer, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """Sign with ECDSA; the result is the DER SEQUENCE of r and s."""
        if not isinstance(signature_algorithm, ec.ECDSA):
            raise MechanismUnavailable("keys on tokens sign with ECDSA")
        digest, known = digest_of(data, signature_algorithm.algorithm)
        # FIPS 186-5 6.4.1 takes the leftmost bits; some modules refuse more than the curve's size.
        made = self._signer.raw(Mechanism.ECDSA, digest[: self._width])
        return self._checked(made, digest, known)

    def sign_all(
        self, messages: Sequence[bytes], signature_algorithm: ec.ECDSA
    ) -> list[bytes | HsmError]:
        """Sign many messages as `sign` does; in the place of one that failed stands why."""
        hashed = [digest_of(message, signature_algorithm.algorithm) for message in messages]
        blocks = [digest[: self._width] for digest, _ in hashed]
        made = self._signer.raw_all(Mechanism.ECDSA, blocks)
        return [
            _outcome(one, partial(self._checked, digest=digest, known=known))
            for one, (digest, known) in zip(made, hashed, strict=True)
        ]

    def _checked(self, made: RawSignature, digest: bytes, known: Hash) -> bytes:
        raw = made.value
        half = len(raw) // 2
        if half != self._width or len(raw) != 2 * half:
            raise DeviceFailure(f"the token returned {len(raw)} bytes instead of r and s")
        signature = encode_dss_signature(
            int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big")
        )
        try:
            self._public_key.verify(signature, digest, known.ecdsa)
        except InvalidSignature as error:
            _mismatch(made, error)
        return signature

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Give the public half."""
        return self._public_key

    @property
    def curve(self) -> ec.EllipticCurve:
        """The named curve."""
        return self._public_key.curve

    @property
    def key_size(self) -> int:
        """Size of the curve's order in bits."""
        return self._public_key.curve.key_size

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> NoReturn:
        """Refuse: keys of this service sign only."""
        raise MechanismUnavailable("keys on tokens are used for signing only")

    def private_numbers(self) -> NoReturn:
        """Refuse."""
        raise MechanismUnavailable(_STAYS)


class TokenEd25519PrivateKey(_TokenKey, ed25519.Ed25519PrivateKey):
    """An Ed25519 private key on a token (PKCS#11 3.0, CKM_EDDSA). Made by the key store."""

    def __init__(self, signer: RawSigner, public_key: ed25519.Ed25519PublicKey) -> None:
        super().__init__(signer)
        self._public_key = public_key

    def sign(self, data: Buffer) -> bytes:
        """Sign the whole message: Ed25519 hashes by itself (RFC 8032 5.1.6)."""
        message = bytes(data)
        made = self._signer.raw(Mechanism.EDDSA, message)
        try:
            self._public_key.verify(made.value, message)
        except InvalidSignature as error:
            _mismatch(made, error)
        return made.value

    def public_key(self) -> ed25519.Ed25519PublicKey:
        """Give the public half."""
        return self._public_key

    def private_bytes_raw(self) -> NoReturn:
        """Refuse."""
        raise MechanismUnavailable(_STAYS)


TokenKey = TokenRSAPrivateKey | TokenECPrivateKey | TokenEd25519PrivateKey


def token_key(signer: RawSigner, public_key: TokenPublicKey) -> TokenKey:
    """Make the private key object of the kind that *public_key* is."""
    if isinstance(public_key, rsa.RSAPublicKey):
        return TokenRSAPrivateKey(signer, public_key)
    if isinstance(public_key, ed25519.Ed25519PublicKey):
        return TokenEd25519PrivateKey(signer, public_key)
    return TokenECPrivateKey(signer, public_key)
