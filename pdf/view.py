"""A document as one revision defines it: numbers to objects, references followed.

A view answers every question about content; where the bytes come from is the store's matter.
Not here: how revisions are found (`document`), and what changed between two of them.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

from pdf.errors import DamagedPdf
from pdf.limits import Limits, within
from pdf.syntax import Buffer, Name, PdfDict, PdfObject, Ref, Stream
from pdf.xref import FREE, PACKED, PLAIN, Entry, Indirect, Section, object_end

_LINK_LIMIT = 16


class Decryptor(Protocol):
    """Undoes the document's encryption for one object."""

    def text(self, number: int, generation: int, data: bytes) -> bytes:
        """Decrypt a string."""

    def stream(self, number: int, generation: int, data: bytes) -> bytes:
        """Decrypt a stream's raw data."""


class Store(Protocol):
    """What a view needs from the document it is a view of."""

    buffer: Buffer
    size: int
    limits: Limits
    header_offset: int
    decryptor: Decryptor | None

    def indirect(self, offset: int) -> Indirect | None:
        """Read the indirect object at a file offset."""

    def owner(self, stream: Stream) -> Indirect | None:
        """Give the indirect object that a stream belongs to."""

    def packed(self, view: "View", container: int) -> Sequence[tuple[int, PdfObject]]:
        """Give the objects of an object stream: (number, object)."""

    def stream_end(self, start: int, length: PdfObject, end: int) -> int:
        """Say where a stream's data ends."""

    def decode(self, raw: bytes, entries: PdfDict) -> bytes:
        """Undo a stream's filters within the document's budget."""


class View:
    """The document as one revision defines it."""

    def __init__(
        self, document: Store, sections: list[Section], *, end: int, repaired: bool = False
    ) -> None:
        self.document = document
        self.sections = sections
        self.end = end
        self.repaired = repaired
        self.entries: dict[int, Entry] = {}
        for section in reversed(sections):
            self.entries.update(section.merged())
        if end < document.size and any(section.furthest() >= end for section in sections):
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
        owner = found or self.document.owner(stream)
        return data if owner is None else engine.stream(owner.number, owner.generation, data)

    def data_end(self, stream: Stream) -> int:
        """Where a stream's data ends in the file, by this view's idea of its /Length."""
        length = self.resolve(stream.entries.get("Length"))
        return self.document.stream_end(stream.start, length, self.document.size)

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
