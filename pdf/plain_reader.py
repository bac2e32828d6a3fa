"""Reading a document for the short way: everything right as it stands, or NotPlain.

Cross-reference streams and object streams are read, tables and hybrids too; nothing is repaired,
searched for or guessed, and no filter but Flate with its prediction is undone, within bounds. What
the object layer, a viewer and this reader might see differently is left to the object layer, which
then says what is wrong with it.
"""

import zlib
from collections.abc import Sequence
from typing import Final

from pdf.document import Document
from pdf.errors import PdfError
from pdf.filters import unpredicted
from pdf.limits import MIB, Limits, within
from pdf.packed_objects import NotPlain, PackedObjects
from pdf.syntax import Buffer, Name, PdfDict, PdfObject, Stream
from pdf.view import View
from pdf.xref import ENDSTREAM, OBJECT_HEAD, PLAIN, Section

_LIMITS: Final = Limits(stream_size=2 * MIB, decoded_total=4 * MIB, predicted_size=MIB // 2)
_FLATE: Final = (None, Name("FlateDecode"))
_ELSEWHERE: Final = frozenset({"F", "FFilter", "FDecodeParms", "DP"})
_LONGEST_HEAD: Final = 64
_BLANKS: Final = b"\x00\t\n\x0c\r "


class PlainReader(Document):
    """Reads as `Document` does, or raises NotPlain; what it gives is the same."""

    def __init__(self, buffer: Buffer, *, limits: Limits = _LIMITS) -> None:
        self._opening = False
        super().__init__(buffer, limits=limits)

    def definitions(self) -> list[tuple[int, int, int]]:
        """Scan for nothing: what has to be found that way is not plain."""
        raise NotPlain("it would have to be repaired")

    def repaired_view(self, end: int) -> View:
        """Repair nothing."""
        raise NotPlain(f"it would have to be repaired up to byte {end}")

    def section(self, offset: int, end: int) -> Section:
        """Read a section of cross-references that says one thing only."""
        section = super().section(offset, end)
        if not section.exact or section.doubtful():
            raise NotPlain(f"the cross-references at byte {offset} can be read in two ways")
        return section

    def _check(self, section: Section, shift: int, end: int) -> None:
        """Find every object where its entry says, number and generation; nothing is looked for."""
        self._entry_total += len(section.entries)
        within(self._entry_total, self.limits.objects, "too many objects")
        buffer = self.buffer
        for number, (kind, offset, generation) in section.entries.items():
            if kind != PLAIN:
                continue
            usual = b"%d %d obj" % (number, generation)
            if buffer[offset : offset + len(usual)] == usual:
                continue
            head = OBJECT_HEAD.match(buffer, offset, min(end, offset + _LONGEST_HEAD))
            if head is None or (int(head[1]), int(head[2])) != (number, generation):
                raise NotPlain(f"object {number} is not where it should be")
        if shift:
            raise NotPlain("offsets are counted from elsewhere")

    def stream_end(self, start: int, length: PdfObject, end: int) -> int:
        """Say where a stream's data ends, if its /Length does."""
        if type(length) is not int or not 0 <= length <= end - start:
            raise NotPlain(f"the stream at byte {start} has no usable length")
        if ENDSTREAM.match(self.buffer, start + length, end) is None:
            raise NotPlain(f"the stream at byte {start} does not end where it says")
        return start + length

    def decode(self, raw: bytes, entries: PdfDict) -> bytes:
        """Undo Flate and its prediction; all streams together are bounded."""
        if entries.keys() & _ELSEWHERE or entries.repeated:
            raise NotPlain("the data may be elsewhere, or differently packed")
        filter_ = _only(entries.get("Filter"))
        parameters = _only(entries.get("DecodeParms"))
        if filter_ not in _FLATE or not isinstance(parameters, PdfDict | None):
            raise NotPlain("a filter would have to be undone")
        left = min(self.limits.stream_size, self.limits.decoded_total - self._decoded)
        if len(raw) > left:
            raise NotPlain("there is too much to read")
        data = raw if filter_ is None else _inflated(raw, left)
        self._decoded += len(data)
        if parameters is None:
            return data
        if filter_ is None or len(data) > self.limits.predicted_size:
            raise NotPlain("there is no filter for the parameters, or too much data")
        try:
            return unpredicted(data, parameters)
        except PdfError as error:
            raise NotPlain("the prediction cannot be undone") from error

    def packed(self, view: View, container: int) -> Sequence[tuple[int, PdfObject]]:
        """Give the objects of an object stream; each is read when it is asked for."""
        entry = view.entries.get(container)
        if entry is None or entry.kind != PLAIN or self._opening:
            raise NotPlain(f"object {container} is no object stream")
        if entry.first not in self._packed:
            self._opening = True  # what its length or filter refers to is in no other such stream
            self._packed[entry.first] = self._unpacked(view, container, entry.first)
            self._opening = False
        return self._packed[entry.first]

    def _unpacked(self, view: View, container: int, offset: int) -> PackedObjects:
        found = self.indirect(offset)
        if (
            found is None
            or (found.number, found.generation) != (container, 0)
            or not isinstance(found.value, Stream)
            or found.value.entries.repeated
        ):
            raise NotPlain(f"object {container} is no object stream")
        entries = found.value.entries
        try:
            return PackedObjects(self.decode(view.raw(found.value), entries), entries)
        except PdfError as error:
            raise NotPlain(f"object stream {container} cannot be read") from error


def _only(value: PdfObject) -> PdfObject:
    """Give the one member of an array of one, null of an empty one, else the value itself."""
    if isinstance(value, list) and len(value) <= 1:
        return value[0] if value else None
    return value


def _inflated(raw: bytes, most: int) -> bytes:
    """Inflate the whole of a stream, and no more than `most` bytes."""
    engine = zlib.decompressobj()
    try:
        data = engine.decompress(raw, most + 1)
    except zlib.error as error:
        raise NotPlain("compressed data is broken") from error
    if not engine.eof or len(data) > most or engine.unused_data.strip(_BLANKS):
        raise NotPlain("compressed data is too much, or does not end")
    return data
