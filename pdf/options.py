"""What a caller may ask of one signature."""

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum

from pdf.appearance import Stamp
from pdf.errors import PlacementInvalid, StatementInvalid
from pdf.placement import BoxSpace
from pdf.spot import IfTaken, Spot
from pdf.statement import NOTHING_STATED, Statement

# Room kept for one time-stamp token: a token with a chain of four RSA-4096 certificates is about
# 9 kB. A server known to answer with more is given its own figure in the options.
DEFAULT_TIMESTAMP_SIZE = 12 * 1024


class Level(StrEnum):
    """PAdES baseline level (ETSI EN 319 142-1 section 6)."""

    B_B = "B-B"
    """The signature alone."""
    B_T = "B-T"
    """With a trusted time."""
    B_LT = "B-LT"
    """With everything that is needed to validate it, inside the file."""
    B_LTA = "B-LTA"
    """With a time-stamp over all that, which keeps it provable and can be renewed."""

    @property
    def rank(self) -> int:
        """Position in the order of levels; each contains the ones before it."""
        return _RANKS[self]

    def reaches(self, other: "Level") -> bool:
        """Say whether this level contains the other."""
        return self.rank >= other.rank


_RANKS = {level: rank for rank, level in enumerate(Level)}


class CertificationLevel(IntEnum):
    """What stays allowed after a certification signature (ISO 32000-2 table 257, /P)."""

    NO_CHANGES = 1
    FORM_FILLING = 2
    ANNOTATIONS = 3


class SignatureFormat(StrEnum):
    """Where a signature stands."""

    PADES = "pades"
    """In the PDF that it signs."""
    CADES = "cades"
    """In a file of its own (`.p7s`) beside any file."""


class SubFilter(StrEnum):
    """How the signature dictionary names its contents."""

    PADES = "ETSI.CAdES.detached"


@dataclass(frozen=True, kw_only=True)
class SignatureOptions:
    """One signature: when, how, where, and what is seen of it.

    `signing_time` is the claimed time, aware. `page` is 1-based, negative from the end. `box` is
    (left, bottom, right, top) in points, measured as `box_space` says; `spot` is a corner of the
    page or words on it; with neither a stamp goes where its preset belongs. `if_taken` says what
    happens when an earlier signature stands there. Without a stamp the signature is invisible.
    `certify` makes it the author's certification; nothing is ever certified otherwise.
    `agency_copy` says that the document is a copy which the agency made itself, so that its seal
    need not follow a person's signature. `statement` says what the signature means, by which rules.
    """

    signing_time: datetime
    level: Level = Level.B_B
    field: str | None = None
    page: int | None = None
    box: tuple[float, float, float, float] | None = None
    box_space: BoxSpace = BoxSpace.SEEN
    spot: Spot | None = None
    if_taken: IfTaken = IfTaken.REFUSE
    stamp: Stamp | None = None
    reason: str | None = None
    location: str | None = None
    name: str | None = None
    contact: str | None = None
    certify: CertificationLevel | None = None
    agency_copy: bool = False
    password: str | None = dataclasses.field(default=None, repr=False)
    statement: Statement = NOTHING_STATED
    sub_filter: SubFilter = SubFilter.PADES
    timestamp_size: int = DEFAULT_TIMESTAMP_SIZE

    def __post_init__(self) -> None:
        """Refuse a time without its zone, which names two moments, and two places for one stamp."""
        if self.signing_time.tzinfo is None:
            raise ValueError("signing_time needs a time zone")
        if self.reason is not None and self.statement.commitment is not None:
            # EN 319 142-1 section 6.3, on the entry with the key Reason
            raise StatementInvalid("a commitment takes the place of a reason in words")
        if self.box is not None and self.spot is not None:
            raise PlacementInvalid("either a box or a spot is given, not both")
