"""The mathematics of one signature: does this key, over these bytes, give this value.

RSA v1.5 and PSS (RFC 4055, RFC 8017), ECDSA (RFC 5758), plain ECDSA (BSI TR-03111), EdDSA with the
digest rules of RFC 8419 and ISO/TS 32002, DSA, and ML-DSA (RFC 9882) as an experiment.
`check` answers with a reason; only programming errors raise. Policy (is SHA-1 still good enough) is
not decided here.
"""

import hashlib
from enum import StrEnum
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from pdf import der
from pdf.certificates import PublicKey
from pdf.der import BadDer

HashFactory: TypeAlias = type[hashes.HashAlgorithm]

HASHES: dict[str, tuple[str, HashFactory]] = {
    "1.2.840.113549.2.5": ("md5", hashes.MD5),
    "1.3.14.3.2.26": ("sha1", hashes.SHA1),
    "2.16.840.1.101.3.4.2.4": ("sha224", hashes.SHA224),
    "2.16.840.1.101.3.4.2.1": ("sha256", hashes.SHA256),
    "2.16.840.1.101.3.4.2.2": ("sha384", hashes.SHA384),
    "2.16.840.1.101.3.4.2.3": ("sha512", hashes.SHA512),
    "2.16.840.1.101.3.4.2.7": ("sha3_224", hashes.SHA3_224),
    "2.16.840.1.101.3.4.2.8": ("sha3_256", hashes.SHA3_256),
    "2.16.840.1.101.3.4.2.9": ("sha3_384", hashes.SHA3_384),
    "2.16.840.1.101.3.4.2.10": ("sha3_512", hashes.SHA3_512),
}
SHAKE256 = {"2.16.840.1.101.3.4.2.12", "2.16.840.1.101.3.4.2.18"}
RIPEMD160 = "1.3.36.3.2.1"
_SHAKE_BYTES = 64

RSA_ENCRYPTION = "1.2.840.113549.1.1.1"
RSA_PSS = "1.2.840.113549.1.1.10"
MGF1 = "1.2.840.113549.1.1.8"
ED25519, ED448 = "1.3.101.112", "1.3.101.113"
EC_PUBLIC_KEY = "1.2.840.10045.2.1"
_RSA_WITH = {
    "1.2.840.113549.1.1.4": "md5",
    "1.2.840.113549.1.1.5": "sha1",
    "1.3.14.3.2.29": "sha1",
    "1.2.840.113549.1.1.14": "sha224",
    "1.2.840.113549.1.1.11": "sha256",
    "1.2.840.113549.1.1.12": "sha384",
    "1.2.840.113549.1.1.13": "sha512",
    "2.16.840.1.101.3.4.3.13": "sha3_224",
    "2.16.840.1.101.3.4.3.14": "sha3_256",
    "2.16.840.1.101.3.4.3.15": "sha3_384",
    "2.16.840.1.101.3.4.3.16": "sha3_512",
}
_ECDSA_WITH = {
    "1.2.840.10045.4.1": "sha1",
    "1.2.840.10045.4.3.1": "sha224",
    "1.2.840.10045.4.3.2": "sha256",
    "1.2.840.10045.4.3.3": "sha384",
    "1.2.840.10045.4.3.4": "sha512",
    "2.16.840.1.101.3.4.3.9": "sha3_224",
    "2.16.840.1.101.3.4.3.10": "sha3_256",
    "2.16.840.1.101.3.4.3.11": "sha3_384",
    "2.16.840.1.101.3.4.3.12": "sha3_512",
}
_PLAIN_ECDSA = {
    "0.4.0.127.0.7.1.1.4.1.1": "sha1",
    "0.4.0.127.0.7.1.1.4.1.2": "sha224",
    "0.4.0.127.0.7.1.1.4.1.3": "sha256",
    "0.4.0.127.0.7.1.1.4.1.4": "sha384",
    "0.4.0.127.0.7.1.1.4.1.5": "sha512",
}
_DSA_WITH = {
    "1.2.840.10040.4.3": "sha1",
    "1.3.14.3.2.27": "sha1",
    "2.16.840.1.101.3.4.3.1": "sha224",
    "2.16.840.1.101.3.4.3.2": "sha256",
}
_DSA_KEY = {"1.2.840.10040.4.1", "1.3.14.3.2.12"}
_FACTORY = dict(HASHES.values())
MlDsaKey: TypeAlias = mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey
ML_DSA_KEYS = (mldsa.MLDSA44PublicKey, mldsa.MLDSA65PublicKey, mldsa.MLDSA87PublicKey)
# RFC 9882 clause 3.3: the digest of the content is at least as strong as the signature.
_STRONGEST = frozenset({"sha512", "sha3_512", "shake256"})
_STRONG = _STRONGEST | {"sha384", "sha3_384"}
_ML_DSA: dict[str, tuple[type, frozenset[str]]] = {
    "2.16.840.1.101.3.4.3.17": (mldsa.MLDSA44PublicKey, _STRONG | {"sha256", "sha3_256"}),
    "2.16.840.1.101.3.4.3.18": (mldsa.MLDSA65PublicKey, _STRONG),
    "2.16.840.1.101.3.4.3.19": (mldsa.MLDSA87PublicKey, _STRONGEST),
}


