"""Cross-reference sections: tables, streams and hybrids (ISO 32000-1 clause 7.5.4 to 7.5.8).

One `Section` is what one revision says about where objects are. Reading is forgiving about
spacing only; whether an entry really points to its object is checked by `check_entries`, because
a reader that believes offsets and one that scans for objects may show two different documents.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import NamedTuple, TypeAlias

from pdf.errors import DamagedPdf
from pdf.limits import DEFAULT_LIMITS, Limits, within
from pdf.syntax import (
    SKIP,
    WHITESPACE,
    Buffer,
    PdfDict,
    PdfObject,
    Stream,
    read_object,
)

FREE, PLAIN, PACKED = 0, 1, 2

OBJECT_HEAD = re.compile(
    SKIP + rb"(\d{1,10})[" + WHITESPACE + rb"]++(\d{1,5})[" + WHITESPACE + rb"]*+obj"
)
_STREAM_HEAD = re.compile(SKIP + rb"stream(?:\r\n|\n|\r)?")
ENDSTREAM = re.compile(rb"[" + WHITESPACE + rb"]*+endstream")
END_OBJECT = re.compile(SKIP + rb"endobj")
_TABLE = re.compile(SKIP + rb"xref")
_SUBSECTION = re.compile(SKIP + rb"(\d{1,10})[ \t]++(\d{1,10})[" + WHITESPACE + rb"]*+")
_ROW = re.compile(
    rb"[" + WHITESPACE + rb"]*+(\d{1,11})[" + WHITESPACE + rb"]++(\d{1,6})["
    + WHITESPACE + rb"]++([nf])"
)  # fmt: skip
_ROWS = re.compile(rb"(?:\d{10} \d{5} [nf][ \r\n]{2})*+")
_TRAILER = re.compile(SKIP + rb"trailer")
_TAIL = re.compile(SKIP + rb"startxref" + SKIP + rb"(\d{1,12})[" + WHITESPACE + rb"]*+%%EOF\r?\n?")
_ROW_LENGTH = 20
_STEERING_KEYS = frozenset({"Root", "Prev", "XRefStm", "Encrypt", "Size", "W", "Index"})
_ALL_FREE_GENERATION = 65535
_KINDS = {b"n": PLAIN, b"f": FREE}
_KNOWN = frozenset({FREE, PLAIN, PACKED})


class Entry(NamedTuple):
    """Where an object is: PLAIN (offset, generation), PACKED (container, index), or FREE."""

    kind: int
    first: int
    second: int


class Indirect(NamedTuple):
    """An indirect object as it stands in the file; `end` is after its value, before endobj."""

    number: int
    generation: int
    value: PdfObject
    end: int


Decoder: TypeAlias = Callable[[bytes, PdfDict], bytes]
StreamEnd: TypeAlias = Callable[[int, PdfObject, int], int]


@dataclass(kw_only=True, eq=False)
class Section:
    """One cross-reference section with its trailer."""

    offset: int
    end: int
    tail_end: int
    """After the %%EOF that follows, or `end` where none follows."""
    trailer: PdfDict
    entries: dict[int, Entry]
    previous: int | None
    hybrid_offset: int | None = None
    hybrid: "Section | None" = None
    stream_number: int | None = None
    moved: frozenset[int] = field(default_factory=frozenset)
    """Numbers whose entry did not point to them and that were found by scanning, or not at all."""
    ambiguous: bool = False
    """A number is listed twice with two places: readers differ in which one they take."""
    exact: bool = True
    """There are as many rows as announced, of the kinds and fields that are known."""
    _merged: dict[int, Entry] | None = field(default=None, init=False, repr=False)
    _furthest: int | None = field(default=None, init=False, repr=False)

    def doubtful(self) -> bool:
        """Tell whether readers may disagree about what this section says."""
        if self.ambiguous or self.moved:
            return True
        if self.hybrid is None:
            return False
        return self.hybrid.doubtful() or any(
            entry.kind != FREE and number in self.entries and self.entries[number] != entry
            for number, entry in self.hybrid.entries.items()
            if self.entries.get(number, entry).kind != FREE
        )

    def merged(self) -> dict[int, Entry]:
        """Entries of this section alone, hidden objects of a hybrid file included."""
        if self.hybrid is None:
            return self.entries
        if self._merged is None:
            self._merged = dict(self.hybrid.entries)
            for number, entry in self.entries.items():
                if entry.kind != FREE or number not in self._merged:
                    self._merged[number] = entry
        return self._merged

    def furthest(self) -> int:
        """Give the last place that this section names; asked once it is complete."""
        if self._furthest is None:
            places = (entry.first for entry in self.merged().values() if entry.kind == PLAIN)
            self._furthest = max(places, default=0)
        return self._furthest


def read_indirect(buffer: Buffer, offset: int, end: int) -> Indirect:
    """Read `number generation obj value` at `offset` (a stream's data is only located)."""
    head = OBJECT_HEAD.match(buffer, offset, end)
    if head is None:
        raise DamagedPdf(f"no object at byte {offset}")
    number, generation = int(head[1]), int(head[2])
    if END_OBJECT.match(buffer, head.end(), end):
        return Indirect(number, generation, None, head.end())
    value, after = read_object(buffer, head.end(), end)
    if isinstance(value, PdfDict):
        data = _STREAM_HEAD.match(buffer, after, end)
        if data is not None:
            return Indirect(number, generation, Stream(value, data.end()), data.end())
    return Indirect(number, generation, value, after)


def object_end(buffer: Buffer, found: Indirect, data_end: int | None, end: int) -> int:
    """After the object's endobj (and endstream); tolerant of a missing one."""
    position = found.end
    if data_end is not None:
        closing = ENDSTREAM.match(buffer, data_end, end)
        position = closing.end() if closing else data_end
    closing = END_OBJECT.match(buffer, position, end)
    return closing.end() if closing else position


def read_section(
    buffer: Buffer, offset: int, end: int, *, decode: Decoder, stream_end: StreamEnd
) -> Section:
    """Read the section at `offset`.

    `decode` undoes the filters of a cross-reference stream, `stream_end` says where its data ends.
    """
    if not 0 <= offset < end:
        raise DamagedPdf(f"a cross-reference section lies outside the file, byte {offset}")
    head = _TABLE.match(buffer, offset, end)
    section = (
        _read_stream(buffer, offset, end, decode, stream_end)
        if head is None
        else _read_table(buffer, offset, head.end(), end)
    )
    tail = _TAIL.match(buffer, section.end, end)
    section.tail_end = tail.end() if tail else section.end
    return section


def _read_table(buffer: Buffer, offset: int, position: int, end: int) -> Section:
    rows = _Rows()
    while True:
        trailer = _TRAILER.match(buffer, position, end)
        if trailer is not None:
            break
        head = _SUBSECTION.match(buffer, position, end)
        if head is None:
            raise DamagedPdf(f"a cross-reference table is broken at byte {position}")
        position = _read_rows(buffer, head, end, rows)
    value, after = read_object(buffer, trailer.end(), end)
    if not isinstance(value, PdfDict):
        raise DamagedPdf("a trailer is not a dictionary")
    hybrid = value.get("XRefStm")
    return Section(
        offset=offset,
        end=after,
        tail_end=after,
        trailer=value,
        entries=rows.entries,
        previous=_offset(value.get("Prev")),
        hybrid_offset=_offset(hybrid),
        ambiguous=rows.ambiguous or bool(value.repeated & _STEERING_KEYS),
        exact=rows.exact,
    )


class _Rows:
    """The rows of a section as they come together."""

    def __init__(self) -> None:
        self.entries: dict[int, Entry] = {}
        self.ambiguous = False
        self.exact = True

    def add(self, made: Iterable[Entry], start: int) -> None:
        """Add entries numbered from `start`; the first place of a number counts."""
        if not self.entries:
            self.entries.update(enumerate(made, start))
            return
        for number, entry in enumerate(made, start):
            if self.entries.setdefault(number, entry) != entry:
                self.ambiguous = True

    def add_known(self, made: Sequence[Entry], start: int) -> None:
        """Add entries as far as their kind is known; another one stands for null."""
        if self.exact:
            self.add(made, start)
            return
        for number, entry in enumerate(made, start):
            if entry.kind in _KNOWN:
                self.add((entry,), number)


def _made(kinds: Iterable[int], firsts: Iterable[int], seconds: Iterable[int]) -> Iterable[Entry]:
    """Make entries of columns: what the class of a named tuple does, without its calls."""
    return map(tuple.__new__, repeat(Entry), zip(kinds, firsts, seconds, strict=True))


def _read_rows(buffer: Buffer, head: re.Match[bytes], end: int, rows: _Rows) -> int:
    """Read the rows of a subsection; give the position after them."""
    start, count = int(head[1]), int(head[2])
    position = head.end()
    if count * 10 > end - position:
        raise DamagedPdf("a cross-reference table claims more rows than the file can hold")
    within(count, DEFAULT_LIMITS.objects, "too many objects")
    block = bytes(buffer[position : min(end, position + count * _ROW_LENGTH)])
    if len(block) == count * _ROW_LENGTH and _ROWS.fullmatch(block):
        words = block.split()
        position += len(block)
    else:
        words = []
        for _ in range(count):
            row = _ROW.match(buffer, position, end)
            if row is None:
                if _TRAILER.match(buffer, position, end):
                    rows.exact = False
                    break
                raise DamagedPdf(f"a cross-reference table is broken at byte {position}")
            words += row.groups()
            position = row.end()
    if words and start == 1 and words[2] == b"f" and int(words[1]) == _ALL_FREE_GENERATION:
        start = 0  # A numbering slip of old writers that every reader knows.
    firsts = list(map(int, words[::3]))
    kinds = list(map(_KINDS.__getitem__, words[2::3]))
    if 0 in firsts:
        kinds = [kind if first else FREE for kind, first in zip(kinds, firsts, strict=True)]
    rows.add(_made(kinds, firsts, map(int, words[1::3])), start)
    return position


def _offset(value: PdfObject) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and value >= 0 else None


def _read_stream(
    buffer: Buffer, offset: int, end: int, decode: Decoder, stream_end: StreamEnd
) -> Section:
    found = read_indirect(buffer, offset, end)
    stream = found.value
    if not isinstance(stream, Stream) or stream.entries.get("Type") != "XRef":
        raise DamagedPdf(f"no cross-reference section at byte {offset}")
    trailer = stream.entries
    stop = stream_end(stream.start, trailer.get("Length"), end)
    data = decode(bytes(buffer[stream.start : stop]), trailer)
    rows = _stream_rows(data, trailer)
    return Section(
        offset=offset,
        end=object_end(buffer, found, stop, end),
        tail_end=0,
        trailer=trailer,
        entries=rows.entries,
        ambiguous=rows.ambiguous or bool(trailer.repeated & _STEERING_KEYS),
        previous=_offset(trailer.get("Prev")),
        stream_number=found.number,
        exact=rows.exact,
    )


def _stream_rows(data: bytes, trailer: PdfDict) -> _Rows:
    widths = trailer.get("W")
    if (
        not isinstance(widths, list)
        or len(widths) < 3  # noqa: PLR2004 (three fields, ISO 32000-1 7.5.8.2)
        or not all(isinstance(w, int) and 0 <= w <= 8 for w in widths)  # noqa: PLR2004 (64 bits)
    ):
        raise DamagedPdf("a cross-reference stream has no usable /W")
    one, two, three = (w for w in widths[:3] if isinstance(w, int))
    row = one + two + three
    if not row:
        raise DamagedPdf("a cross-reference stream has rows of no length")
    size = trailer.get("Size")
    index = trailer.get("Index") or [0, size]
    if not isinstance(index, list) or not all(isinstance(i, int) and i >= 0 for i in index):
        raise DamagedPdf("a cross-reference stream has no usable /Index")
    count = within(len(data) // row, DEFAULT_LIMITS.objects, "too many objects")
    pairs = [i for i in index if isinstance(i, int)]
    whole = len(data) == count * row
    data = data[: count * row]
    kinds = _column(data, row, 0, one) if one else [PLAIN] * count
    made = list(_made(kinds, _column(data, row, one, two), _column(data, row, one + two, three)))
    rows = _Rows()
    rows.exact = whole and len(widths) == 3 and len(pairs) % 2 == 0 and set(kinds) <= _KNOWN  # noqa: PLR2004 (as above)
    position = 0
    for start, wanted in zip(pairs[::2], pairs[1::2], strict=False):
        rows.add_known(made[position : position + wanted], start)
        position += wanted
    rows.exact = rows.exact and position == count
    return rows


def _column(data: bytes, row: int, start: int, width: int) -> list[int]:
    """Read one field of all rows, high byte first."""
    values = list(data[start::row]) if width else [0] * (len(data) // row)
    for place in range(start + 1, start + width):
        values = [high << 8 | low for high, low in zip(values, data[place::row], strict=True)]
    return values


def check_entries(
    section: Section, buffer: Buffer, *, shift: int, limits: Limits, total: int
) -> list[int]:
    """Add `shift` to the offsets and give the numbers whose entry does not point to them."""
    within(total + len(section.entries), limits.objects, "too many objects")
    wrong: list[int] = []
    size = len(buffer)
    for number, entry in section.entries.items():
        if entry.kind != PLAIN:
            continue
        offset = entry.first + shift
        if shift:
            section.entries[number] = Entry(PLAIN, offset, entry.second)
        usual = b"%d 0 obj" % number
        if buffer[offset : offset + len(usual)] == usual:
            continue
        if offset >= size:
            wrong.append(number)
            continue
        head = OBJECT_HEAD.match(buffer, offset, min(size, offset + 64))
        if head is None or int(head[1]) != number:
            wrong.append(number)
    return wrong
