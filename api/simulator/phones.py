"""A phone and its SIM: a key pair, a PIN with tries, and the certificate issued for it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from hsm import algorithms
from hsm.algorithms import KeyAlgorithm, SignatureAlgorithm

if TYPE_CHECKING:
    from hsm.algorithms import PrivateKey

DEFAULT_PIN: Final = "1234"
_TRIES: Final = 3
_RSA_SIZES: Final = {KeyAlgorithm.RSA_2048: 2048, KeyAlgorithm.RSA_3072: 3072}
_CURVES: Final = {KeyAlgorithm.P_256: ec.SECP256R1, KeyAlgorithm.P_384: ec.SECP384R1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """One number with its present SIM."""

    msisdn: str
    iccid: str
    algorithm: KeyAlgorithm
    key: PrivateKey = field(repr=False)
    pin: str = field(repr=False)
    tries_left: int = _TRIES
    certificate: bytes | None = field(default=None, repr=False)

    def sign(self, hash_name: str, digest: bytes) -> bytes:
        """Sign a hash with the SIM's key: PKCS#1 v1.5, or ECDSA as DER."""
        family = "rsa-pkcs1" if isinstance(self.key, rsa.RSAPrivateKey) else "ecdsa"
        return algorithms.sign_digest(self.key, SignatureAlgorithm(f"{family}-{hash_name}"), digest)

    def request(self) -> bytes:
        """Prove possession of the key: a certification request (DER)."""
        builder = x509.CertificateSigningRequestBuilder().subject_name(_name(self.msisdn))
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)

    def self_certified(self) -> Phone:
        """Give the SIM a certificate that nobody else issued."""
        now = datetime.now(UTC)
        name = _name(self.msisdn)
        built = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(days=30))
            .sign(self.key, hashes.SHA256())
        )
        return replace(self, certificate=built.public_bytes(Encoding.DER))


def new_phone(msisdn: str, *, algorithm: KeyAlgorithm, pin: str | None = None) -> Phone:
    """Make a phone with a new SIM."""
    digits = "898400" + "".join(secrets.choice("0123456789") for _ in range(13))
    key: PrivateKey
    if algorithm in _RSA_SIZES:
        key = rsa.generate_private_key(65537, _RSA_SIZES[algorithm])
    else:
        key = ec.generate_private_key(_CURVES[algorithm]())
    return Phone(msisdn=msisdn, iccid=digits, algorithm=algorithm, key=key, pin=pin or DEFAULT_PIN)


def wrong_signature(phone: Phone, hash_name: str, digest: bytes) -> bytes:
    """Make a well-formed signature over something else."""
    return phone.sign(hash_name, bytes(byte ^ 0xFF for byte in digest))


def _name(msisdn: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"SIM {msisdn}")])
