"""The short way to a new revision: plain files are extended without an object layer.

Catalog and page are copied byte for byte with one entry added; everything else is new. What makes
a document plain is in `plain_document`; a test holds the results of both ways against each other.
"""

from pdf.appearance import compose, draw
from pdf.direct_writer import DirectSink, declared_version, with_annotation, write_objects
from pdf.objects import Name, Ref, Value
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


def write_direct(document: PlainDocument, wanted: Wanted) -> Revision:
    """Write the revision; raises the errors of stamps and their places."""
    options = wanted.options
    sink = DirectSink.behind(document)
    contents, byte_range = open_ends(wanted.room)
    signature = sink.add(signature_dictionary(options, contents=contents, byte_range=byte_range))
    name = document.form.free_name()
    entries = widget(name, signature) | {"P": document.page.reference}
    if options.stamp is not None:
        entries |= _visible(document, wanted, sink)
    _register(document, sink, sink.add(entries))
    tail = bytearray(separator(bytes(document.view.document.buffer[-1:])))
    offsets = write_objects(tail, sink, document)
    start = offsets[signature] - document.size
    return Revision(
        tail=tail,
        base=document.size,
        contents_offset=document.size + tail.index(contents.data, start) + 1,
        contents_length=2 * wanted.room,
        byte_range_offset=document.size + tail.index(byte_range.data, start),
        field=name,
    )


def _register(document: PlainDocument, sink: DirectSink, field_reference: Ref) -> None:
    """Write catalog or form, and the page, once more with the field in them."""
    listed = document.form.found and grown(document.form.found, "Fields", field_reference)
    if listed is None:
        form: dict[str, Value] = {
            "Fields": [field_reference],
            "SigFlags": SIGNATURES_EXIST_APPEND_ONLY,
        }
        listed = document.catalog.with_entry("AcroForm", sink.add(form))
        if declared_version(document.view.document.buffer) < _WANTED_VERSION:
            listed = listed.with_entry("Version", Name("1.7"))
    sink.replace(listed)
    sink.replace(with_annotation(document, field_reference))


def _visible(document: PlainDocument, wanted: Wanted, sink: DirectSink) -> dict[str, Value]:
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
