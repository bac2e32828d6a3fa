"""What the ways of writing a new revision take and give."""

from dataclasses import dataclass

from pdf.options import SignatureOptions
from pdf.placement import Placed, PlaceWish
from pdf.presets import Preset
from pdf.signature_objects import BYTE_RANGE_ROOM
from pdf.signer import SignerChain
from pdf.words import FoundText


@dataclass(frozen=True)
class Wanted:
    """A signature to make room for: `room` bytes for its container.

    `anchor` is where the words of an AnchorSpot stand.
    """

    options: SignatureOptions
    signer: SignerChain
    hash_algorithm: str
    room: int
    anchor: FoundText | None = None


def place_wish(wanted: Wanted, *, size: tuple[float, float], preset: Preset) -> PlaceWish:
    """Say where the stamp of a signature is wanted."""
    options = wanted.options
    return PlaceWish(
        size=size,
        habit=preset.habit,
        box=options.box,
        box_space=options.box_space,
        spot=options.spot,
        anchor=wanted.anchor.box if wanted.anchor is not None else None,
        if_taken=options.if_taken,
    )


@dataclass(frozen=True)
class Revision:
    """The bytes behind the original file, and where in the whole file the open ends are."""

    tail: bytearray
    base: int
    contents_offset: int
    contents_length: int
    byte_range_offset: int
    field: str
    placed: Placed | None = None

    @property
    def byte_range(self) -> tuple[int, int, int, int]:
        """Everything but the hex string of /Contents with its angle brackets."""
        before = self.contents_offset - 1
        after = self.contents_offset + self.contents_length + 1
        return 0, before, after, self.base + len(self.tail) - after

    def close_byte_range(self) -> None:
        """Write the byte range into the room kept for it."""
        at = self.byte_range_offset - self.base
        text = b"[%d %d %d %d]" % self.byte_range
        self.tail[at : at + BYTE_RANGE_ROOM] = text.ljust(BYTE_RANGE_ROOM)


def separator(last: bytes) -> bytes:
    """Give the line end that keeps new objects out of an unfinished last line."""
    return b"" if last in {b"\r", b"\n"} else b"\n"
