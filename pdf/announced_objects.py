"""How many objects the cross-references of a file announce, before anybody counts them one by one.

A cross-reference stream says with one number how many rows it has. A reader that believes it counts
to twelve thousand million and keeps every one; the object layer is not asked to.
"""

import re

from pdf.errors import DamagedPdf, LimitExceeded, PdfError
from pdf.limits import DEFAULT_LIMITS, within
from pdf.syntax import SKIP, WHITESPACE, Buffer, PdfDict, PdfObject, Stream, read_object
from pdf.xref import read_indirect

_STARTXREF = re.compile(rb"startxref[" + WHITESPACE + rb"]*(\d{1,12})")
_TABLE = re.compile(SKIP + rb"xref")
_TRAILER = b"trailer"


def require_countable(buffer: Buffer) -> None:
    """Raise LimitExceeded where a section announces more objects than a document may have.

    What cannot be read is passed over: whoever reads the document says what is wrong with it.
    """
    last = buffer.rfind(b"startxref")
    found = _STARTXREF.match(buffer, last) if last >= 0 else None
    waiting: list[PdfObject] = [int(found[1])] if found else []
    seen: set[int] = set()
    budget = 2 * len(buffer)
    while waiting and len(seen) < DEFAULT_LIMITS.revisions and budget > 0:
        offset = waiting.pop()
        if not isinstance(offset, int) or offset in seen or not 0 <= offset < len(buffer):
            continue
        seen.add(offset)
        try:
            trailer, end = _trailer(buffer, offset)
        except LimitExceeded:
            raise
        except PdfError:
            continue
        budget -= end - offset
        waiting += (trailer.get("Prev"), trailer.get("XRefStm"))


def _trailer(buffer: Buffer, offset: int) -> tuple[PdfDict, int]:
    """Read the trailer of the section at `offset`, and where it ends."""
    if _TABLE.match(buffer, offset):
        place = buffer.find(_TRAILER, offset)
        if place < 0:
            raise DamagedPdf("a cross-reference table has no trailer")
        value, end = read_object(buffer, place + len(_TRAILER))
    else:
        found = read_indirect(buffer, offset, len(buffer))
        value, end = found.value, found.end
        if isinstance(value, Stream):
            value = value.entries
            within(_announced(value), DEFAULT_LIMITS.objects, "too many objects are announced")
    if not isinstance(value, PdfDict):
        raise DamagedPdf(f"no cross-reference section at byte {offset}")
    return value, end


def _announced(trailer: PdfDict) -> int:
    """Add up the rows that a cross-reference stream says it has."""
    index = trailer.get("Index")
    counts = index[1::2] if isinstance(index, list) else [trailer.get("Size")]
    return sum(each for each in counts if isinstance(each, int))
