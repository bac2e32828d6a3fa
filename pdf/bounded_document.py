"""A document that is read where it cannot be stopped: little of it, and nothing that is not plain.

A server reads strangers' files in worker processes that it can kill (`signing.isolation`). For a
small plain file that costs more than all the rest of a signature, so its few objects that matter
(cross-references, catalog, first or last page, signature fields) are read in the process itself,
but only by code in Python whose work is bounded by these numbers before it is done. Whatever needs
more raises BeyondBounds, and a worker reads the file: it then decides what becomes of it.

Not done here at all: repairing, decoding filters, decrypting, taking signatures or images apart.
"""

from collections.abc import Sequence
from typing import Final

from pdf.errors import PdfError
from pdf.limits import MIB, Limits
from pdf.packed_objects import NotPlain
from pdf.plain_reader import PlainReader
from pdf.syntax import Buffer, PdfDict, PdfObject
from pdf.view import View
from pdf.xref import Indirect, Section, read_indirect

MOST_BYTES: Final = MIB
"""Of a file; letters and decisions without scans are smaller."""
MOST_READ: Final = 256 * 1024
"""Bytes of all objects and trailers that are read: some 50 ms of parsing; an honest file of this
size needs a few kilobytes."""
LIMITS: Final = Limits(
    file_size=MOST_BYTES, revisions=16, objects=20_000, depth=64, decoded_total=256 * 1024
)
_ROW: Final = 20


class BeyondBounds(NotPlain):
    """The file has to be read where that can be stopped. Not an error of the file."""


class BoundedDocument(PlainReader):
    """Reads as `PlainReader` does, or raises NotPlain; what it gives is the same."""

    def __init__(self, buffer: Buffer) -> None:
        self._left = MOST_READ
        super().__init__(buffer, limits=LIMITS)

    def section(self, offset: int, end: int) -> Section:
        """Read a section of cross-references; its rows are limited by the number of objects."""
        fresh = offset not in self._sections
        section = super().section(offset, end)
        if fresh:
            self._spend(section.end - section.offset - _ROW * len(section.entries))
        return section

    def indirect(self, offset: int) -> Indirect | None:
        """Read an object within what is left to read."""
        if offset in self._indirect:
            return self._indirect[offset]
        end = min(self.size, offset + self._left)
        try:
            found = read_indirect(self.buffer, offset, end)
        except PdfError as error:
            raise BeyondBounds("an object cannot be read, or is too large") from error
        self._spend(found.end - offset)
        self._indirect[offset] = found
        return found

    def packed(self, view: View, container: int) -> Sequence[tuple[int, PdfObject]]:
        """Unpack nothing."""
        del view
        raise BeyondBounds(f"object stream {container} would have to be unpacked")

    def decode(self, raw: bytes, entries: PdfDict) -> bytes:
        """Give data that no filter stands before."""
        if any(entries.get(key) is not None for key in ("Filter", "F", "DecodeParms", "DP")):
            raise BeyondBounds("a filter would have to be undone")
        self._spend(len(raw))
        return raw

    def _spend(self, count: int) -> None:
        self._left -= max(0, count)
        if self._left < 0:
            raise BeyondBounds("too much of it would have to be read")
