"""How many objects the cross-references of a file announce, before anybody counts them one by one.

A cross-reference stream says with one number how many rows it has. A reader that believes it counts
to twelve thousand million and keeps every one; the object layer is not asked to.
"""

import re
from collections.abc import Iterator

from pdf.errors import DamagedPdf, LimitExceeded, PdfError
from pdf.limits import DEFAULT_LIMITS, within
from pdf.syntax import WHITESPACE, Buffer, PdfDict, PdfObject, Stream, read_object
from pdf.xref import read_indirect

_STARTXREF = re.compile(rb"startxref[" + WHITESPACE + rb"]*(\d{1,12})")
_TABLE = re.compile(rb"[" + WHITESPACE + rb"]*+xref")
_TRAILER = b"trailer"
_NEAR = 12
"""Octets by which an offset may be wrong so that readers still find what it means."""


def require_countable(buffer: Buffer) -> None:
    """Raise LimitExceeded where a section announces more objects than a document may have.

    What cannot be read is passed over: whoever reads the document says what is wrong with it.
    """
    last = buffer.rfind(b"startxref")
    found = _STARTXREF.match(buffer, last) if last >= 0 else None
    waiting: list[PdfObject] = [int(found[1])] if found else []
    seen: set[int] = set()
    walk = _Walk(buffer)
    while waiting and len(seen) < DEFAULT_LIMITS.revisions:
        offset = waiting.pop()
        if not isinstance(offset, int) or offset in seen or not 0 <= offset < len(buffer):
            continue
        seen.add(offset)
        for trailer in walk.trailers(offset):
            waiting += (trailer.get("Prev"), trailer.get("XRefStm"))


class _Walk:
    """Reads trailers, and searches no more than twice the file's size for them."""

    def __init__(self, buffer: Buffer) -> None:
        self._buffer = buffer
        self._left = 2 * len(buffer)

    def trailers(self, offset: int) -> Iterator[PdfDict]:
        """Read the trailer at an offset; where none is, those of places that it may have meant."""
        for place in (offset, *range(max(0, offset - _NEAR), offset + _NEAR)):
            try:
                yield self._trailer(place)
            except LimitExceeded:
                raise
            except PdfError:
                continue
            if place == offset:
                return

    def _trailer(self, offset: int) -> PdfDict:
        value: PdfObject
        if _TABLE.match(self._buffer, offset):
            until = min(len(self._buffer), offset + self._left)
            place = self._buffer.find(_TRAILER, offset, until)
            self._left -= (place if place >= 0 else until) - offset
            if place < 0:
                raise DamagedPdf("a cross-reference table has no trailer")
            value, _ = read_object(self._buffer, place + len(_TRAILER))
        else:
            value = read_indirect(self._buffer, offset, len(self._buffer)).value
            if isinstance(value, Stream):
                value = value.entries
                within(_announced(value), DEFAULT_LIMITS.objects, "too many objects are announced")
        if not isinstance(value, PdfDict):
            raise DamagedPdf(f"no cross-reference section at byte {offset}")
        return value


def _announced(trailer: PdfDict) -> int:
    """Add up the rows that a cross-reference stream says it has."""
    index = trailer.get("Index")
    counts = index[1::2] if isinstance(index, list) else [trailer.get("Size")]
    return sum(each for each in counts if isinstance(each, int))
