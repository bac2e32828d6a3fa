"""A PDF file as a chain of revisions, opened without trusting any of its numbers.

`Document` owns the bytes and everything read from them; a `View` is the document as one revision
defines it: the newest (`document.latest`), or the one that ends where a signature's ByteRange ends
(`document.view_at`). What cannot be followed is repaired by scanning for objects, as viewers do,
and `repaired` says so: a verdict must not silently rest on a repair.

Not here: what signatures mean, and what changed between two views.
"""

import mmap
import re
from collections.abc import Iterator
from itertools import takewhile
from typing import BinaryIO, Protocol

from pdf import filters
from pdf.errors import DamagedPdf, LimitExceeded, NotAPdf, PdfError
from pdf.limits import DEFAULT_LIMITS, Limits, within
from pdf.syntax import (
    WHITESPACE,
    Buffer,
    Name,
    PdfDict,
    PdfObject,
    Ref,
    Stream,
    read_object,
)
from pdf.xref import (
    FREE,
    PACKED,
    PLAIN,
    Entry,
    Indirect,
    Section,
    check_entries,
    object_end,
    read_indirect,
    read_section,
    stream_end,
)

_HEADER = re.compile(rb"%PDF-\d")
_OBJ = re.compile(rb"(?<![A-Za-z])obj(?![A-Za-z])")
_OBJ_BEFORE = re.compile(
    rb"(?<![0-9])(\d{1,10})[" + WHITESPACE + rb"]+(\d{1,5})[" + WHITESPACE + rb"]*$"
)
_STARTXREF = re.compile(rb"startxref[" + WHITESPACE + rb"]*(\d{1,12})")
_TRAILER_WORD = re.compile(rb"trailer[" + WHITESPACE + rb"]*(?=<<)")
_HEADER_WINDOW = 1024
_LINK_LIMIT = 16
_MMAP_FROM = 8 * 1024 * 1024


class Decryptor(Protocol):
    """Undoes the document's encryption for one object."""

    def text(self, number: int, generation: int, data: bytes) -> bytes:
        """Decrypt a string."""

    def stream(self, number: int, generation: int, data: bytes) -> bytes:
        """Decrypt a stream's raw data."""


