"""Private keys on a token, as ``cryptography`` private keys.

They subclass ``rsa.RSAPrivateKey`` and ``ec.EllipticCurvePrivateKey``, so the certificate, CRL,
CSR and OCSP builders take them like any key. The message is hashed here and only raw mechanisms go
to the token, because they are the ones every module has: ``CKM_RSA_PKCS`` over a DigestInfo,
``CKM_RSA_PKCS_PSS`` with MGF1 of the same hash and a salt as long as the hash, ``CKM_ECDSA`` over
the digest with its r and s turned into DER.

Every signature is verified with the public key before it is returned. That costs little beside the
signature and catches a module that mixes up threads, a faulty device, and a wrong public key.
"""

# ruff: noqa: ARG002 - the interface of cryptography fixes parameters that are refused here

from typing import Final, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
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
from pkcs11.mechanisms import MGF, Mechanism

from hsm.digests import Buffer, checked_pss, digest_of
from hsm.errors import DeviceFailure, MechanismUnavailable, PinRequired, SignatureMismatch
from hsm.objects import KeyOnToken
from hsm.sessions import PooledSession, TokenSessions


class _TokenKey:
    """What both kinds of token key share: where the key is, and how to reach it."""

    def __init__(self, sessions: TokenSessions, found: KeyOnToken) -> None:
        self._sessions = sessions
        self._reference = found.reference
        self._always_authenticate = found.always_authenticate
        self._behind_login = sessions.login.is_open

    def _raw(
        self,
        mechanism: Mechanism,
        data: bytes,
        parameter: tuple[Mechanism, MGF, int] | None = None,
    ) -> bytes:
        login, reference = self._sessions.login, self._reference
        if self._behind_login and not login.is_open:
            raise PinRequired(f"token {login.name} was closed and wants its PIN again")

        def operation(pooled: PooledSession) -> bytes:
            return pooled.key(reference).sign(
                data,
                mechanism=mechanism,
                mechanism_param=parameter,
                pin=login.pin.reveal_text() if self._always_authenticate else None,
            )

        return self._sessions.run(operation)

    def _mismatch(self, error: Exception) -> NoReturn:
        self._sessions.figures.wrong_signatures += 1
        raise SignatureMismatch(
            f"token {self._sessions.login.name} returned a signature that is not of its key"
        ) from error

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._reference} on {self._sessions.login.name})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key on a token cannot be serialised")


_STAYS: Final = "the private key never leaves its token"


class TokenRSAPrivateKey(_TokenKey, rsa.RSAPrivateKey):
    """An RSA private key on a token. Thread-safe; made by the key store."""

    def __init__(
        self, sessions: TokenSessions, found: KeyOnToken, public_key: rsa.RSAPublicKey
    ) -> None:
        super().__init__(sessions, found)
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
            signature = self._raw(Mechanism.RSA_PKCS, known.prefix + digest)
        else:
            padding = checked_pss(padding, known)
            signature = self._raw(Mechanism.RSA_PKCS_PSS, digest, known.pss)
        try:
            self._public_key.verify(signature, digest, padding, known.prehashed)
        except InvalidSignature as error:
            self._mismatch(error)
        return signature

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

    def private_bytes(
        self,
        encoding: Encoding,
        format: PrivateFormat,  # noqa: A002 - the name that callers pass by
        encryption_algorithm: KeySerializationEncryption,
    ) -> NoReturn:
        """Refuse."""
        raise MechanismUnavailable(_STAYS)

    def __copy__(self) -> "TokenRSAPrivateKey":
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> "TokenRSAPrivateKey":
        return self


class TokenECPrivateKey(_TokenKey, ec.EllipticCurvePrivateKey):
    """An elliptic-curve private key on a token. Thread-safe; made by the key store."""

    def __init__(
        self, sessions: TokenSessions, found: KeyOnToken, public_key: ec.EllipticCurvePublicKey
    ) -> None:
        super().__init__(sessions, found)
        self._public_key = public_key
        self._width = (public_key.curve.key_size + 7) // 8

    def sign(self, data: Buffer, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """Sign with ECDSA; the result is the DER SEQUENCE of r and s."""
        if not isinstance(signature_algorithm, ec.ECDSA):
            raise MechanismUnavailable("keys on tokens sign with ECDSA")
        digest, known = digest_of(data, signature_algorithm.algorithm)
        # FIPS 186-5 6.4.1 takes the leftmost bits; some modules refuse more than the curve's size.
        raw = self._raw(Mechanism.ECDSA, digest[: self._width])
        half = len(raw) // 2
        if half != self._width or len(raw) != 2 * half:
            raise DeviceFailure(f"the token returned {len(raw)} bytes instead of r and s")
        signature = encode_dss_signature(
            int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big")
        )
        try:
            self._public_key.verify(signature, digest, known.ecdsa)
        except InvalidSignature as error:
            self._mismatch(error)
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

    def private_bytes(
        self,
        encoding: Encoding,
        format: PrivateFormat,  # noqa: A002 - the name that callers pass by
        encryption_algorithm: KeySerializationEncryption,
    ) -> NoReturn:
        """Refuse."""
        raise MechanismUnavailable(_STAYS)

    def __copy__(self) -> "TokenECPrivateKey":
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> "TokenECPrivateKey":
        return self


TokenKey = TokenRSAPrivateKey | TokenECPrivateKey


def token_key(sessions: TokenSessions, found: KeyOnToken) -> TokenKey:
    """Make the private key object for a key that was found on a token."""
    if isinstance(found.public_key, rsa.RSAPublicKey):
        return TokenRSAPrivateKey(sessions, found, found.public_key)
    return TokenECPrivateKey(sessions, found, found.public_key)
