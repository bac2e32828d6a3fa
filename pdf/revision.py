"""What the ways of writing a new revision take and give."""

from dataclasses import dataclass

from pdf.options import SignatureOptions
from pdf.signature_objects import BYTE_RANGE_ROOM
from pdf.signer import SignerChain


@dataclass(frozen=True)
class Wanted:
    """A signature to make room for: `room` bytes for its container."""

    options: SignatureOptions
    signer: SignerChain
    hash_algorithm: str
    room: int


@dataclass(frozen=True)
class Revision:
    """The bytes behind the original file, and where in the whole file the open ends are."""

    tail: bytearray
    base: int
    contents_offset: int
    contents_length: int
    byte_range_offset: int
    field: str

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
