"""Public keys: strong enough, not blocked, and nobody else's.

A key certified for one subscriber is never certified for another, and a key that was compromised
is blocked for ever. Both are rows of `public_keys`, whose primary key decides between two
transactions that claim the same key at once.
"""

import hashlib
import math
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import Text, Uuid, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from ca.errors import KeyUnacceptable
from ca.models import Authority, CertificateRequest, PublicKey, RequestState
from ca.profiles import KeyRules
from db import audit
from db.bulk import one_of
from hsm.algorithms import KeyAlgorithm

RSA_EXPONENT_RANGE: Final = (1 << 16, 1 << 256)
"""Exclusive bounds of the public exponent (ETSI TS 119 312 6.2.2.1, FIPS 186-5 5.4)."""

FERMAT_ROUNDS: Final = 100
"""Steps of Fermat's factorisation: primes that lie close together fall within a few."""

_SMALL_PRIMES: Final = tuple(
    n for n in range(3, 752) if all(n % d for d in range(2, math.isqrt(n) + 1))
)
_SMALL_PRIME_PRODUCT: Final = math.prod(_SMALL_PRIMES)

_SUBGROUPS: Final = tuple(
    (p, frozenset(pow(65537, k, p) for k in range(p - 1))) for p in _SMALL_PRIMES[:38]
)
"""Residues of powers of 65537: a modulus inside all of them was made by the generator known from
"The Return of Coppersmith's Attack" (Nemec et al., 2017), and can be factored."""


_PENDING: Final = frozenset(RequestState) - {
    RequestState.REJECTED,
    RequestState.ISSUED,
    RequestState.DELIVERED,
    RequestState.ACTIVE,
}


def fingerprint(public_key: CertificatePublicKeyTypes) -> str:
    """Return SHA-256 over the DER SubjectPublicKeyInfo in lower-case hexadecimal."""
    encoded = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(encoded).hexdigest()


def check_strength(public_key: CertificatePublicKeyTypes, *, rules: KeyRules) -> None:
    """Raise KeyUnacceptable unless the key is of an allowed kind and not visibly weak."""
    if isinstance(public_key, rsa.RSAPublicKey):
        _check_rsa(public_key, rules)
    elif isinstance(public_key, ec.EllipticCurvePublicKey):
        if public_key.curve.name not in rules.curves:
            raise KeyUnacceptable("curve_not_allowed", public_key.curve.name)
    else:
        raise KeyUnacceptable("kind_not_allowed", "neither RSA nor an allowed elliptic curve")


def check_algorithm(algorithm: KeyAlgorithm, *, rules: KeyRules) -> None:
    """Raise KeyUnacceptable for a kind of key that, once made, would not be certified."""
    kind, _, size = algorithm.partition("-")
    if kind == "rsa":
        smallest, largest = rules.rsa_bits
        if not smallest <= int(size) <= largest:
            raise KeyUnacceptable("rsa_too_small", f"{size} bits")
    elif kind == "p":
        if f"secp{size}r1" not in rules.curves:
            raise KeyUnacceptable("curve_not_allowed", algorithm)
    else:
        raise KeyUnacceptable("kind_not_allowed", "neither RSA nor an allowed elliptic curve")


def _check_rsa(public_key: rsa.RSAPublicKey, rules: KeyRules) -> None:
    smallest, largest = rules.rsa_bits
    if public_key.key_size < smallest:
        raise KeyUnacceptable("rsa_too_small", f"{public_key.key_size} bits")
    if public_key.key_size > largest:
        raise KeyUnacceptable("rsa_too_large", f"{public_key.key_size} bits")
    numbers = public_key.public_numbers()
    lower, upper = RSA_EXPONENT_RANGE
    if not lower < numbers.e < upper or numbers.e % 2 == 0:
        raise KeyUnacceptable("rsa_exponent", f"exponent {numbers.e}")
    if numbers.n % 2 == 0 or math.gcd(numbers.n, _SMALL_PRIME_PRODUCT) != 1:
        raise KeyUnacceptable("rsa_modulus", "has a small factor")
    if all(numbers.n % prime in residues for prime, residues in _SUBGROUPS):
        raise KeyUnacceptable("rsa_modulus", "was made by a generator whose keys can be factored")
    if _primes_are_close(numbers.n):
        raise KeyUnacceptable("rsa_modulus", "its primes lie too close together")


