"""What the beginnings of all objects tell without reading them: what they mention, where they end.

Most documents only ever got proper revisions. For those a glance at each object is enough to say
that nothing mentions a new object before its time and that no stream reaches into what came later.
Whatever is not plain to see is read as an object, as it would be without the glance.
"""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence

from pdf.document import Document
from pdf.syntax import REFERENCE, WHITESPACE, PdfDict, Stream
from pdf.view import View
from pdf.xref import PACKED, PLAIN, Section

_PLAIN_LENGTH = re.compile(
    rb"/Length[" + WHITESPACE + rb"]*(\d{1,10})(?=[" + WHITESPACE + rb"]*(?:/|>>|\Z))"
)
_FLAT = re.compile(
    rb"\d{1,10}[" + WHITESPACE + rb"]++\d{1,5}[" + WHITESPACE + rb"]++obj[" + WHITESPACE
    + rb"]*+<<([^<>#%(]*+)>>[" + WHITESPACE + rb"]*+"
)  # fmt: skip
_USUAL_REFERENCE = re.compile(
    rb"(\d{1,10}+)[" + WHITESPACE + rb"]++\d{1,5}+[" + WHITESPACE + rb"]++R"
)
_UNPLAIN = re.compile(rb"[#%(]")
_LONGEST = 65536
_LARGE = 1024
_TAIL = 64
_HEAD_END = len(b"stream\r\n")
_BETWEEN = b"\n[\n"


def without_contents(document: Document, offset: int, region: bytes) -> bytes:
    """Cut the hexadecimal string of a signature out: it is long and refers to nothing."""
    if len(region) <= _LARGE or b"/ByteRange" not in region:
        return region
    found = document.indirect(offset)
    span = found.value.contents_span if found and isinstance(found.value, PdfDict) else None
    if span is None:
        return region
    return region[: span[0] - offset] + region[span[1] - offset :]


def claimed_end(view: View, end: int, stream: Stream | None) -> int:
    """Give where an object ends, or claims to end by its stream's length as `view` has it."""
    length = view.resolve(stream.entries.get("Length")) if stream is not None else None
    claimed = stream.start + length if stream is not None and isinstance(length, int) else end
    return max(claimed, end)


class ObjectHeads:
    """The objects that a chain of sections lists, oldest section first."""

    def __init__(self, document: Document, sections: Sequence[Section]) -> None:
        self._document = document
        self._ranks = {id(section): rank for rank, section in enumerate(sections)}
        rank_of: dict[int, int] = {}
        for rank, section in reversed(list(enumerate(sections))):
            places = [entry.first for entry in section.merged().values() if entry.kind == PLAIN]
            rank_of.update(dict.fromkeys(places, rank))
        self._offsets = sorted(rank_of)
        self._unplain: dict[int, tuple[int, Stream | None]] = {}
        heads: dict[int, list[bytes]] = defaultdict(list)
        followers = [*self._offsets[1:], document.size]
        for offset, following in zip(self._offsets, followers, strict=True):
            head = self._head(offset, following)
            if head:
                heads[rank_of[offset]].append(head)
        self._texts = [(rank, _BETWEEN.join(heads[rank])) for rank in sorted(heads)]
        self._numbers: dict[int, set[int]] = {}

    @staticmethod
    def possible(sections: Sequence[Section]) -> bool:
        """Tell whether a glance is enough: nothing is packed in object streams."""
        return not any(
            entry.kind == PACKED for section in sections for entry in section.merged().values()
        )

    def _head(self, offset: int, following: int) -> bytes:
        """Give the text of an object without a stream's data; remember those to be read."""
        room = following - offset
        region = bytes(self._document.buffer[offset : offset + min(room, _LONGEST)])
        start = region.find(b"stream")
        if start < 0:
            if len(region) == room and region[-_TAIL:].rstrip().endswith(b"endobj"):
                if room <= _LARGE:
                    return region
                return without_contents(self._document, offset, region)
        else:
            head = region[:start]
            length = _plain_length(head)
            if length is not None and start + _HEAD_END + length <= room:
                return head
        found = self._document.indirect(offset)
        if found is None:
            return b""
        stream = found.value if isinstance(found.value, Stream) else None
        self._unplain[offset] = (found.end, stream)
        head = bytes(self._document.buffer[offset : found.end])
        return without_contents(self._document, offset, head)

    def mentioned(self, number: int, view: View) -> bool | None:
        """Tell whether any object of a view mentions a number; None when that is not known."""
        newest = self._ranks.get(id(view.sections[0]))
        if newest is None:
            return None
        digits = b"%d" % number
        return any(
            digits in text and number in self._mentioned(rank, text)
            for rank, text in self._texts
            if rank <= newest
        )

    def _mentioned(self, rank: int, text: bytes) -> set[int]:
        """Give the numbers that any reference in a text names, perhaps some that none does."""
        if rank not in self._numbers:
            usual = b"%" not in text and b"+" not in text
            pattern = _USUAL_REFERENCE if usual else REFERENCE
            self._numbers[rank] = set(map(int, pattern.findall(text)))
        return self._numbers[rank]

    def overhanging(self, view: View, end: int) -> list[int]:
        """Offsets of objects before `end` that reach or claim to reach beyond it."""
        asked = dict(self._unplain)
        # Of plain objects only the last one before the end can reach it.
        last = bisect_left(self._offsets, end) - 1
        if last >= 0 and self._offsets[last] not in asked:
            found = self._document.indirect(self._offsets[last])
            if found is not None:
                stream = found.value if isinstance(found.value, Stream) else None
                asked[self._offsets[last]] = (found.end, stream)
        return [
            offset
            for offset, (value_end, stream) in asked.items()
            if offset < end < claimed_end(view, value_end, stream)
        ]


def _plain_length(head: bytes) -> int | None:
    """Give a stream's length where its dictionary leaves no doubt about it."""
    if head.count(b"/Length") != 1:
        return None
    flat = _FLAT.fullmatch(head)
    if flat is not None:
        found = _PLAIN_LENGTH.search(flat[1])
        return None if found is None else int(found[1])
    opened = head.count(b"<<")
    if (
        opened != head.count(b">>")
        or head.count(b"<") != 2 * opened
        or head.count(b">") != 2 * opened
        or not head.rstrip().endswith(b">>")
        or _UNPLAIN.search(head)
    ):
        return None
    found = _PLAIN_LENGTH.search(head)
    return None if found is None else int(found[1])