class Document:
    """The bytes of one file and what was read from them; use it from one thread."""

    def __init__(self, buffer: Buffer, *, limits: Limits = DEFAULT_LIMITS) -> None:
        self.buffer = buffer
        self.size = len(buffer)
        self.limits = limits
        self.decryptor: Decryptor | None = None
        self._indirect: dict[int, Indirect | None] = {}
        self._packed: dict[int, list[tuple[int, PdfObject]]] = {}
        self._definitions: list[tuple[int, int, int]] | None = None
        self._decoded = 0
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

    def _newest(self) -> "View":
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

    def view_at(self, end: int) -> "View":
        """Give the document as the first `end` bytes define it."""
        if end >= self.size:
            return self.latest
        view = self._view_from_startxref(end)
        if view is not None and isinstance(view.catalog, PdfDict):
            return view
        return self.repaired_view(end)

    def _view_from_startxref(self, end: int) -> "View | None":
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

    def _chain(self, offset: int, end: int) -> "View":
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

    def section_view(self, index: int) -> "View":
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
            section = read_section(self.buffer, offset, end, decode=self.decode)
        except LimitExceeded:
            raise
        except DamagedPdf:
            if not self.header_offset:
                raise
            shift = self.header_offset
            section = read_section(self.buffer, offset + shift, end, decode=self.decode)
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

    # Repair ----------------------------------------------------------------------------------

    def definitions(self) -> list[tuple[int, int, int]]:
        """Every `number generation obj` in the file: (offset, number, generation), in order.

        Found by scanning, so text inside streams may be among them.
        """
        if self._definitions is None:
            found: list[tuple[int, int, int]] = []
            for match in _OBJ.finditer(self.buffer):
                start = max(0, match.start() - 32)
                head = _OBJ_BEFORE.search(bytes(self.buffer[start : match.start()]))
                if head is not None:
                    found.append((start + head.start(), int(head[1]), int(head[2])))
                    within(len(found), self.limits.objects, "too many objects")
            self._definitions = found
        return self._definitions

    def repaired_view(self, end: int) -> "View":
        """Give the document as a scanning reader sees it: the last definition of a number wins."""
        key = (-1, end)
        if key in self._views:
            return self._views[key]
        entries: dict[int, Entry] = {}
        trailer = PdfDict()
        skip_to = 0
        for offset, number, generation in self.definitions():
            if offset >= end:
                break
            if offset < skip_to:
                continue
            found = self.indirect(offset)
            if found is None:
                continue
            entries[number] = Entry(PLAIN, offset, generation)
            if isinstance(found.value, Stream):
                skip_to = self._repair_stream(number, found.value, end, entries, trailer)
            elif isinstance(found.value, PdfDict) and found.value.get("Type") == "Catalog":
                trailer.setdefault("Root", Ref(number, generation))
        self._repair_trailers(trailer, end)
        section = Section(
            offset=-1, end=end, tail_end=end, trailer=trailer, entries=entries, previous=None
        )
        view = View(self, [section], end=end, repaired=True)
        self._views[key] = view
        return view

    def _repair_stream(
        self, number: int, stream: Stream, end: int, entries: dict[int, Entry], trailer: PdfDict
    ) -> int:
        try:
            stop = stream_end(self.buffer, stream.start, stream.entries.get("Length"), end)
        except DamagedPdf:
            return stream.start
        kind = stream.entries.get("Type")
        if kind == "XRef":
            trailer.update(
                {k: v for k, v in stream.entries.items() if k in {"Root", "Info", "Encrypt", "ID"}}
            )
        elif kind == "ObjStm" and self.decryptor is None:
            try:
                packed = self._unpack(bytes(self.buffer[stream.start : stop]), stream.entries)
            except LimitExceeded:
                raise
            except PdfError:
                return stop
            for index, (inner, _) in enumerate(packed):
                entries[inner] = Entry(PACKED, number, index)
        return stop

    def _repair_trailers(self, trailer: PdfDict, end: int) -> None:
        for match in _TRAILER_WORD.finditer(self.buffer, 0, end):
            try:
                value, _ = read_object(self.buffer, match.end(), end)
            except PdfError:
                continue
            if isinstance(value, PdfDict):
                for key in ("Root", "Info", "Encrypt", "ID"):
                    if key in value:
                        trailer[key] = value[key]

    # Objects ---------------------------------------------------------------------------------

    def indirect(self, offset: int) -> Indirect | None:
        """Read the indirect object at a file offset; None where none can be read."""
        if offset not in self._indirect:
            try:
                self._indirect[offset] = read_indirect(self.buffer, offset, self.size)
            except LimitExceeded:
                raise
            except PdfError:
                self._indirect[offset] = None
        return self._indirect[offset]

    def decode(self, raw: bytes, entries: PdfDict) -> bytes:
        """Undo a stream's filters within the document's budget."""
        left = self.limits.decoded_total - self._decoded
        if left <= 0:
            raise LimitExceeded(
                "the document's streams unpack too far", limit=self.limits.decoded_total
            )
        data = filters.decode(raw, entries, limit=min(left, self.limits.stream_size))
        self._decoded += len(data)
        return data

    def _unpack(self, raw: bytes, entries: PdfDict) -> list[tuple[int, PdfObject]]:
        """Read an object stream: (number, object) in the order of its index."""
        data = self.decode(raw, entries)
        count, first = entries.get("N"), entries.get("First")
        if not isinstance(count, int) or not isinstance(first, int) or first < 0:
            raise DamagedPdf("an object stream has no usable index")
        words = data[:first].split()[: 2 * max(0, count)]
        numbers = [int(word) for word in takewhile(bytes.isdigit, words)]
        result: list[tuple[int, PdfObject]] = []
        for number, position in zip(numbers[::2], numbers[1::2], strict=False):
            try:
                value, _ = read_object(data, first + position)
            except DamagedPdf:
                value = None
            result.append((number, value))
        return result

    def packed(self, view: "View", container: int) -> list[tuple[int, PdfObject]]:
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
                    result = self._unpack(view.raw(found.value, found), found.value.entries)
                except LimitExceeded:
                    raise
                except (PdfError, ValueError):
                    result = []
            self._packed[key] = result
        return self._packed[key]


