"""During which periods an anchor is trusted, and for what.

An anchor that somebody added counts always. One from a trusted list counts while its service has a
status that the list's scheme calls good (ETSI TS 119 612): what it certified then is still trusted
for signatures that are proven to be that old.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class TrustTerm:
    """A period with its first moment; `until` is the first moment after it, None: no end yet."""

    since: datetime
    until: datetime | None = None

    def includes(self, at: datetime) -> bool:
        """Say whether a moment lies within."""
        return self.since <= at and (self.until is None or at < self.until)


@dataclass(frozen=True, slots=True)
class AnchorTerms:
    """The periods of one anchor, for signers' certificates and for time-stamp authorities'."""

    signing: tuple[TrustTerm, ...] = ()
    timestamping: tuple[TrustTerm, ...] = ()

    def of(self, purpose: str) -> tuple[TrustTerm, ...]:
        """Give the periods for a purpose; for CRLs and OCSP answers those of both count."""
        if purpose == "signing":
            return self.signing
        if purpose == "timestamping":
            return self.timestamping
        return (*self.signing, *self.timestamping)

    def joined(self, other: AnchorTerms) -> AnchorTerms:
        """Give the periods of two lists that name the same anchor."""
        return AnchorTerms(
            (*self.signing, *other.signing), (*self.timestamping, *other.timestamping)
        )

    def to_json(self) -> dict[str, list[list[str | None]]]:
        """Give the terms as JSON."""
        return {"signing": _told(self.signing), "timestamping": _told(self.timestamping)}

    @classmethod
    def from_json(cls, told: Mapping[str, object]) -> AnchorTerms:
        """Read what `to_json` gave."""
        return cls(_read(told["signing"]), _read(told["timestamping"]))


def _told(terms: Iterable[TrustTerm]) -> list[list[str | None]]:
    return [
        [one.since.isoformat(), None if one.until is None else one.until.isoformat()]
        for one in terms
    ]


def _read(told: object) -> tuple[TrustTerm, ...]:
    return tuple(
        TrustTerm(
            datetime.fromisoformat(str(since)),
            None if until is None else datetime.fromisoformat(str(until)),
        )
        for since, until in cast("list[list[object]]", told)
    )
