"""The words of the Cloud Signature Consortium's API, in both generations of it.

Version 1.0.4 says ``hash``, ``hashAlgo``, ``PIN`` and ``OTP``; version 2 ``hashes``,
``hashAlgorithmOID`` and ``authData``. Algorithms are named by OID, the signature's one including
its hash; RSASSA-PSS has its parameters beside it (RFC 8017 A.2.3).
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from asn1crypto.algos import RSASSAPSSParams

from hsm.algorithms import SignatureAlgorithm
from hsm.errors import MechanismUnavailable
from hsm.refusals import Refusal, refused
from hsm.secret import Secret

HASH_OIDS: Final = {
    "sha256": "2.16.840.1.101.3.4.2.1",
    "sha384": "2.16.840.1.101.3.4.2.2",
    "sha512": "2.16.840.1.101.3.4.2.3",
}
_HASH_BYTES: Final = {"sha256": 32, "sha384": 48, "sha512": 64}
RSA: Final = "1.2.840.113549.1.1.1"
RSA_PSS: Final = "1.2.840.113549.1.1.10"
EC: Final = "1.2.840.10045.2.1"
SIGNATURE_OIDS: Final[Mapping[SignatureAlgorithm, str]] = {
    SignatureAlgorithm.RSA_PKCS1_SHA256: "1.2.840.113549.1.1.11",
    SignatureAlgorithm.RSA_PKCS1_SHA384: "1.2.840.113549.1.1.12",
    SignatureAlgorithm.RSA_PKCS1_SHA512: "1.2.840.113549.1.1.13",
    SignatureAlgorithm.RSA_PSS_SHA256: RSA_PSS,
    SignatureAlgorithm.RSA_PSS_SHA384: RSA_PSS,
    SignatureAlgorithm.RSA_PSS_SHA512: RSA_PSS,
    SignatureAlgorithm.ECDSA_SHA256: "1.2.840.10045.4.3.2",
    SignatureAlgorithm.ECDSA_SHA384: "1.2.840.10045.4.3.3",
    SignatureAlgorithm.ECDSA_SHA512: "1.2.840.10045.4.3.4",
}
MAX_CERTIFICATES: Final = 10


class CscVersion(StrEnum):
    """Which generation of names a service takes."""

    V1 = "v1"
    V2 = "v2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What ``credentials/info`` says about a key."""

    certificates: tuple[bytes, ...]
    algorithms: frozenset[str]
    enabled: bool
    certificate_status: str
    scal: int
    multisign: int
    wants_pin: bool
    wants_otp: bool

    @classmethod
    def read(cls, answer: Mapping[str, object]) -> "Credential":
        """Read the answer of either version; raises SignatureRefused."""
        key, cert = _object(answer, "key"), _object(answer, "cert")
        certificates = _list(cert, "certificates")[:MAX_CERTIFICATES]
        return cls(
            certificates=tuple(decoded(one) for one in certificates),
            algorithms=frozenset(str(one) for one in _list(key, "algo")),
            enabled=key.get("status", "enabled") == "enabled",
            certificate_status=str(cert.get("status", "valid")),
            scal=2 if str(answer.get("SCAL", "1")) == "2" else 1,
            multisign=_count(answer.get("multisign", 1)),
            wants_pin=_wants(answer, "PIN"),
            wants_otp=_wants(answer, "OTP"),
        )

    def fits(self, algorithm: SignatureAlgorithm) -> bool:
        """Say whether the key makes such signatures; services may name only the kind of key."""
        oid = SIGNATURE_OIDS.get(algorithm)
        if oid is None:
            return False
        return bool({oid, EC if algorithm.startswith("ecdsa") else RSA} & self.algorithms)


