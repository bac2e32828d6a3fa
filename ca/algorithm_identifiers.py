"""AlgorithmIdentifier values (RFC 5280 4.1.1.2) as DER, for what our own keys sign with.

Parameters follow RFC 4055 (NULL with PKCS#1 v1.5, explicit with PSS), RFC 5758 (absent with ECDSA)
and RFC 8410 (absent with Ed25519).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ca.der import NULL, explicit, integer, object_identifier, sequence

if TYPE_CHECKING:
    from collections.abc import Mapping

DIGEST_OIDS: Final[Mapping[str, str]] = {
    "sha1": "1.3.14.3.2.26",
    "sha256": "2.16.840.1.101.3.4.2.1",
    "sha384": "2.16.840.1.101.3.4.2.2",
    "sha512": "2.16.840.1.101.3.4.2.3",
}
DIGEST_NAMES: Final[Mapping[str, str]] = {oid: name for name, oid in DIGEST_OIDS.items()}
DIGEST_SIZES: Final[Mapping[str, int]] = {"sha1": 20, "sha256": 32, "sha384": 48, "sha512": 64}


def _pss(digest: str) -> bytes:
    hash_identifier = sequence(object_identifier(DIGEST_OIDS[digest]), NULL)
    mask = sequence(object_identifier("1.2.840.113549.1.1.8"), hash_identifier)
    salt = integer(DIGEST_SIZES[digest])
    parameters = sequence(explicit(0, hash_identifier), explicit(1, mask), explicit(2, salt))
    return sequence(object_identifier("1.2.840.113549.1.1.10"), parameters)


SIGNATURE_IDENTIFIERS: Final[Mapping[str, bytes]] = {
    "rsa-pkcs1-sha256": sequence(object_identifier("1.2.840.113549.1.1.11"), NULL),
    "rsa-pkcs1-sha384": sequence(object_identifier("1.2.840.113549.1.1.12"), NULL),
    "rsa-pkcs1-sha512": sequence(object_identifier("1.2.840.113549.1.1.13"), NULL),
    "rsa-pss-sha256": _pss("sha256"),
    "rsa-pss-sha384": _pss("sha384"),
    "rsa-pss-sha512": _pss("sha512"),
    "ecdsa-sha256": sequence(object_identifier("1.2.840.10045.4.3.2")),
    "ecdsa-sha384": sequence(object_identifier("1.2.840.10045.4.3.3")),
    "ecdsa-sha512": sequence(object_identifier("1.2.840.10045.4.3.4")),
    "ed25519": sequence(object_identifier("1.3.101.112")),
}
"""Keyed by the value of `hsm.algorithms.SignatureAlgorithm`."""

DIGEST_OF_SIGNATURE: Final[Mapping[str, str]] = {
    name: "sha512" if name == "ed25519" else name.rpartition("-")[2]
    for name in SIGNATURE_IDENTIFIERS
}
"""The hash inside each signature algorithm; Ed25519 goes with SHA-512 (RFC 8419 2.3)."""


def digest_identifier(name: str) -> bytes:
    """Encode the AlgorithmIdentifier of a hash, with absent parameters (RFC 5754 2)."""
    return sequence(object_identifier(DIGEST_OIDS[name]))