def _primes_are_close(modulus: int) -> bool:
    root = math.isqrt(modulus)
    root += root * root < modulus
    for candidate in range(root, root + FERMAT_ROUNDS):
        rest = candidate * candidate - modulus
        if math.isqrt(rest) ** 2 == rest:
            return True
    return False


def claim(session: Session, *, spki_sha256: str, subscriber_id: uuid.UUID, at: datetime) -> None:
    """Note that a key is this subscriber's; raise KeyUnacceptable if blocked or another's.

    A second transaction with the same key waits here until the first has ended, also one that
    is about to block it.
    """
    new = insert(PublicKey).values(
        spki_sha256=spki_sha256, subscriber_id=subscriber_id, first_seen_at=at
    )
    # The update changes nothing; it locks the row and makes RETURNING give it, old or new.
    owner, blocked_at = session.execute(
        new.on_conflict_do_update(
            index_elements=[PublicKey.spki_sha256],
            set_={PublicKey.first_seen_at: PublicKey.first_seen_at},
        ).returning(PublicKey.subscriber_id, PublicKey.blocked_at)
    ).one()
    check_owner(owner, blocked_at, subscriber_id)


def check_not_taken(session: Session, *, spki_sha256: str, subscriber_id: uuid.UUID) -> None:
    """Raise KeyUnacceptable if the key is blocked, another subscriber's or an authority's."""
    known = session.execute(
        select(PublicKey.subscriber_id, PublicKey.blocked_at).where(
            PublicKey.spki_sha256 == spki_sha256
        )
    ).one_or_none()
    if known is not None:
        check_owner(*known, subscriber_id)
    for encoded in session.scalars(select(Authority.certificate)):
        if fingerprint(x509.load_der_x509_certificate(encoded).public_key()) == spki_sha256:
            raise KeyUnacceptable("of_an_authority", "an authority's key certifies nobody else")


def known(session: Session, hashes: Sequence[str]) -> frozenset[str]:
    """Return those of the keys that were certified or blocked before, or are an authority's."""
    found = select(PublicKey.spki_sha256).where(one_of(PublicKey.spki_sha256, hashes, Text()))
    own = {
        fingerprint(x509.load_der_x509_certificate(encoded).public_key())
        for encoded in session.scalars(select(Authority.certificate))
    }
    return frozenset(session.scalars(found)) | own.intersection(hashes)


def asked_for(session: Session, subscriber_ids: Sequence[uuid.UUID]) -> frozenset[bytes]:
    """Return the CSRs of these subscribers' requests that are not done yet."""
    pending = select(CertificateRequest.csr).where(
        one_of(CertificateRequest.subscriber_id, subscriber_ids, Uuid()),
        CertificateRequest.state.in_(_PENDING),
        CertificateRequest.csr.is_not(None),
    )
    return frozenset(bytes(one) for one in session.scalars(pending) if one is not None)


def check_owner(
    owner: uuid.UUID | None, blocked_at: datetime | None, subscriber_id: uuid.UUID
) -> None:
    """Raise KeyUnacceptable unless a key is free, or this subscriber's, and not blocked."""
    if blocked_at is not None:
        raise KeyUnacceptable("blocked", "this key may never be certified again")
    if owner not in {None, subscriber_id}:
        raise KeyUnacceptable("of_another_subscriber", "every subscriber needs a key of their own")


def block(session: Session, *, spki_sha256: str, reason: str, at: datetime, actor: str) -> None:
    """Block a key for ever, also one never seen here; blocking twice changes nothing."""
    session.execute(
        insert(PublicKey).values(spki_sha256=spki_sha256, first_seen_at=at).on_conflict_do_nothing()
    )
    known = session.scalars(
        select(PublicKey).where(PublicKey.spki_sha256 == spki_sha256).with_for_update()
    ).one()
    if known.blocked_at is not None:
        return
    known.blocked_at, known.blocked_reason = at, reason
    audit.record(
        session,
        at=at,
        actor=actor,
        action="public_key.block",
        object_type="public_key",
        object_id=spki_sha256,
        after={"reason": reason},
    )
    session.flush()