@dataclass(frozen=True, slots=True, kw_only=True)
class HashesToSign:
    """The hashes that one authorisation is about."""

    credential_id: str
    algorithm: SignatureAlgorithm
    digests: tuple[bytes, ...]

    @property
    def hash_name(self) -> str:
        """Which hash they are."""
        return self.algorithm.hash_name or ""

    def authorization(
        self, version: CscVersion, *, pinned: bool, pin: Secret | None, otp: Secret | None
    ) -> dict[str, object]:
        """Write the body of ``credentials/authorize``; *pinned* names the hashes (SCAL2)."""
        body: dict[str, object] = {
            "credentialID": self.credential_id,
            "numSignatures": len(self.digests),
        }
        given = {name: one.reveal_text() for name, one in (("PIN", pin), ("OTP", otp)) if one}
        if version is CscVersion.V1:
            body |= given
            return body | ({"hash": encoded(self.digests)} if pinned else {})
        if given:
            body["authData"] = [{"id": name, "value": value} for name, value in given.items()]
        if pinned:
            body |= {"hashes": encoded(self.digests), "hashAlgorithmOID": HASH_OIDS[self.hash_name]}
        return body

    def signing(self, version: CscVersion, sad: Secret) -> dict[str, object]:
        """Write the body of ``signatures/signHash``."""
        body: dict[str, object] = {
            "credentialID": self.credential_id,
            "SAD": sad.reveal_text(),
            "signAlgo": signature_oid(self.algorithm),
        }
        names = ("hash", "hashAlgo") if version is CscVersion.V1 else ("hashes", "hashAlgorithmOID")
        body[names[0]] = encoded(self.digests)
        body[names[1]] = HASH_OIDS[self.hash_name]
        if SIGNATURE_OIDS[self.algorithm] == RSA_PSS:
            body["signAlgoParams"] = base64.b64encode(_pss(self.hash_name)).decode()
        return body


def signature_oid(algorithm: SignatureAlgorithm) -> str:
    """Give the OID of a signature algorithm; raises MechanismUnavailable."""
    try:
        return SIGNATURE_OIDS[algorithm]
    except KeyError:
        raise MechanismUnavailable(f"a signing service does not make {algorithm}") from None


def signatures(answer: Mapping[str, object], *, count: int) -> tuple[bytes, ...]:
    """Read the signatures, as many as hashes were sent and in their order."""
    found = _list(answer, "signatures")
    if len(found) != count:
        what = f"the service sent {len(found)} signatures for {count} hashes"
        raise refused(Refusal.PROVIDER_ERROR, what)
    return tuple(decoded(one) for one in found)


def encoded(values: Sequence[bytes]) -> list[str]:
    """Write as base64."""
    return [base64.b64encode(value).decode() for value in values]


def decoded(value: object) -> bytes:
    """Read base64; raises SignatureRefused."""
    try:
        return base64.b64decode(str(value), validate=True)
    except (binascii.Error, ValueError) as error:
        raise refused(Refusal.PROVIDER_ERROR, "a value of the service is not base64") from error


def _pss(hash_name: str) -> bytes:
    digest = {"algorithm": hash_name}
    parameters = RSASSAPSSParams(
        {
            "hash_algorithm": digest,
            "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": digest},
            "salt_length": _HASH_BYTES[hash_name],
        }
    )
    return bytes(parameters.dump())


def _wants(answer: Mapping[str, object], kind: str) -> bool:
    """Say whether a PIN or OTP goes with the authorisation, in either version's words."""
    v1 = answer.get(kind)
    if isinstance(v1, dict):
        return str(v1.get("presence", "false")).lower() == "true"
    auth = answer.get("auth")
    objects = auth.get("objects") if isinstance(auth, dict) else None
    if not isinstance(objects, list):
        return False
    return any(
        isinstance(one, dict) and kind in {str(one.get("id")), str(one.get("type"))}
        for one in objects
    )


def _object(answer: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = answer.get(name)
    if not isinstance(value, dict):
        raise refused(Refusal.PROVIDER_ERROR, f"the service's answer has no {name}")
    return value


def _list(answer: Mapping[str, object], name: str) -> list[object]:
    value = answer.get(name)
    if not isinstance(value, list):
        raise refused(Refusal.PROVIDER_ERROR, f"the service's answer has no list {name}")
    return value


def _count(value: object) -> int:
    try:
        return max(1, int(str(value)))
    except ValueError:
        return 1
