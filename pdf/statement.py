"""What a signer states beside the signature itself: commitment and signature policy.

Signed attributes that EN 319 142-1 section 6.3 leaves to the signer: commitment-type-indication and
signature-policy-identifier (EN 319 122-1 sections 5.2.3 and 5.2.9). Whoever reads them knows why a
document was signed and by which rules, without a word in free text.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from pdf import der_writer as der
from pdf.algorithms import digest_identifier, hash_named
from pdf.errors import StatementInvalid

_COMMITMENT = der.oid("1.2.840.113549.1.9.16.2.16")
_POLICY = der.oid("1.2.840.113549.1.9.16.2.15")
_POLICY_URI = der.oid("1.2.840.113549.1.9.16.5.1")
STATEMENTS = (_COMMITMENT, _POLICY)
"""The attribute types that may stand beside those that every signature has, as DER."""
_IA5_STRING = 0x16
_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]{0,30})){1,30}")
_MAX_URI = 500
_SECOND_ARCS = 40


class Commitment(StrEnum):
    """What a signature means (EN 319 122-1 section 5.2.3, RFC 5126 section 5.11.1)."""

    ORIGIN = "proof-of-origin"
    RECEIPT = "proof-of-receipt"
    DELIVERY = "proof-of-delivery"
    SENDER = "proof-of-sender"
    APPROVAL = "proof-of-approval"
    CREATION = "proof-of-creation"

    @property
    def identifier(self) -> bytes:
        """Its OBJECT IDENTIFIER, DER."""
        return der.oid(f"1.2.840.113549.1.9.16.6.{list(Commitment).index(self) + 1}")


@dataclass(frozen=True, kw_only=True)
class SignaturePolicy:
    """The rules that a signature is made by: their identifier, and the hash of their text."""

    identifier: str
    digest: bytes
    hash_algorithm: str = "sha256"
    uri: str | None = None

    def __post_init__(self) -> None:
        """Raise StatementInvalid for what cannot be encoded."""
        first, _, rest = self.identifier.partition(".")
        second = rest.partition(".")[0]
        if not _OID.fullmatch(self.identifier) or (first != "2" and int(second) >= _SECOND_ARCS):
            raise StatementInvalid("the policy's identifier is not an object identifier")
        try:
            size = hash_named(self.hash_algorithm).digest_size
        except KeyError as error:
            raise StatementInvalid("the policy's hash is sha256, sha384 or sha512") from error
        if len(self.digest) != size:
            raise StatementInvalid(f"the policy's hash has {size} bytes")
        if self.uri is not None and not (self.uri.isascii() and 0 < len(self.uri) <= _MAX_URI):
            raise StatementInvalid(f"the policy's address has 1 to {_MAX_URI} ASCII letters")


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What is stated; nothing by default."""

    commitment: Commitment | None = None
    policy: SignaturePolicy | None = None

    @property
    def attributes(self) -> tuple[bytes, ...]:
        """The signed attributes, DER each."""
        found = []
        if self.commitment is not None:
            kind = der.sequence(self.commitment.identifier)
            found.append(der.sequence(_COMMITMENT, der.tlv(der.SET, kind)))
        if self.policy is not None:
            found.append(der.sequence(_POLICY, der.tlv(der.SET, _encoded(self.policy))))
        return tuple(found)


NOTHING_STATED = Statement()


def _encoded(policy: SignaturePolicy) -> bytes:
    hashed = der.sequence(digest_identifier(policy.hash_algorithm), der.octets(policy.digest))
    parts = [der.oid(policy.identifier), hashed]
    if policy.uri is not None:
        address = der.tlv(_IA5_STRING, policy.uri.encode("ascii"))
        parts.append(der.sequence(der.sequence(_POLICY_URI, address)))
    return der.sequence(*parts)
