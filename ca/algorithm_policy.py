"""Which hashes and keys are strong enough, as dated data (after ETSI TS 119 312, BSI TR-02102).

A date is the last moment at which a signature made with the algorithm proves anything. SHA-1 is
gone, but for chains below the anchors that a policy names: the government's own hierarchy of 2010
to 2030 is signed with it, and its certificates are in daily use.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from ca.signature_demands import SignatureDemands

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

_OPEN_END: Final = None

HASHES: Final[Mapping[str, datetime | None]] = MappingProxyType(
    {
        "sha1": datetime(2012, 1, 1, tzinfo=UTC),
        "sha224": datetime(2025, 12, 31, tzinfo=UTC),
        "sha256": _OPEN_END,
        "sha384": _OPEN_END,
        "sha512": _OPEN_END,
        "sha3-256": _OPEN_END,
        "sha3-384": _OPEN_END,
        "sha3-512": _OPEN_END,
    }
)
"""Hashes inside signatures of certificates, CRLs and OCSP answers; MD5 and older never."""

RSA_BITS: Final[tuple[tuple[int, datetime | None], ...]] = (
    (1024, datetime(2010, 12, 31, tzinfo=UTC)),
    (1536, datetime(2013, 12, 31, tzinfo=UTC)),
    (1900, _OPEN_END),
)
"""Smallest modulus and until when; 2048-bit keys whose top bits are zero count as 2048."""

EC_BITS: Final = 224
DSA_BITS: Final = 2048
"""Nobody issues DSA certificates any more; old ones are judged by the strength of their keys."""


@dataclass(frozen=True, slots=True)
class LegacyAnchor:
    """An anchor below which SHA-1 counts, and for which moments, both ends included."""

    fingerprint: bytes
    """SHA-256 of the DER."""
    since: datetime
    until: datetime
    source: str = ""
    """Who decided so, for whoever reads the policy later."""
    documents: bool = False
    """Whether that is so for the digests of documents, too, and not for certificates only."""


@dataclass(frozen=True, slots=True)
class AlgorithmPolicy:
    """The tables, and the anchors below which SHA-1 is let through.

    `legacy_anchors` are SHA-256 fingerprints without a date, `dated_anchors` count only between
    their dates: below them, and nowhere else, the government's chain of 2010 to 2030 holds.
    """

    hashes: Mapping[str, datetime | None] = field(default_factory=lambda: HASHES)
    rsa_bits: tuple[tuple[int, datetime | None], ...] = RSA_BITS
    dsa_bits: int = DSA_BITS
    legacy_anchors: frozenset[bytes] = frozenset()
    dated_anchors: tuple[LegacyAnchor, ...] = ()
    demands: SignatureDemands = field(default_factory=SignatureDemands)

    def is_legacy(self, anchor: bytes, *, at: datetime) -> bool:
        """Say whether SHA-1 is let through below the anchor of this fingerprint at that time."""
        return anchor in self.legacy_anchors or any(
            one.fingerprint == anchor and one.since <= at <= one.until for one in self.dated_anchors
        )

    def hash_known(self, name: str | None) -> bool:
        """Say whether a hash was ever good enough; None: a signature without one of its own."""
        return name is None or name in self.hashes

    def hash_allowed(self, name: str | None, *, at: datetime) -> bool:
        """Say whether a signature with this hash counts at that time; None: no hash of its own."""
        if name is None:
            return True
        return name in self.hashes and _holds(self.hashes[name], at)

    def key_known(self, key: CertificatePublicKeyTypes | None) -> bool:
        """Say whether such a key was ever good enough; an unknown kind may have been."""
        if isinstance(key, rsa.RSAPublicKey):
            return any(key.key_size >= bits for bits, _ in self.rsa_bits)
        if isinstance(key, ec.EllipticCurvePublicKey):
            return key.curve.key_size >= EC_BITS
        return not isinstance(key, dsa.DSAPublicKey) or key.key_size >= self.dsa_bits

    def key_allowed(self, key: CertificatePublicKeyTypes | None, *, at: datetime) -> bool:
        """Say whether signatures by this key count at that time."""
        if key is None:
            return False
        if isinstance(key, rsa.RSAPublicKey):
            return any(key.key_size >= bits and _holds(end, at) for bits, end in self.rsa_bits)
        if isinstance(key, ec.EllipticCurvePublicKey):
            return key.curve.key_size >= EC_BITS
        if isinstance(key, dsa.DSAPublicKey):
            return key.key_size >= self.dsa_bits
        return True


def _holds(end: datetime | None, at: datetime) -> bool:
    return end is None or at <= end
