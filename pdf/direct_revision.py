"""The short way to a new revision: plain files are extended without an object layer.

Catalog and page are copied byte for byte with one entry added; everything else is new. What makes
a document plain is in `plain_document`; a test holds the results of both ways against each other.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from pdf.appearance import compose, draw
from pdf.document import View
from pdf.objects import Name, Ref, Stream, Value, serialise
from pdf.placement import place, place_default
from pdf.plain_document import PlainDocument
from pdf.plain_form import grown
from pdf.presets import preset_named
from pdf.revision import Revision, Wanted, separator
from pdf.signature_objects import (
    SIGNATURES_EXIST_APPEND_ONLY,
    open_ends,
    signature_dictionary,
    stamp_words,
    widget,
)
from pdf.syntax import Buffer
from pdf.syntax import Ref as ReadRef

_VERSION = re.compile(rb"%PDF-(\d)\.(\d)[\r\n \t]")
_WANTED_VERSION = (1, 7)


def plain_wish(wanted: Wanted) -> int | None:
    """Say which page (1 the first, -1 the last) a plain signature goes to; None for other wishes.

    Plain is an approval signature in a new field without a name of its own.
    """
    options = wanted.options
    special = (options.certify, options.field, options.password)
    if any(each is not None for each in special) or (options.box and options.stamp is None):
        return None
    page = options.page
    if page is None:
        page = 1 if options.stamp is None else preset_named(options.stamp.preset).page
    return page if page in {1, -1} else None


@dataclass
class _Sink:
    """Collects new objects; numbers go on where the file's own end."""

    next_number: int
    bodies: dict[Ref, bytes] = field(default_factory=dict)

    def add(self, value: Value) -> Ref:
        reference = Ref(self.next_number)
        self.next_number += 1
        self.bodies[reference] = serialise(value)
        return reference


def write_direct(document: PlainDocument, wanted: Wanted) -> Revision:
    """Write the revision; raises the errors of stamps and their places."""
    view, options = document.view, wanted.options
    size = view.trailer["Size"]
    sink = _Sink(size if isinstance(size, int) else 0)
    contents, byte_range = open_ends(wanted.room)
    signature = sink.add(signature_dictionary(options, contents=contents, byte_range=byte_range))
    name = document.form.free_name()
    entries = widget(name, signature) | {"P": document.page.reference}
    if options.stamp is not None:
        entries |= _visible(document, wanted, sink)
    _register(document, sink, sink.add(entries))
    tail = bytearray(separator(bytes(view.document.buffer[-1:])))
    offsets = _append(tail, sink.bodies, base=document.size)
    _close(tail, document, offsets, sink.next_number)
    start = offsets[signature] - document.size
    return Revision(
        tail=tail,
        base=document.size,
        contents_offset=document.size + tail.index(contents.data, start) + 1,
        contents_length=2 * wanted.room,
        byte_range_offset=document.size + tail.index(byte_range.data, start),
        field=name,
    )


def _register(document: PlainDocument, sink: _Sink, field_reference: Ref) -> None:
    """Write catalog or form, and the page, once more with the field in them."""
    annotated = grown(document.page_object, "Annots", field_reference)
    if annotated is None:
        annotated = document.page_object.with_entry("Annots", [field_reference])
    listed = document.form.found and grown(document.form.found, "Fields", field_reference)
    if listed is None:
        form: dict[str, Value] = {
            "Fields": [field_reference],
            "SigFlags": SIGNATURES_EXIST_APPEND_ONLY,
        }
        listed = document.catalog.with_entry("AcroForm", sink.add(form))
        if _version(document.view.document.buffer) < _WANTED_VERSION:
            listed = listed.with_entry("Version", Name("1.7"))
    for changed in (annotated, listed):
        sink.bodies[changed.reference] = changed.body


def _visible(document: PlainDocument, wanted: Wanted, sink: _Sink) -> dict[str, Value]:
    options, page = wanted.options, document.page
    if options.stamp is None:
        return {}
    drawing = compose(options.stamp, words=stamp_words(options, wanted.signer))
    if options.box is not None:
        placed = place(page, options.box, space=options.box_space)
    else:
        placed = place_default(
            page,
            size=drawing.natural_size,
            habit=drawing.preset.habit,
            earlier=document.form.on_page(page.reference),
        )
    appearance = draw(drawing, sink, size=(placed.width, placed.height), matrix=placed.matrix)
    entries: dict[str, Value] = {
        "Rect": [float(value) for value in placed.rectangle],
        "AP": {"N": appearance},
    }
    return entries | ({"MK": {"R": page.rotation}} if page.rotation else {})


def _version(buffer: Buffer) -> tuple[int, int]:
    found = _VERSION.match(buffer)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _append(tail: bytearray, bodies: dict[Ref, bytes], *, base: int) -> dict[Ref, int]:
    """Write the objects; give their offsets in the whole file."""
    offsets = {}
    for reference in sorted(bodies, key=lambda each: each.number):
        offsets[reference] = base + len(tail)
        head = b"%d %d obj\n" % (reference.number, reference.generation)
        tail += head + bodies[reference] + b"\nendobj\n"
    return offsets


def _close(
    tail: bytearray, document: PlainDocument, offsets: dict[Ref, int], next_number: int
) -> None:
    """Write cross-references and trailer in the kind that the file has."""
    view = document.view
    trailer = _trailer(view)
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
    for key in ("Root", "Info"):
        value = view.trailer.get(key)
        if isinstance(value, ReadRef):
            trailer[key] = Ref(*value)
    identifier = view.array(view.trailer.get("ID"))
    first = identifier[0] if identifier and isinstance(identifier[0], bytes) else os.urandom(16)
    return {**trailer, "ID": [first, os.urandom(16)]}


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
