"""Hashing on this side of the token, and what each hash means to the token's raw mechanisms."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, AsymmetricPadding
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo, Prehashed
from pkcs11.mechanisms import MGF, Mechanism

from hsm.errors import MechanismUnavailable

Buffer = bytes | bytearray | memoryview


class _Digest(Protocol):
    def digest(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Hash:
    """What is needed to sign with one hash function, made once."""

    name: str
    new: Callable[[Buffer], _Digest]
    prefix: bytes
    """DER of the DigestInfo up to the digest (RFC 8017 9.2, note 1)."""
    pss: tuple[Mechanism, MGF, int]
    prehashed: Prehashed
    ecdsa: ec.ECDSA
    pss_padding: PSS


def _hash(algorithm: hashes.HashAlgorithm, prefix: str, mechanism: Mechanism, mgf: MGF) -> Hash:
    prehashed = Prehashed(algorithm)
    return Hash(
        name=algorithm.name,
        new=getattr(hashlib, algorithm.name),
        prefix=bytes.fromhex(prefix),
        pss=(mechanism, mgf, algorithm.digest_size),
        prehashed=prehashed,
        ecdsa=ec.ECDSA(prehashed),
        pss_padding=PSS(MGF1(algorithm), algorithm.digest_size),
    )


HASHES: Final = {
    "sha256": _hash(
        hashes.SHA256(),
        "3031300d060960864801650304020105000420",
        Mechanism.SHA256,
        MGF.SHA256,
    ),
    "sha384": _hash(
        hashes.SHA384(),
        "3041300d060960864801650304020205000430",
        Mechanism.SHA384,
        MGF.SHA384,
    ),
    "sha512": _hash(
        hashes.SHA512(),
        "3051300d060960864801650304020305000440",
        Mechanism.SHA512,
        MGF.SHA512,
    ),
}


def digest_of(
    data: Buffer, algorithm: Prehashed | hashes.HashAlgorithm | NoDigestInfo
) -> tuple[bytes, Hash]:
    """Hash *data*, or take it as the digest it already is."""
    if isinstance(algorithm, NoDigestInfo):
        raise MechanismUnavailable("keys on tokens sign a digest whose algorithm is named")
    if not isinstance(algorithm, Prehashed):
        known = _known(algorithm.name)
        return known.new(data).digest(), known
    known = _known(algorithm._algorithm.name)  # noqa: SLF001 - there is no public way to ask it
    digest = bytes(data)
    if len(digest) != algorithm.digest_size:
        # cryptography's own keys raise the same for this mistake of the calling code.
        raise ValueError("the prehashed data is not as long as its digest")
    return digest, known


def _known(name: str) -> Hash:
    found = HASHES.get(name)
    if found is None:
        raise MechanismUnavailable(f"token keys do not sign over {name}")
    return found


def checked_pss(asked: AsymmetricPadding, known: Hash) -> PSS:
    """Accept PSS in the one shape that is used here: MGF1 of the same hash, salt of its length."""
    if not isinstance(asked, PSS):
        raise MechanismUnavailable("keys on tokens sign with PKCS#1 v1.5 or PSS")
    _, _, length = known.pss
    salt = asked._salt_length  # noqa: SLF001 - there is no public way to ask it
    mask = asked.mgf._algorithm  # noqa: SLF001 - as above
    if salt not in {PSS.DIGEST_LENGTH, length} or mask.name != known.name:
        raise MechanismUnavailable("PSS is made with MGF1 of the same hash and a salt as long")
    return known.pss_padding
