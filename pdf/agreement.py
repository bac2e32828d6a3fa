"""Whether all readers see the same document in a revision as it was signed.

A reader that believes cross-references and one that repairs by scanning may be made to show two
documents under one signature: an object is defined a second time where no cross-reference looks, or
is listed at two places. What came after signing is judged in `changes`; this is about what was
signed. The signature holds, but nobody should accept such a document unseen.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from pdf.document import Document
from pdf.errors import LimitExceeded, PdfError
from pdf.examined import Examined
from pdf.limits import within
from pdf.passes import windows
from pdf.syntax import WHITESPACE, PdfObject, Stream, same
from pdf.view import View
from pdf.xref import FREE, PLAIN, Section

_WORD = re.compile(rb"obj")
_BEFORE = re.compile(
    rb"(?<![0-9])(\d{1,10})[" + WHITESPACE + rb"]+(\d{1,5})[" + WHITESPACE + rb"]*\Z"
)
_ROOM = 64
"""Bytes that number, generation and the blanks between them may take."""


def note_disagreements(document: Document, examined: Sequence[Examined]) -> None:
    """Note `SIGNED_CONTENT_AMBIGUOUS` at each signature whose own revision has two readings."""
    signed = [item for item in examined if item.byte_range.sound and item.found.reachable]
    if not signed or document.latest.repaired:
        return
    try:
        ends = sorted({item.byte_range.end for item in signed})
        first = next((end for end in ends if _two_readings(document, end)), None)
    except LimitExceeded:
        raise
    except PdfError:
        first = 0
    for item in signed:
        if first is not None and item.byte_range.end >= first:
            item.problems.append("SIGNED_CONTENT_AMBIGUOUS")


def _two_readings(document: Document, end: int) -> bool:
    revision = document.view_at(end)
    if revision.repaired:
        return False
    if any(_lists_twice(document, revision, section) for section in revision.sections):
        return True
    return any(
        _says_otherwise(document, revision, offset, number)
        for offset, number in _unlisted(document)
        if offset < end
    )


def _lists_twice(document: Document, revision: View, section: Section) -> bool:
    """Tell whether a section, or it and its hybrid part, give an object two places."""
    hybrid = section.hybrid
    if section.ambiguous or (hybrid is not None and hybrid.ambiguous):
        return True
    if hybrid is None or hybrid.offset < (section.previous or 0):
        return False  # One that was taken over from an earlier trailer knows nothing of this one.
    return any(
        FREE not in {other.kind, entry.kind}
        and other != entry
        and not (other.kind == PLAIN and _equal_at(document, revision, other.first, entry.first))
        for number, other in hybrid.entries.items()
        if (entry := section.entries.get(number)) is not None
    )


def _equal_at(document: Document, revision: View, one: int, other: int) -> bool:
    left, right = document.indirect(one), document.indirect(other)
    if left is None or right is None or left.number != right.number:
        return left is right
    return _equal(revision, left.value, right.value)


def _unlisted(document: Document) -> list[tuple[int, int]]:
    """Give (offset, number) of definitions that no cross-reference of the chain lists."""
    listed: set[int] = set()
    words: set[int] = set()
    for section in document.latest.sections:
        for part in filter(None, (section, section.hybrid)):
            listed.add(part.offset)
            for number, entry in part.entries.items():
                if entry.kind == PLAIN:
                    listed.add(entry.first)
                    words.add(entry.first + len(b"%d %d " % (number, entry.second)))
    found: list[tuple[int, int]] = []
    for offset, number in _definitions(document, words):
        if offset not in listed:
            found.append((offset, number))
            within(len(found), document.limits.changed_objects, "too many objects")
    return _outside_streams(document, sorted(listed), found) if found else []


def _definitions(document: Document, words: set[int]) -> Iterator[tuple[int, int]]:
    """Scan for definitions but those whose word stands where a listed one has it."""
    buffer = document.buffer
    last = -1
    for start, window in windows(buffer, overlap=len(b"obj")):
        for match in _WORD.finditer(window):
            place = start + match.start()
            if place in words or place <= last:
                continue
            last = place
            before = bytes(buffer[max(0, place - _ROOM) : place])
            head = None if before.endswith(b"end") else _BEFORE.search(before)
            if head is not None:
                yield place - len(before) + head.start(), int(head[1])


def _outside_streams(
    document: Document, listed: list[int], found: list[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Leave out what is in the data of a listed stream, as in an attached PDF."""
    ends: dict[int, int] = {}
    outside = []
    for offset, number in found:
        place = bisect_left(listed, offset) - 1
        if place < 0:
            outside.append((offset, number))
            continue
        if place not in ends:
            ends[place] = _stream_end(document, listed[place])
        if offset >= ends[place]:
            outside.append((offset, number))
    return outside


def _stream_end(document: Document, offset: int) -> int:
    try:
        holder = document.indirect(offset)
        if holder is None or not isinstance(holder.value, Stream):
            return offset
        length = document.latest.resolve(holder.value.entries.get("Length"))
        return document.stream_end(holder.value.start, length, document.size)
    except LimitExceeded:
        raise
    except PdfError:
        return offset


def _says_otherwise(document: Document, revision: View, offset: int, number: int) -> bool:
    """Tell whether a scanning reader, which takes the last definition, shows another object."""
    entry = revision.entries.get(number)
    if entry is None or entry.kind == FREE or (entry.kind == PLAIN and offset < entry.first):
        return False
    other = document.indirect(offset)
    return other is not None and not _equal(revision, revision.object(number), other.value)


def _equal(view: View, left: PdfObject, right: PdfObject) -> bool:
    if not isinstance(left, Stream) or not isinstance(right, Stream):
        return same(left, right)
    one = {key: value for key, value in left.entries.items() if key != "Length"}
    two = {key: value for key, value in right.entries.items() if key != "Length"}
    if one.keys() != two.keys() or not all(same(one[key], two[key]) for key in one):
        return False
    try:
        return view.raw(left) == view.raw(right)
    except PdfError:
        return False
