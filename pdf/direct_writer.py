"""Writing the objects, cross-references and trailer of one new revision behind a plain file.

What is in the revision is the business of `direct_revision` (signatures) and `direct_extension`
(evidence and document time-stamps).
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from pdf.document import View
from pdf.objects import Name, Ref, Stream, Value, serialise
from pdf.plain_document import OFFICE_KEYS, PlainDocument
from pdf.plain_object import Found, grown
from pdf.syntax import PdfObject
from pdf.syntax import Ref as ReadRef


@dataclass
class DirectSink:
    """Collects new objects; numbers go on where the file's own end."""

    next_number: int
    bodies: dict[Ref, bytes] = field(default_factory=dict)

    @classmethod
    def behind(cls, document: PlainDocument) -> "DirectSink":
        """Make the sink for a revision behind this document."""
        size = document.view.trailer["Size"]
        return cls(size if isinstance(size, int) else 0)

    def add(self, value: Value) -> Ref:
        """Add one object."""
        reference = Ref(self.next_number)
        self.next_number += 1
        self.bodies[reference] = serialise(value)
        return reference

    def replace(self, changed: Found) -> None:
        """Write an object of the file once more."""
        self.bodies[changed.reference] = changed.body


def with_annotation(document: PlainDocument, widget: Ref) -> Found:
    """Give the page, or the list of its annotations, once more with a widget among them."""
    if document.annotations is not None:
        return grown(document.annotations, "", widget) or document.annotations
    page = document.page_object
    return grown(page, "Annots", widget) or page.with_entry("Annots", [widget])


def write_objects(tail: bytearray, sink: DirectSink, document: PlainDocument) -> dict[Ref, int]:
    """Write the objects, cross-references and trailer; give the objects' offsets in the file."""
    offsets = {}
    for reference in sorted(sink.bodies, key=lambda each: each.number):
        offsets[reference] = document.size + len(tail)
        head = b"%d %d obj\n" % (reference.number, reference.generation)
        tail += head + sink.bodies[reference] + b"\nendobj\n"
    _close(tail, document, offsets, sink.next_number)
    return offsets


def _close(
    tail: bytearray, document: PlainDocument, offsets: dict[Ref, int], next_number: int
) -> None:
    """Write cross-references and trailer in the kind that the file has."""
    trailer = _trailer(document.view)
    start = document.size + len(tail)
    if document.stream_table:
        own = Ref(next_number)
        rows = {**offsets, own: start}
        tail += b"%d 0 obj\n%s\nendobj\n" % (
            own.number,
            serialise(_table_stream(rows, {**trailer, "Size": next_number + 1})),
        )
    else:
        tail += b"xref\n" + b"".join(_table_rows(offsets))
        tail += b"trailer\n" + serialise({**trailer, "Size": next_number})
    tail += b"\nstartxref\n%d\n%%%%EOF\n" % start


def _trailer(view: View) -> dict[str, Value]:
    trailer: dict[str, Value] = {"Prev": view.sections[0].offset}
    for key in ("Root", "Info", *sorted(OFFICE_KEYS)):
        if view.trailer.get(key) is not None:
            trailer[key] = _repeated(view.trailer[key])
    identifier = view.array(view.trailer.get("ID"))
    first = identifier[0] if identifier and isinstance(identifier[0], bytes) else os.urandom(16)
    return {**trailer, "ID": [first, os.urandom(16)]}


def _repeated(value: PdfObject) -> Value:
    """Write a simple value of the trailer once more."""
    if isinstance(value, list):
        return [_repeated(each) for each in value]
    return Ref(*value) if isinstance(value, ReadRef) else Name(str(value))


def _runs(offsets: dict[Ref, int]) -> Iterator[list[tuple[Ref, int]]]:
    """Group the objects into runs of numbers without a gap."""
    run: list[tuple[Ref, int]] = []
    for reference, offset in sorted(offsets.items(), key=lambda item: item[0].number):
        if run and reference.number != run[-1][0].number + 1:
            yield run
            run = []
        run.append((reference, offset))
    yield run


def _table_rows(offsets: dict[Ref, int]) -> Iterator[bytes]:
    for run in _runs(offsets):
        yield b"%d %d\n" % (run[0][0].number, len(run))
        for reference, offset in run:
            yield b"%010d %05d n \n" % (offset, reference.generation)


def _table_stream(offsets: dict[Ref, int], trailer: dict[str, Value]) -> Stream:
    """Describe the cross-references as a stream (ISO 32000-2 section 7.5.8)."""
    index: list[Value] = []
    rows = bytearray()
    for run in _runs(offsets):
        index += [run[0][0].number, len(run)]
        for reference, offset in run:
            rows += b"\x01" + offset.to_bytes(5, "big") + reference.generation.to_bytes(2, "big")
    head: dict[str, Value] = {"Type": Name("XRef"), "W": [1, 5, 2], "Index": index}
    return Stream({**head, **trailer}, bytes(rows))