class Outcome(StrEnum):
    """What the mathematics says."""

    MATCH = "match"
    MISMATCH = "mismatch"
    UNSUPPORTED = "unsupported"
    RULE_BROKEN = "rule_broken"
    """The value matches, but algorithms were combined against the standard."""


def hash_name(identifier: str) -> str | None:
    """Give the short name of a digest algorithm (`sha256`), None when it is not supported."""
    if identifier in SHAKE256:
        return "shake256"
    if identifier == RIPEMD160:
        return "ripemd160"
    known = HASHES.get(identifier)
    return known[0] if known else _RSA_WITH.get(identifier) or _ECDSA_WITH.get(identifier)


class Digest:
    """An incremental digest that also knows SHAKE256 with 64 bytes of output."""

    def __init__(self, name: str) -> None:
        self._shake = hashlib.shake_256() if name == "shake256" else None
        self._plain = None if self._shake else hashlib.new(name, usedforsecurity=False)

    def update(self, data: bytes | memoryview) -> None:
        """Take in more data."""
        if self._shake is not None:
            self._shake.update(data)
        elif self._plain is not None:
            self._plain.update(data)

    def copy(self) -> "Digest":
        """Give a second one that has taken in the same data."""
        twin = Digest.__new__(Digest)
        twin._shake = self._shake and self._shake.copy()  # noqa: SLF001 (its own class)
        twin._plain = self._plain and self._plain.copy()  # noqa: SLF001 (as above)
        return twin

    def finish(self) -> bytes:
        """Give the digest."""
        if self._shake is not None:
            return self._shake.digest(_SHAKE_BYTES)
        return b"" if self._plain is None else self._plain.digest()


def digest_of(name: str, data: bytes) -> bytes:
    """Digest a whole byte string; raises ValueError for an unknown name."""
    engine = Digest(name)
    engine.update(data)
    return engine.finish()


def check(  # noqa: PLR0911 (one return an outcome)
    key: PublicKey | None,
    *,
    algorithm: tuple[str, bytes | None],
    digest_algorithm: str,
    signature: bytes,
    data: bytes,
) -> Outcome:
    """Check `signature` over `data`.

    `algorithm` is (object identifier, DER parameters) of the signature, `digest_algorithm` the
    object identifier from SignerInfo, used where the signature algorithm does not name a hash.
    """
    identifier, parameters = algorithm
    try:
        if isinstance(key, rsa.RSAPublicKey):
            return _rsa(key, identifier, parameters, digest_algorithm, (signature, data))
        if isinstance(key, ec.EllipticCurvePublicKey):
            return _ecdsa(key, identifier, digest_algorithm, signature, data)
        if isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
            return _eddsa(key, identifier, digest_algorithm, signature, data)
        if isinstance(key, ML_DSA_KEYS):
            return _ml_dsa(key, identifier, digest_algorithm, signature, data)
        if isinstance(key, dsa.DSAPublicKey):
            return _dsa(key, identifier, digest_algorithm, signature, data)
    except InvalidSignature:
        return Outcome.MISMATCH
    except (UnsupportedAlgorithm, BadDer):
        return Outcome.UNSUPPORTED
    except ValueError:
        return Outcome.MISMATCH
    return Outcome.UNSUPPORTED


def _rsa(
    key: rsa.RSAPublicKey,
    identifier: str,
    parameters: bytes | None,
    digest_algorithm: str,
    signed: tuple[bytes, bytes],
) -> Outcome:
    signature, data = signed
    if identifier == RSA_PSS:
        name, mask, salt = _pss_parameters(parameters)
        key.verify(
            signature, data, padding.PSS(padding.MGF1(_FACTORY[mask]()), salt), _FACTORY[name]()
        )
        return Outcome.MATCH if hash_name(digest_algorithm) == name else Outcome.RULE_BROKEN
    named = _RSA_WITH.get(identifier)
    if named is None and identifier not in {RSA_ENCRYPTION, *HASHES}:
        return Outcome.UNSUPPORTED
    name = named or hash_name(digest_algorithm) or ""
    if name not in _FACTORY:
        return Outcome.UNSUPPORTED
    try:
        key.verify(signature, data, padding.PKCS1v15(), _FACTORY[name]())
    except InvalidSignature:
        if not _recovered(key, signature, digest_of(name, data), name):
            raise
    same_hash = named is None or hash_name(digest_algorithm) == name
    return Outcome.MATCH if same_hash else Outcome.RULE_BROKEN


