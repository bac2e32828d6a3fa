"""Looking up our authorities and opening the keys they sign with.

An authority's certificate and key never change after they were made; what does is whether it is
revoked, and which is the newest of its role. So whoever keeps an `AuthoritySigner` looks from time
to time whether it is still the one to use.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import select

from ca.algorithm_identifiers import DIGEST_OF_SIGNATURE, SIGNATURE_IDENTIFIERS
from ca.errors import AuthorityNotFound, AuthorityUnavailable
from ca.models import Authority, AuthorityRole
from hsm import algorithms
from hsm.errors import HsmError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from hsm.algorithms import PrivateKey
    from hsm.providers import KeyStore


@dataclass(frozen=True, slots=True)
class AuthoritySigner:
    """An authority's certificate with its private key, ready to sign."""

    certificate: x509.Certificate
    certificate_der: bytes
    private_key: PrivateKey
    algorithm: algorithms.SignatureAlgorithm

    @property
    def algorithm_identifier(self) -> bytes:
        """DER of the AlgorithmIdentifier that belongs beside each signature."""
        return SIGNATURE_IDENTIFIERS[self.algorithm.value]

    @property
    def digest(self) -> str:
        """Name of the hash inside the signature algorithm, such as `sha256`."""
        return DIGEST_OF_SIGNATURE[self.algorithm.value]

    @property
    def in_process(self) -> bool:
        """Whether the key lies in this process's memory, so that signing waits for no device."""
        return type(self.private_key).__module__.startswith("cryptography.")

    def sign(self, data: bytes) -> bytes:
        """Sign the data itself (not its hash); AuthorityUnavailable when the token fails."""
        try:
            return algorithms.sign(self.private_key, self.algorithm, data)
        except HsmError as error:
            raise AuthorityUnavailable(str(error)) from error

    def sign_all(self, messages: Sequence[bytes]) -> list[bytes | HsmError]:
        """Sign many messages; in the place of one that could not be signed stands why."""
        return algorithms.sign_all(self.private_key, self.algorithm, messages)

    def sign_joined(self, parts: Sequence[bytes]) -> bytes:
        """Sign parts as if they were joined: a list of 50 MB is hashed where it lies."""
        name = self.algorithm.hash_name
        if name is None:
            return self.sign(b"".join(parts))
        digest = hashlib.new(name)
        for part in parts:
            digest.update(part)
        try:
            return algorithms.sign_digest(self.private_key, self.algorithm, digest.digest())
        except HsmError as error:
            raise AuthorityUnavailable(str(error)) from error


def by_slug(session: Session, slug: str) -> Authority:
    """Find an authority by the name in its URLs; AuthorityNotFound otherwise."""
    found = session.scalar(select(Authority).where(Authority.slug == slug))
    if found is None:
        raise AuthorityNotFound(slug)
    return found


def issuing(session: Session) -> Authority:
    """Find the authority that issues subscribers' certificates: the newest of its role."""
    return _newest(session, AuthorityRole.ISSUING)


def time_stamping(session: Session) -> Authority:
    """Find the authority whose key signs time-stamps: the newest of its role."""
    return _newest(session, AuthorityRole.TSA)


def _newest(session: Session, role: AuthorityRole) -> Authority:
    query = select(Authority).where(Authority.role == role)
    newest = query.order_by(Authority.created_at.desc(), Authority.id.desc()).limit(1)
    found = session.scalar(newest.where(Authority.revoked_at.is_(None)))
    if found is not None:
        return found
    if session.scalar(newest) is not None:
        raise AuthorityUnavailable(f"every {role.value} authority is revoked")
    raise AuthorityNotFound(role.value)


def certificate_chain(session: Session, authority: Authority) -> list[bytes]:
    """List the DER certificates from this authority up to its root, both included."""
    chain = [authority.certificate]
    while authority.issuer_id is not None:
        above = session.get(Authority, authority.issuer_id)
        if above is None:
            raise AuthorityNotFound(str(authority.issuer_id))
        chain.append(above.certificate)
        authority = above
    return chain


def signer(authority: Authority, *, keys: KeyStore) -> AuthoritySigner:
    """Open the authority's key and make sure that it belongs to the authority's certificate."""
    certificate = x509.load_der_x509_certificate(authority.certificate)
    try:
        private_key = keys.open(authority.key_uri)
        public_key = private_key.public_key()
        algorithm = algorithms.default_for(public_key)
    except HsmError as error:
        raise AuthorityUnavailable(f"{authority.slug}: {error}") from error
    written = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    expected = certificate.public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    if written != expected:
        raise AuthorityUnavailable(f"{authority.slug}: the key is not the one of its certificate")
    return AuthoritySigner(certificate, authority.certificate, private_key, algorithm)
