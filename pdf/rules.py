"""What a signature itself is judged by, as data: algorithms with dates, attributes, policies.

Certificates have rules of their own, which the validator knows. A caller that has a policy hands
both the same tables; without one, the tables here count.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

DIGESTS: dict[str, datetime | None] = {
    "ripemd160": datetime(2014, 8, 1, tzinfo=UTC),
    "sha1": datetime(2012, 1, 1, tzinfo=UTC),
    "sha224": datetime(2025, 12, 31, tzinfo=UTC),
    "sha256": None,
    "sha384": None,
    "sha512": None,
    "sha3_224": datetime(2025, 12, 31, tzinfo=UTC),
    "sha3_256": None,
    "sha3_384": None,
    "sha3_512": None,
    "shake256": None,
}
"""Until when a digest proves anything (ETSI TS 119 312), None: no end is known; others never."""
RSA_BITS: tuple[tuple[int, datetime | None], ...] = (
    (1024, datetime(2010, 12, 31, tzinfo=UTC)),
    (1536, datetime(2013, 12, 31, tzinfo=UTC)),
    (1900, None),
)
"""The same for the size of a modulus; 2048-bit keys whose top bits are zero count as 2048."""
DSA_BITS = 2048


@dataclass(frozen=True, kw_only=True)
class LegacyAnchor:
    """A trust anchor below which signatures with SHA-1 count between two moments."""

    fingerprint: str
    """SHA-256 of its DER, hexadecimal."""
    since: datetime
    until: datetime


@dataclass(frozen=True, kw_only=True)
class Rules:
    """One policy for signatures."""

    digests: Mapping[str, datetime | None] = field(default_factory=lambda: DIGESTS)
    rsa_bits: tuple[tuple[int, datetime | None], ...] = RSA_BITS
    dsa_bits: int = DSA_BITS
    legacy_anchors: tuple[LegacyAnchor, ...] = ()
    required: tuple[str, ...] = ()
    """Attributes that a signature must have; the words of `pdf.demands.ATTRIBUTES`."""
    policies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Signature policies: object identifier to the hexadecimal digests of its document."""
    known_policies_only: bool = False
    """Whether a signature under another policy is left undecided."""

    def to_json(self) -> dict[str, object]:
        """Give the rules as JSON."""
        return {
            "digests": {name: _text(end) for name, end in self.digests.items()},
            "rsa_bits": [[bits, _text(end)] for bits, end in self.rsa_bits],
            "dsa_bits": self.dsa_bits,
            "legacy_anchors": [
                [one.fingerprint, _text(one.since), _text(one.until)] for one in self.legacy_anchors
            ],
            "required": list(self.required),
            "policies": {name: list(digests) for name, digests in self.policies.items()},
            "known_policies_only": self.known_policies_only,
        }

    @classmethod
    def from_json(cls, told: Mapping[str, object]) -> "Rules":
        """Read what `to_json` gave."""
        sizes = cast("list[tuple[int, object]]", told["rsa_bits"])
        anchors = cast("list[tuple[str, str, str]]", told["legacy_anchors"])
        policies = cast("Mapping[str, list[str]]", told["policies"])
        digests = cast("Mapping[str, object]", told["digests"])
        return cls(
            digests={name: _time(end) for name, end in digests.items()},
            rsa_bits=tuple((bits, _time(end)) for bits, end in sizes),
            dsa_bits=int(str(told["dsa_bits"])),
            legacy_anchors=tuple(
                LegacyAnchor(
                    fingerprint=mark,
                    since=datetime.fromisoformat(since),
                    until=datetime.fromisoformat(until),
                )
                for mark, since, until in anchors
            ),
            required=tuple(cast("list[str]", told["required"])),
            policies={name: tuple(given) for name, given in policies.items()},
            known_policies_only=bool(told["known_policies_only"]),
        )


DEFAULT_RULES = Rules()


def _text(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()


def _time(value: object) -> datetime | None:
    return None if value is None else datetime.fromisoformat(str(value))