def _recovered(key: rsa.RSAPublicKey, signature: bytes, digest: bytes, name: str) -> bool:
    """Whether the signature holds a DigestInfo without the NULL parameter (RFC 8017 A.2.4)."""
    info = key.recover_data_from_signature(signature, padding.PKCS1v15(), None)
    identifier = next((k for k, (n, _) in HASHES.items() if n == name), "")
    try:
        parts = der.parse(info).expect(der.SEQUENCE, "DigestInfo").children()
        algorithm = parts[0].expect(der.SEQUENCE, "the digest algorithm").children()
        return (
            der.parse(info).end == len(info)
            and len(parts) == 2  # noqa: PLR2004 (algorithm and digest)
            and len(algorithm) == 1
            and der.oid(algorithm[0]) == identifier
            and parts[1].tag == der.OCTET_STRING
            and parts[1].value == digest
        )
    except (BadDer, IndexError):
        return False


def _pss_parameters(parameters: bytes | None) -> tuple[str, str, int]:
    """Read RSASSA-PSS-params: (hash, mask hash, salt length); defaults are those of RFC 4055."""
    name, mask, salt = "sha1", "sha1", 20
    if parameters is not None and parameters[:1] == b"\x30":
        for field in der.parse(parameters).children():
            inner = field.children()[0]
            if field.tag == 0xA0:  # noqa: PLR2004 (context tags of RSASSA-PSS-params, RFC 4055)
                name = _hash_of(inner)
            elif field.tag == 0xA1:  # noqa: PLR2004 (as above)
                parts = inner.children()
                if der.oid(parts[0]) != MGF1:
                    raise BadDer("a mask generation function other than MGF1")
                mask = _hash_of(parts[1])
            elif field.tag == 0xA2:  # noqa: PLR2004 (as above)
                salt = der.integer(inner)
    return name, mask, salt


def _hash_of(node: der.Node) -> str:
    name = HASHES.get(der.oid(node.children()[0]), (None,))[0]
    if name is None:
        raise BadDer("a digest algorithm that is not supported")
    return name


def _ecdsa(
    key: ec.EllipticCurvePublicKey,
    identifier: str,
    digest_algorithm: str,
    signature: bytes,
    data: bytes,
) -> Outcome:
    named = _ECDSA_WITH.get(identifier) or _PLAIN_ECDSA.get(identifier)
    if named is None and identifier not in {EC_PUBLIC_KEY, *HASHES}:
        return Outcome.UNSUPPORTED
    name = named or hash_name(digest_algorithm) or ""
    if name not in _FACTORY:
        return Outcome.UNSUPPORTED
    if identifier in _PLAIN_ECDSA:
        half = len(signature) // 2
        signature = encode_dss_signature(
            int.from_bytes(signature[:half]), int.from_bytes(signature[half:])
        )
    key.verify(signature, data, ec.ECDSA(_FACTORY[name]()))
    same_hash = named is None or hash_name(digest_algorithm) == name
    return Outcome.MATCH if same_hash else Outcome.RULE_BROKEN


def _dsa(
    key: dsa.DSAPublicKey, identifier: str, digest_algorithm: str, signature: bytes, data: bytes
) -> Outcome:
    name = _DSA_WITH.get(identifier)
    if name is None and identifier in _DSA_KEY:
        name = hash_name(digest_algorithm)
    if name is None or name not in _FACTORY:
        return Outcome.UNSUPPORTED
    key.verify(signature, data, _FACTORY[name]())
    return Outcome.MATCH if hash_name(digest_algorithm) == name else Outcome.RULE_BROKEN


def _ml_dsa(
    key: MlDsaKey, identifier: str, digest_algorithm: str, signature: bytes, data: bytes
) -> Outcome:
    """Check ML-DSA in its pure form with an empty context (RFC 9882)."""
    kind, digests = _ML_DSA.get(identifier, (type(None), frozenset()))
    if not isinstance(key, kind):
        return Outcome.UNSUPPORTED
    key.verify(signature, data)
    strong = hash_name(digest_algorithm) in digests
    return Outcome.MATCH if strong else Outcome.RULE_BROKEN


def _eddsa(
    key: ed25519.Ed25519PublicKey | ed448.Ed448PublicKey,
    identifier: str,
    digest_algorithm: str,
    signature: bytes,
    data: bytes,
) -> Outcome:
    short = isinstance(key, ed25519.Ed25519PublicKey)
    if identifier != (ED25519 if short else ED448):
        return Outcome.UNSUPPORTED
    key.verify(signature, data)
    wanted = "sha512" if short else "shake256"  # RFC 8419 clauses 2.3 and 3.1
    return Outcome.MATCH if hash_name(digest_algorithm) == wanted else Outcome.RULE_BROKEN
