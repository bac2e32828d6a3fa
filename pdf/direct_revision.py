"""The short way to a new revision: plain files are extended without an object layer.

Catalog and page are copied byte for byte with one entry added; everything else is new. What makes
a document plain is in `plain_document`; a test holds the results of both ways against each other.
"""

from pdf.appearance import compose, draw, draw_nothing
from pdf.archival import RGB_COMPONENTS, Archival, claimed
from pdf.direct_writer import DirectSink, with_annotation, write_objects
from pdf.document import View
from pdf.earlier import last_personal
from pdf.errors import PdfError
from pdf.extensions import PREFIX, extension_for
from pdf.objects import Name, Ref, Value
from pdf.placement import Placed, settle
from pdf.plain_document import WANTED_VERSION, PlainDocument
from pdf.revision import Revision, Wanted, place_wish, separator
from pdf.signature_objects import (
    SIGNATURES_EXIST_APPEND_ONLY,
    open_ends,
    signature_dictionary,
    stamp_words,
    widget,
)
from pdf.syntax import PdfDict, Stream


def plain_wish(wanted: Wanted) -> int | None:
    """Say which page (1 the first, -1 the last) a plain signature goes to; None for other wishes.

    Plain is an approval signature in a new field without a name of its own.
    """
    options = wanted.options
    special = (options.certify, options.field, options.password)
    seen_only = options.box or options.spot
    if any(each is not None for each in special) or (seen_only and options.stamp is None):
        return None
    if wanted.anchor is not None:
        return {1: 1, wanted.anchor.pages: -1}.get(wanted.anchor.page)
    page = options.page
    if page is None:
        page = 1 if options.stamp is None else options.stamp.look.page
    return page if page in {1, -1} else None


def write_direct(document: PlainDocument, wanted: Wanted) -> Revision | None:
    """Write the revision; None when the object layer has to. Raises the errors of stamps."""
    options = wanted.options
    if _belongs_elsewhere(document, wanted):
        return None
    extension = extension_for(wanted.signer.public_key)
    if extension is not None and b"/Extensions" in document.catalog.body:
        return None
    sink = DirectSink.behind(document)
    contents, byte_range = open_ends(wanted.room)
    signature = sink.add(signature_dictionary(options, contents=contents, byte_range=byte_range))
    name = document.form.free_name()
    entries = widget(name, signature) | {"P": document.page.reference}
    placed = None
    archival = archival_of(document.view)
    if options.stamp is not None:
        seen, placed = _visible(document, wanted, sink, archival)
        entries |= seen
    elif archival is not None:
        entries["AP"] = {"N": draw_nothing(sink)}
    _register(document, sink, sink.add(entries), extension)
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
        placed=placed,
    )


def _belongs_elsewhere(document: PlainDocument, wanted: Wanted) -> bool:
    """Say whether a seal belongs to a signature on a page that is neither first nor last."""
    options = wanted.options
    if options.stamp is None or options.stamp.look.habit.covers is None:
        return False
    if options.page is not None or options.box is not None or options.spot is not None:
        return False
    personal = last_personal(list(document.form.signatures))
    return personal is not None and personal.page != document.page.reference


def _register(
    document: PlainDocument,
    sink: DirectSink,
    field_reference: Ref,
    extension: dict[str, Value] | None,
) -> None:
    """Write catalog or form, and the page, once more with the field in them."""
    catalog = document.catalog
    if document.form.found is None:
        form: dict[str, Value] = {
            "Fields": [field_reference],
            "SigFlags": SIGNATURES_EXIST_APPEND_ONLY,
        }
        catalog = catalog.with_entry("AcroForm", sink.add(form))
    else:
        catalog, listed = document.form.with_field(catalog, field_reference)
        if listed is not None:
            sink.replace(listed)
    if not document.form.signatures and document.version < WANTED_VERSION:
        catalog = catalog.with_entry("Version", Name("1.7"))
    if extension is not None:
        catalog = catalog.with_entry("Extensions", {PREFIX: [extension]})
    if catalog is not document.catalog:
        sink.replace(catalog)
    sink.replace(with_annotation(document, field_reference))


def _visible(
    document: PlainDocument, wanted: Wanted, sink: DirectSink, archival: Archival | None
) -> tuple[dict[str, Value], Placed | None]:
    options, page = wanted.options, document.page
    if options.stamp is None:
        return {}, None
    drawing = compose(options.stamp, words=stamp_words(options, wanted.signer))
    wish = place_wish(wanted, size=drawing.natural_size, preset=drawing.preset)
    placed = settle(page, wish, earlier=list(document.form.signatures))
    size = (placed.width, placed.height)
    appearance = draw(drawing, sink, size=size, matrix=placed.matrix, archival=archival)
    entries: dict[str, Value] = {
        "Rect": [float(value) for value in placed.rectangle],
        "AP": {"N": appearance},
    }
    return entries | ({"MK": {"R": page.rotation}} if page.rotation else {}), placed


def archival_of(view: View) -> Archival | None:
    """Read whether the document claims to be PDF/A; unreadable metadata claims nothing."""
    catalog = view.catalog
    metadata = view.resolve(catalog.get("Metadata")) if isinstance(catalog, PdfDict) else None
    if not isinstance(catalog, PdfDict) or not isinstance(metadata, Stream):
        return None
    try:
        packet = view.decoded(metadata)
        components = [
            profile.entries.get("N")
            for intent in map(view.dictionary, view.array(catalog.get("OutputIntents")))
            if intent is not None
            and isinstance(profile := view.resolve(intent.get("DestOutputProfile")), Stream)
        ]
    except PdfError:
        return None
    return claimed(packet, rgb_intent=RGB_COMPONENTS in components)
