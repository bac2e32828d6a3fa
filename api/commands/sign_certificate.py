"""Which certificate `antin sign` signs with, of those that belong to its key.

A key may have several: an expired one and the one that renewed it, or two of different issuers.
Labels and places on a token say nothing reliable about them; a SHA-256 fingerprint names one
exactly, and without it the newest that is in force is taken.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api.errors import ParameterInvalid
from pdf.errors import CertificateUnsuitable
from pdf.signer import SignerChain

if TYPE_CHECKING:
    from datetime import datetime

    from api.commands.sign_keys import Opened

FINGERPRINT: Final = "sha256:"


def given(cert: str | None) -> list[bytes]:
    """Read the certificates (DER) of the file that `--cert` names; none for a fingerprint."""
    return [] if cert is None or _is_fingerprint(cert) else read(Path(cert))


def chain_of(key: Opened, cert: str | None, chain: Path | None, *, at: datetime) -> SignerChain:
    """Put the certificate of the key first, and the others behind it."""
    own = _spki(key.public_key)
    named = given(cert)
    mine = [der for der in named or key.certificates if _key_of(der) == own]
    if named and not mine:
        raise CertificateUnsuitable(f"{cert} holds no certificate of this key")
    if not mine:
        raise CertificateUnsuitable("no certificate of this key was found beside it; give --cert")
    chosen = _named(mine, cert) if cert and _is_fingerprint(cert) else _newest(mine, at)
    others = [der for der in key.certificates if der != chosen]
    if chain is not None:
        others += read(chain)
    return SignerChain(chosen, tuple(dict.fromkeys(others)))


def read(path: Path) -> list[bytes]:
    """Read the certificates (DER) of a file in PEM or DER."""
    data = path.read_bytes()
    try:
        if b"-----BEGIN" in data:
            found = x509.load_pem_x509_certificates(data)
        else:
            found = [x509.load_der_x509_certificate(data)]
    except ValueError as error:
        raise ParameterInvalid(str(path), "no certificate in PEM or DER") from error
    return [one.public_bytes(Encoding.DER) for one in found]


def _is_fingerprint(cert: str) -> bool:
    return cert.lower().startswith(FINGERPRINT)


def _named(mine: list[bytes], cert: str) -> bytes:
    wanted = cert[len(FINGERPRINT) :].replace(":", "").lower()
    for der in mine:
        if hashlib.sha256(der).hexdigest() == wanted:
            return der
    raise CertificateUnsuitable("no certificate of this key has that SHA-256 fingerprint")


def _newest(mine: list[bytes], at: datetime) -> bytes:
    """Give the newest that is in force, else the newest."""

    def rank(der: bytes) -> tuple[bool, datetime]:
        parsed = _parsed(der)
        in_force = parsed.not_valid_before_utc <= at <= parsed.not_valid_after_utc
        return in_force, parsed.not_valid_before_utc

    return max(mine, key=rank)


def _parsed(der: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(der)


def _key_of(der: bytes) -> bytes | None:
    try:
        return _spki(_parsed(der).public_key())
    except (ValueError, UnsupportedAlgorithm):
        return None  # what else lies beside the key is its own business


def _spki(public_key: object) -> bytes:
    encode = public_key.public_bytes  # type: ignore[attr-defined]  # every key of cryptography has it
    return bytes(encode(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
