"""A PDF file as a chain of revisions, opened without trusting any of its numbers.

`Document` owns the bytes and everything read from them; a `View` is the document as one revision
defines it: the newest (`document.latest`), or the one that ends where a signature's ByteRange ends
(`document.view_at`). What cannot be followed is repaired by scanning for objects, as viewers do,
and `repaired` says so: a verdict must not silently rest on a repair.

Not here: what signatures mean, and what changed between two views.
"""

import mmap
import re
from collections.abc import Sequence
from itertools import takewhile
from typing import BinaryIO

from pdf import filters
from pdf.errors import DamagedPdf, LimitExceeded, NotAPdf, PdfError
from pdf.limits import DEFAULT_LIMITS, Limits, within
from pdf.repair import repaired_section, scan_definitions
from pdf.stream_ends import StreamEnds
from pdf.syntax import WHITESPACE, Buffer, PdfDict, PdfObject, Stream, read_object
from pdf.view import Decryptor, View
from pdf.xref import (
    FREE,
    PLAIN,
    Entry,
    Indirect,
    Section,
    check_entries,
    read_indirect,
    read_section,
)

__all__ = ["Document", "View", "load"]

_HEADER = re.compile(rb"%PDF-\d")
_STARTXREF = re.compile(rb"startxref[" + WHITESPACE + rb"]*(\d{1,12})")
_HEADER_WINDOW = 1024
_MMAP_FROM = 8 * 1024 * 1024
_PLACE = re.compile(rb"\d{1,10}")
_SLACK = 2 * 1024 * 1024
"""Bytes of an object stream that may be read twice, since indexes are written by anybody."""