class View:
    """The document as one revision defines it."""

    def __init__(
        self, document: Document, sections: list[Section], *, end: int, repaired: bool = False
    ) -> None:
        self.document = document
        self.sections = sections
        self.end = end
        self.repaired = repaired
        self.entries: dict[int, Entry] = {}
        for section in reversed(sections):
            self.entries.update(section.merged())
        if end < document.size:
            # A place beyond the revision's end was nothing when the revision was made.
            for number in [
                n for n, e in self.entries.items() if e.kind == PLAIN and e.first >= end
            ]:
                del self.entries[number]
        self.trailer = sections[0].trailer
        self._values: dict[int, PdfObject] = {}

    @property
    def catalog(self) -> PdfObject:
        """The catalogue dictionary, or whatever stands in its place."""
        return self.resolve(self.trailer.get("Root"))

    def resolve(self, value: PdfObject) -> PdfObject:
        """Follow references until a direct object; a dangling or endless one is null."""
        for _ in range(_LINK_LIMIT):
            if not isinstance(value, Ref):
                return value
            value = self.object(value.number)
        return None

    def object(self, number: int) -> PdfObject:
        """Give the object with this number, null where the revision defines none."""
        if number not in self._values:
            self._values[number] = self._read(number)
        return self._values[number]

    def _read(self, number: int) -> PdfObject:
        entry = self.entries.get(number)
        if entry is None or entry.kind == FREE:
            return None
        if entry.kind == PACKED:
            packed = self.document.packed(self, entry.first)
            if entry.second < len(packed) and packed[entry.second][0] == number:
                return packed[entry.second][1]
            return next((value for inner, value in packed if inner == number), None)
        found = self.document.indirect(entry.first)
        if found is None or found.number != number:
            return None
        if self.document.decryptor is not None:
            return self._decrypt(found.value, found)
        return found.value

    def _decrypt(self, value: PdfObject, found: Indirect) -> PdfObject:
        engine = self.document.decryptor
        if engine is None:
            return value
        if isinstance(value, bytes):
            return engine.text(found.number, found.generation, value)
        if isinstance(value, list):
            return [self._decrypt(item, found) for item in value]
        if isinstance(value, Stream):
            inner = self._decrypt(value.entries, found)
            return Stream(inner, value.start) if isinstance(inner, PdfDict) else value
        if isinstance(value, PdfDict):
            result = PdfDict()
            result.repeated = value.repeated
            result.contents_span = value.contents_span
            signature = "ByteRange" in value  # /Contents of a signature is never encrypted.
            for key, item in value.items():
                keep = signature and key == "Contents"
                result[key] = item if keep else self._decrypt(item, found)
            return result
        return value

    def location(self, number: int) -> tuple[int, int] | None:
        """Something that is equal only for the same definition of an object in the file."""
        entry = self.entries.get(number)
        if entry is None or entry.kind == FREE:
            return None
        if entry.kind == PLAIN:
            return (entry.first, -1)
        container = self.entries.get(entry.first)
        return None if container is None else (container.first, entry.second)

    def raw(self, stream: Stream, found: Indirect | None = None) -> bytes:
        """Give a stream's data as stored, decrypted but not decoded."""
        data = bytes(self.document.buffer[stream.start : self.data_end(stream)])
        engine = self.document.decryptor
        if engine is None or stream.entries.get("Type") == "XRef":
            return data
        owner = found or self._owner(stream)
        return data if owner is None else engine.stream(owner.number, owner.generation, data)

    def _owner(self, stream: Stream) -> Indirect | None:
        for found in self.document._indirect.values():  # noqa: SLF001 (one module, one subject)
            if (
                found is not None
                and isinstance(found.value, Stream)
                and found.value.start == stream.start
            ):
                return found
        return None

    def data_end(self, stream: Stream) -> int:
        """Where a stream's data ends in the file, by this view's idea of its /Length."""
        length = self.resolve(stream.entries.get("Length"))
        return stream_end(self.document.buffer, stream.start, length, self.document.size)

    def decoded(self, stream: Stream) -> bytes:
        """Give a stream's data with all filters undone; raises PdfError where that fails."""
        entries = stream.entries
        if any(isinstance(entries.get(k), (Ref, list)) for k in ("Filter", "DecodeParms")):
            entries = PdfDict()
            for key in ("Filter", "DecodeParms"):
                value = self.resolve(stream.entries.get(key))
                if isinstance(value, list):
                    value = [self.resolve(item) for item in value]
                entries[key] = value
        return self.document.decode(self.raw(stream), entries)

    def dictionary(self, value: PdfObject) -> PdfDict | None:
        """Resolve to a dictionary (a stream's own counts), or None."""
        value = self.resolve(value)
        if isinstance(value, Stream):
            return value.entries
        return value if isinstance(value, PdfDict) else None

    def array(self, value: PdfObject) -> list[PdfObject]:
        """Resolve to an array; anything else is an empty one."""
        value = self.resolve(value)
        return value if isinstance(value, list) else []

    def name(self, value: PdfObject) -> Name | None:
        """Resolve to a name, or None."""
        value = self.resolve(value)
        return value if isinstance(value, Name) else None

    def extent(self, number: int) -> tuple[int, int] | None:
        """First and last byte (exclusive) of an uncompressed object, endobj included."""
        entry = self.entries.get(number)
        if entry is None or entry.kind != PLAIN:
            return None
        found = self.document.indirect(entry.first)
        if found is None:
            return None
        try:
            stop = self.data_end(found.value) if isinstance(found.value, Stream) else None
        except DamagedPdf:
            return None
        return entry.first, object_end(self.document.buffer, found, stop, self.document.size)

    def pages(self) -> Iterator[tuple[int, Ref | None, PdfDict]]:
        """Every page in reading order: (number from 1, its reference, its dictionary)."""
        catalog = self.catalog
        root = catalog.get("Pages") if isinstance(catalog, PdfDict) else None
        stack: list[PdfObject] = [root]
        seen: set[Ref] = set()
        count = 0
        while stack:
            node = stack.pop()
            ref = node if isinstance(node, Ref) else None
            if ref is not None:
                if ref in seen:
                    continue
                seen.add(ref)
            value = self.resolve(node)
            if not isinstance(value, PdfDict):
                continue
            if "Kids" in value and value.get("Type") != "Page":
                within(len(stack), self.document.limits.objects, "too many pages")
                stack.extend(reversed(self.array(value["Kids"])))
            else:
                count += 1
                yield count, ref, value


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
