"""Who refers to an object: the backward view that tells whether a change can be seen elsewhere.

An appearance stream that is also drawn by the page, or an object that the signed revision already
named but did not define, changes signed content when it is replaced. Built once per document from
the raw bytes with one regular expression, so it may name a few referrers too many, never too few.
"""

from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING

from pdf.document import Document
from pdf.errors import LimitExceeded
from pdf.object_heads import ObjectHeads, claimed_end, without_contents
from pdf.syntax import REFERENCE, PdfDict, PdfObject, Ref, Stream
from pdf.view import View
from pdf.xref import PACKED, PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterable

_TAIL = 64


class References:
    """Referrers of every object, over all definitions in the file.

    What a glance at the objects tells (`object_heads`) is told by it; the index is made for what
    it does not.
    """

    def __init__(self, document: Document, views: list[View]) -> None:
        self._document = document
        self._visits_left = document.limits.visits
        self._views = views
        self._reachable: dict[int, set[int]] = {}

    @cached_property
    def _heads(self) -> ObjectHeads | None:
        sections = self._views[0].sections[::-1]
        known = {id(section) for section in sections}
        chained = all(id(s) in known for view in self._views for s in view.sections)
        if not chained or not ObjectHeads.possible(sections):
            return None
        return ObjectHeads(self._document, sections)

    @cached_property
    def _index(self) -> "_Index":
        return _Index(self._document, self._views)

    def visit(self, steps: int = 1) -> None:
        """Count steps through the graph; raises LimitExceeded when the document is a maze."""
        self._visits_left -= steps
        if self._visits_left < 0:
            raise LimitExceeded("too many steps", limit=self._document.limits.visits)

    def overhanging(self, view: View, end: int) -> list[int]:
        """Offsets of objects before `end` that reach or claim to reach beyond it.

        What such an object is depends on what is appended later.
        """
        if self._heads is not None:
            return self._heads.overhanging(view, end)
        return [
            offset
            for offset, (value_end, stream) in self._index.ends.items()
            if offset < end < claimed_end(view, value_end, stream)
        ]

    def parents(self, number: int, view: View) -> set[int]:
        """Numbers of the objects that refer to `number` in this view."""
        if self._heads is not None and self._heads.mentioned(number, view) is False:
            self.visit()
            return set()
        found: set[int] = set()
        self.visit(len(self._index.plain.get(number, ())) + 1)
        for offset in self._index.plain.get(number, ()):
            indirect = self._document.indirect(offset)
            if indirect is not None and view.location(indirect.number) == (offset, -1):
                found.add(indirect.number)
        for container, index, holder in self._index.packed.get(number, ()):
            if view.location(holder) == (container, index):
                found.add(holder)
        return found

    def reachable(self, number: int, view: View) -> bool:
        """Tell whether anything from the trailer leads to the object in this view."""
        key = id(view)
        if key not in self._reachable:
            self._reachable[key] = self._from_trailer(view)
        return number in self._reachable[key]

    def _from_trailer(self, view: View) -> set[int]:
        queue = [number for value in view.trailer.values() for number in targets(value)]
        seen = set(queue)
        while queue:
            place = view.location(queue.pop())
            if place is None:
                continue
            following = self._index.leads_to.get(place, set()) - seen
            self.visit(len(following) + 1)
            seen |= following
            queue.extend(following)
        return seen


class _Index:
    """Every reference in the file: from each object to others, and back."""

    def __init__(self, document: Document, views: list[View]) -> None:
        self._document = document
        self.plain: dict[int, set[int]] = defaultdict(set)
        self.packed: dict[int, set[tuple[int, int, int]]] = defaultdict(set)
        self.leads_to: dict[tuple[int, int], set[int]] = defaultdict(set)
        self.ends: dict[int, tuple[int, Stream | None]] = {}
        offsets: set[int] = set()
        for view in views:
            for section in view.sections:
                offsets.update(e.first for e in section.merged().values() if e.kind == PLAIN)
        ordered = sorted(offsets)
        for offset, following in zip(ordered, [*ordered[1:], document.size], strict=True):
            self._scan(offset, following)
        for view in views:
            self._unpack(view)

    def _scan(self, offset: int, following: int) -> None:
        region = bytes(self._document.buffer[offset : min(following, offset + 65536)])
        whole = len(region) == following - offset and region[-_TAIL:].rstrip().endswith(b"endobj")
        if not whole or b"stream" in region:
            found = self._document.indirect(offset)
            if found is None:
                return
            stream = found.value if isinstance(found.value, Stream) else None
            self.ends[offset] = (found.end, stream)
            region = bytes(self._document.buffer[offset : found.end])
        region = without_contents(self._document, offset, region)
        numbers = set(map(int, REFERENCE.findall(region)))
        if numbers:
            self.leads_to[offset, -1] |= numbers
        for number in numbers:
            self.plain[number].add(offset)

    def _unpack(self, view: View) -> None:
        containers = {e.first for e in view.entries.values() if e.kind == PACKED}
        for container in containers:
            entry = view.entries.get(container)
            if entry is None:
                continue
            for index, (number, value) in enumerate(self._document.packed(view, container)):
                for target in targets(value):
                    self.packed[target].add((entry.first, index, number))
                    self.leads_to[entry.first, index].add(target)


def targets(value: PdfObject) -> set[int]:
    """Numbers of all objects that a value refers to directly."""
    if isinstance(value, Ref):
        return {value.number}
    found: set[int] = set()
    stack: list[PdfObject] = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, Stream):
            item = item.entries
        if isinstance(item, PdfDict):
            inner: Iterable[PdfObject] = item.values()
        elif isinstance(item, list):
            inner = item
        else:
            continue
        for each in inner:
            if isinstance(each, Ref):
                found.add(each.number)
            elif isinstance(each, PdfDict | list | Stream):
                stack.append(each)
    return found


def keys_leading_to(value: PdfObject, number: int) -> set[str]:
    """Top-level keys of a dictionary under which it refers to `number`; "" for an array."""
    if isinstance(value, Stream):
        value = value.entries
    if isinstance(value, PdfDict):
        return {key for key, item in value.items() if number in targets(item)}
    return {""} if number in targets(value) else set()
