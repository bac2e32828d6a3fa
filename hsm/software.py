"""Keys in encrypted files: PKCS#8 (PEM or DER) and PKCS#12.

For machines without a token, and for the ordinary ``.p12`` that people have. The file is read once
and the plain ``cryptography`` key kept; a file that was replaced is read again. A file that is not
encrypted is refused, since a key URI promises that a secret stands before the key.
"""

import hashlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

from hsm.algorithms import KeyAlgorithm, PrivateKey, SigningKey
from hsm.errors import KeyFileUnreadable, PinIncorrect, PinRequired
from hsm.key_uri import KeyURI
from hsm.secret import Secret

MAX_KEY_FILE: Final = 1024 * 1024
"""A key with a long chain is some tens of kB; a larger file was named by mistake."""

_PEM_KEY: Final = b"PRIVATE KEY-----"
_PEM_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"
_CURVES: Final = {KeyAlgorithm.P_256: ec.SECP256R1(), KeyAlgorithm.P_384: ec.SECP384R1()}
_MODULUS: Final = {
    KeyAlgorithm.RSA_2048: 2048,
    KeyAlgorithm.RSA_3072: 3072,
    KeyAlgorithm.RSA_4096: 4096,
}
_KINDS: Final = (
    rsa.RSAPrivateKey,
    ec.EllipticCurvePrivateKey,
    ed25519.Ed25519PrivateKey,
    mldsa.MLDSA65PrivateKey,
)


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A key and the certificates that stood beside it, the key's own first. DER."""

    key: SigningKey
    certificates: tuple[bytes, ...]


class KeyFiles:
    """Key files that were opened, each with proof of the passphrase that opened it. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._salt = os.urandom(16)
        self._open: dict[Path, tuple[_Version, bytes, KeyFile]] = {}

    def open(self, path: Path, passphrase: Secret | None) -> KeyFile:
        """Open the file, or give the opened one to a caller who shows the same passphrase.

        None asks for a file that is open already. Raises PinRequired, PinIncorrect or
        KeyFileUnreadable.
        """
        with self._lock:
            version = _version(path)
            known = self._open.get(path)
            if known is not None and known[0] == version:
                if passphrase is None or self._proof(passphrase) == known[1]:
                    return known[2]
                raise PinIncorrect(f"the passphrase of {path.name} is wrong")
            if passphrase is None:
                raise PinRequired(f"the key file {path.name} needs a passphrase")
            opened = load_key_file(path, passphrase)
            self._open[path] = (version, self._proof(passphrase), opened)
            return opened

    def is_open(self, path: Path) -> bool:
        """Whether the file, as it is now, was opened before; raises KeyFileUnreadable."""
        version = _version(path)
        with self._lock:
            known = self._open.get(path)
            return known is not None and known[0] == version

    def close(self) -> None:
        """Forget every key."""
        with self._lock:
            self._open.clear()

    def _proof(self, passphrase: Secret) -> bytes:
        return hashlib.blake2b(passphrase.reveal(), key=self._salt).digest()


_Version = tuple[int, int, int]


def _version(path: Path) -> _Version:
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise KeyFileUnreadable(f"the key file {path} cannot be read") from error
    return status.st_ino, status.st_size, status.st_mtime_ns


def load_key_file(path: Path, passphrase: Secret) -> KeyFile:
    """Read and decrypt one file, whatever of the accepted kinds it is."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_KEY_FILE + 1)
    except (OSError, ValueError) as error:
        raise KeyFileUnreadable(f"the key file {path} cannot be read") from error
    if len(content) > MAX_KEY_FILE:
        raise KeyFileUnreadable(f"{path.name} is larger than any key file")
    try:
        key, certificates = _decrypt(content, passphrase.reveal())
    except TypeError as error:
        raise KeyFileUnreadable(f"the key in {path.name} is not encrypted") from error
    except UnsupportedAlgorithm as error:
        raise KeyFileUnreadable(f"{path.name} is encrypted in an unknown way") from error
    except ValueError as error:
        if "password" in str(error):
            raise PinIncorrect(f"the passphrase of {path.name} is wrong") from error
        raise KeyFileUnreadable(f"{path.name} is not an encrypted key file") from error
    if not isinstance(key, _KINDS):
        raise KeyFileUnreadable(f"the key in {path.name} is of a kind that is not used here")
    return KeyFile(key, _own_first(key, certificates))


def _decrypt(content: bytes, passphrase: bytes) -> tuple[object, list[x509.Certificate]]:
    if _PEM_KEY in content:
        certificates = (
            x509.load_pem_x509_certificates(content) if _PEM_CERTIFICATE in content else []
        )
        return load_pem_private_key(content, passphrase), certificates
    if _is_pkcs12(content):
        bundle = load_pkcs12(content, passphrase)
        held = [bundle.cert, *bundle.additional_certs]
        return bundle.key, [entry.certificate for entry in held if entry is not None]
    return load_der_private_key(content, passphrase), []


def _is_pkcs12(content: bytes) -> bool:
    """PFX begins with version 3 (RFC 7292 4); EncryptedPrivateKeyInfo begins with a SEQUENCE."""
    header = 2 if content[1:2] < b"\x80" else 2 + (content[1] & 0x7F)
    return content[:1] == b"\x30" and content[header : header + 3] == b"\x02\x01\x03"


def _own_first(key: SigningKey, certificates: list[x509.Certificate]) -> tuple[bytes, ...]:
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def is_other(certificate: x509.Certificate) -> bool:
        spki = certificate.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        return spki != public

    ders = [c.public_bytes(Encoding.DER) for c in sorted(certificates, key=is_other)]
    return tuple(dict.fromkeys(ders))


def generate_key(algorithm: KeyAlgorithm) -> PrivateKey:
    """Make a key in memory."""
    if algorithm in _MODULUS:
        return rsa.generate_private_key(public_exponent=65537, key_size=_MODULUS[algorithm])
    if algorithm in _CURVES:
        return ec.generate_private_key(_CURVES[algorithm])
    return ed25519.Ed25519PrivateKey.generate()


def generate_key_file(path: Path, *, algorithm: KeyAlgorithm, passphrase: Secret) -> KeyURI:
    """Make a key in a new encrypted PKCS#8 PEM file of mode 0600; never replaces a file.

    The encryption is PBES2 with AES-256. Its key stretching is short, so *passphrase* should be a
    random one of 128 bits or more, as the set-up makes them.
    """
    if not passphrase:
        raise PinRequired("a key file needs a passphrase")
    pem = generate_key(algorithm).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase.reveal())
    )
    write_private_file(path, pem)
    return KeyURI.for_file(path)


def write_private_file(path: Path, content: bytes) -> None:
    """Write a new file that only this account can read; fails when it exists."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise KeyFileUnreadable(f"{path} cannot be written") from error