class Document:
    """The bytes of one file and what was read from them; use it from one thread."""

    def __init__(self, buffer: Buffer, *, limits: Limits = DEFAULT_LIMITS) -> None:
        self.buffer = buffer
        self.size = len(buffer)
        self.limits = limits
        self.decryptor: Decryptor | None = None
        self._indirect: dict[int, Indirect | None] = {}
        self._owners: dict[int, Indirect] = {}
        self._packed: dict[int, Sequence[tuple[int, PdfObject]]] = {}
        self._definitions: list[tuple[int, int, int]] | None = None
        self._decoded = 0
        self._ends = StreamEnds(buffer)
        self._sections: dict[int, Section] = {}
        self._views: dict[tuple[int, int], View] = {}
        self._entry_total = 0
        within(self.size, limits.file_size, "the file is too large")
        header = _HEADER.search(buffer, 0, _HEADER_WINDOW)
        self.header_offset = header.start() if header else 0
        if header is None and not self.definitions():
            raise NotAPdf("the file has neither a PDF header nor PDF objects")
        self.latest = self._newest()

    # Opening ---------------------------------------------------------------------------------

    def _newest(self) -> View:
        view = self._view_from_startxref(self.size)
        if view is not None and ("Encrypt" in view.trailer or isinstance(view.catalog, PdfDict)):
            return view
        repaired = self.repaired_view(self.size)
        if not isinstance(repaired.catalog, PdfDict) and not self.definitions():
            raise NotAPdf("no object of the file can be read")
        return repaired

    def decrypt_with(self, decryptor: Decryptor) -> None:
        """Read on with this decryptor; everything read so far is forgotten."""
        self.decryptor = decryptor
        self._packed.clear()
        self._views.clear()
        self.latest = self._newest()

    def view_at(self, end: int) -> View:
        """Give the document as the first `end` bytes define it."""
        if end >= self.size:
            return self.latest
        view = self._view_from_startxref(end)
        if view is not None and isinstance(view.catalog, PdfDict):
            return view
        return self.repaired_view(end)

    def _view_from_startxref(self, end: int) -> View | None:
        position = self.buffer.rfind(b"startxref", 0, end)
        found = _STARTXREF.match(self.buffer, position, end) if position >= 0 else None
        if found is None:
            return None
        try:
            return self._chain(int(found[1]), end)
        except LimitExceeded:
            raise
        except PdfError:
            return None

    def _chain(self, offset: int, end: int) -> View:
        key = (offset, end)
        if key in self._views:
            return self._views[key]
        sections: list[Section] = []
        seen: set[int] = set()
        following: int | None = offset
        while following is not None and following not in seen:
            seen.add(following)
            within(len(sections) + 1, self.limits.revisions, "too many revisions")
            section = self.section(following, end)
            sections.append(section)
            following = section.previous
        view = View(self, sections, end=end)
        self._views[key] = view
        return view

    def section_view(self, index: int) -> View:
        """Give the document as the newest chain's section `index` (0 is the newest) closes it."""
        if index == 0:
            return self.latest
        sections = self.latest.sections[index:]
        key = (sections[0].offset, -2)
        if key not in self._views:
            end = max(section.tail_end for section in sections)
            self._views[key] = View(self, sections, end=end)
        return self._views[key]

    def section(self, offset: int, end: int) -> Section:
        """Read the cross-reference section that a file offset names, entries checked."""
        known = self._sections.get(offset)
        if (
            known is not None
            and known.end <= end
            and (known.hybrid is None or known.hybrid.end <= end)
        ):
            return known
        shift = 0
        try:
            section = read_section(
                self.buffer, offset, end, decode=self.decode, stream_end=self.stream_end
            )
        except LimitExceeded:
            raise
        except DamagedPdf:
            if not self.header_offset:
                raise
            shift = self.header_offset
            section = read_section(
                self.buffer, offset + shift, end, decode=self.decode, stream_end=self.stream_end
            )
        if section.hybrid_offset is not None:
            section.hybrid = self.section(section.hybrid_offset, end)
        self._check(section, shift, end)
        self._sections[offset] = section
        return section

    def _check(self, section: Section, shift: int, end: int) -> None:
        wrong = check_entries(
            section, self.buffer, shift=shift, limits=self.limits, total=self._entry_total
        )
        self._entry_total += len(section.entries)
        if not wrong:
            return
        stop = section.tail_end or end
        places = {number: offset for offset, number, _ in self.definitions() if offset < stop}
        for number in wrong:
            place = places.get(number)
            section.entries[number] = Entry(FREE, 0, 0) if place is None else Entry(PLAIN, place, 0)
        section.moved = frozenset(wrong)

    def definitions(self) -> list[tuple[int, int, int]]:
        """Give every `number generation obj` in the file: (offset, number, generation), in order.

        Found by scanning, so text inside streams may be among them.
        """
        if self._definitions is None:
            self._definitions = scan_definitions(self.buffer, limits=self.limits)
        return self._definitions

    def repaired_view(self, end: int) -> View:
        """Give the document as a scanning reader sees it: the last definition of a number wins."""
        key = (-1, end)
        if key not in self._views:
            section = repaired_section(self, end)
            self._views[key] = View(self, [section], end=end, repaired=True)
        return self._views[key]

    # Objects ---------------------------------------------------------------------------------

    def indirect(self, offset: int) -> Indirect | None:
        """Read the indirect object at a file offset; None where none can be read."""
        if offset not in self._indirect:
            try:
                found = read_indirect(self.buffer, offset, self.size)
            except LimitExceeded:
                raise
            except PdfError:
                found = None
            self._indirect[offset] = found
            if found is not None and isinstance(found.value, Stream):
                self._owners.setdefault(found.value.start, found)
        return self._indirect[offset]

    def owner(self, stream: Stream) -> Indirect | None:
        """Give the indirect object, among those read so far, that a stream belongs to."""
        return self._owners.get(stream.start)

    def stream_end(self, start: int, length: PdfObject, end: int) -> int:
        """Say where a stream's data ends, before `end`."""
        return self._ends.stream_end(start, length, end)

    def decode(self, raw: bytes, entries: PdfDict) -> bytes:
        """Undo a stream's filters within the document's budget."""
        limits = self.limits
        total = min(limits.decoded_total, max(limits.stream_size, limits.ratio * self.size))
        left = total - self._decoded
        if left <= 0:
            raise LimitExceeded("the document's streams unpack too far", limit=total)
        data = filters.decode(raw, entries, limit=min(left, self.limits.stream_size))
        self._decoded += len(data)
        return data

    def unpack(self, raw: bytes, entries: PdfDict) -> list[tuple[int, PdfObject]]:
        """Read an object stream: (number, object) in the order of its index."""
        data = self.decode(raw, entries)
        count, first = entries.get("N"), entries.get("First")
        if not isinstance(count, int) or not isinstance(first, int) or first < 0:
            raise DamagedPdf("an object stream has no usable index")
        words = data[:first].split()[: 2 * max(0, count)]
        numbers = [int(word) for word in takewhile(_PLACE.fullmatch, words)]
        within(len(numbers) // 2, self.limits.objects, "an object stream holds too many objects")
        result: list[tuple[int, PdfObject]] = []
        left = _SLACK + 2 * len(data)
        for number, position in zip(numbers[::2], numbers[1::2], strict=False):
            start = min(first + position, len(data))
            try:
                value, end = read_object(data, start)
            except DamagedPdf:
                value, end = None, len(data)
            left -= end - start
            if left < 0:
                raise DamagedPdf("the objects of an object stream lie over each other")
            result.append((number, value))
        return result

    def packed(self, view: View, container: int) -> Sequence[tuple[int, PdfObject]]:
        """Give the objects of the object stream `container` as `view` defines it."""
        entry = view.entries.get(container)
        if entry is None or entry.kind != PLAIN:
            return []
        key = entry.first
        if key not in self._packed:
            found = self.indirect(entry.first)
            result: list[tuple[int, PdfObject]] = []
            if found is not None and isinstance(found.value, Stream):
                try:
                    result = self.unpack(view.raw(found.value, found), found.value.entries)
                except LimitExceeded:
                    raise
                except (PdfError, ValueError):
                    result = []
            self._packed[key] = result
        return self._packed[key]


def load(source: BinaryIO, *, limits: Limits = DEFAULT_LIMITS) -> Buffer:
    """Give the bytes of a file: mapped when it is large and a real file, else read at once."""
    size = source.seek(0, 2)
    within(size, limits.file_size, "the file is too large")
    if size >= _MMAP_FROM:
        try:
            return mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError, AttributeError):
            pass  # Not a file of the operating system: read it.
    source.seek(0)
    return source.read(limits.file_size + 1)
