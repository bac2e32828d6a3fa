"""Read a damaged file as a scanning reader does: find objects by their words, last one wins.

Viewers repair silently; a verifier repairs too, so that a damaged but readable file is reported on,
but every view made here says `repaired`.
"""

import re
from typing import Protocol

from pdf.errors import DamagedPdf, LimitExceeded, PdfError
from pdf.limits import Limits, within
from pdf.syntax import WHITESPACE, Buffer, PdfDict, PdfObject, Ref, Stream, read_object
from pdf.view import Decryptor
from pdf.xref import PACKED, PLAIN, Entry, Indirect, Section

_OBJ = re.compile(rb"(?<![A-Za-z])obj(?![A-Za-z])")
_OBJ_BEFORE = re.compile(
    rb"(?<![0-9])(\d{1,10})[" + WHITESPACE + rb"]+(\d{1,5})[" + WHITESPACE + rb"]*$"
)
_TRAILER_WORD = re.compile(rb"trailer[" + WHITESPACE + rb"]*(?=<<)")
_TRAILER_KEYS = ("Root", "Info", "Encrypt", "ID")


class Damaged(Protocol):
    """The document that is repaired."""

    buffer: Buffer
    decryptor: Decryptor | None

    def definitions(self) -> list[tuple[int, int, int]]:
        """Give every definition in the file."""

    def indirect(self, offset: int) -> Indirect | None:
        """Read the indirect object at a file offset."""

    def unpack(self, raw: bytes, entries: PdfDict) -> list[tuple[int, PdfObject]]:
        """Read an object stream."""

    def stream_end(self, start: int, length: PdfObject, end: int) -> int:
        """Say where a stream's data ends."""


def scan_definitions(buffer: Buffer, *, limits: Limits) -> list[tuple[int, int, int]]:
    """Find every `number generation obj`: (offset, number, generation), in order."""
    found: list[tuple[int, int, int]] = []
    for match in _OBJ.finditer(buffer):
        start = max(0, match.start() - 32)
        head = _OBJ_BEFORE.search(bytes(buffer[start : match.start()]))
        if head is not None:
            found.append((start + head.start(), int(head[1]), int(head[2])))
            within(len(found), limits.objects, "too many objects")
    return found


def repaired_section(document: Damaged, end: int) -> Section:
    """Make a cross-reference section of what a scan of the first `end` bytes finds."""
    entries: dict[int, Entry] = {}
    trailer = PdfDict()
    skip_to = 0
    for offset, number, generation in document.definitions():
        if offset >= end:
            break
        found = document.indirect(offset) if offset >= skip_to else None
        if found is None:
            continue
        entries[number] = Entry(PLAIN, offset, generation)
        if isinstance(found.value, Stream):
            skip_to = _take_stream(document, found, end, entries, trailer)
        elif isinstance(found.value, PdfDict) and found.value.get("Type") == "Catalog":
            trailer.setdefault("Root", Ref(number, generation))
    _take_trailers(document.buffer, end, trailer)
    return Section(
        offset=-1, end=end, tail_end=end, trailer=trailer, entries=entries, previous=None
    )


def _take_stream(
    document: Damaged, found: Indirect, end: int, entries: dict[int, Entry], trailer: PdfDict
) -> int:
    """Take what a stream says about other objects; give where its data ends."""
    stream = found.value
    if not isinstance(stream, Stream):
        return found.end
    try:
        stop = document.stream_end(stream.start, stream.entries.get("Length"), end)
    except DamagedPdf:
        return stream.start
    kind = stream.entries.get("Type")
    if kind == "XRef":
        trailer.update({k: v for k, v in stream.entries.items() if k in _TRAILER_KEYS})
    elif kind == "ObjStm" and document.decryptor is None:
        try:
            packed = document.unpack(bytes(document.buffer[stream.start : stop]), stream.entries)
        except LimitExceeded:
            raise
        except PdfError:
            return stop
        for index, (inner, _) in enumerate(packed):
            entries[inner] = Entry(PACKED, found.number, index)
    return stop


def _take_trailers(buffer: Buffer, end: int, trailer: PdfDict) -> None:
    for match in _TRAILER_WORD.finditer(buffer, 0, end):
        try:
            value, _ = read_object(buffer, match.end(), end)
        except PdfError:
            continue
        if isinstance(value, PdfDict):
            trailer.update({k: v for k, v in value.items() if k in _TRAILER_KEYS})
