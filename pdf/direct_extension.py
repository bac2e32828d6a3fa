"""The short way to an extension: evidence and time-stamp behind a plain file.

Sources: ISO 32000-2 sections 12.8.4.3 (document security store) and 12.8.5 (document time-stamp
dictionary), ETSI EN 319 142-1 sections 5.4 and 5.6.
"""

from pdf.addition import Addition, Extension, NewEvidence
from pdf.direct_writer import DirectSink, with_annotation, write_objects
from pdf.document import View
from pdf.objects import Name, Ref, Stream, Value, serialise
from pdf.plain_document import PlainDocument, declared_version
from pdf.plain_object import Found, copied
from pdf.revision import separator
from pdf.signature_objects import open_ends, timestamp_dictionary, widget
from pdf.syntax import PdfDict, PdfObject
from pdf.syntax import Ref as ReadRef

_STORE_ARRAYS = ("Certs", "OCSPs", "CRLs")
_STORE_KEYS = frozenset({"Type", "VRI", *_STORE_ARRAYS})
_EXTENSIONS_UNTIL = (2, 0)


def write_extension(document: PlainDocument, addition: Addition) -> Extension | None:
    """Write the revision; None when the document's own store or form is more than plain."""
    sink = DirectSink.behind(document)
    catalog = document.catalog
    if addition.evidence:
        stored = _store(document, addition.evidence, sink)
        if stored is None:
            return None
        catalog = stored
    if addition.timestamp_room is None:
        if catalog is not document.catalog:
            sink.replace(catalog)
        tail = _begin(document)
        write_objects(tail, sink, document)
        return Extension(tail)
    return _stamped(document, catalog, addition.timestamp_room, sink)


def _begin(document: PlainDocument) -> bytearray:
    return bytearray(separator(bytes(document.view.document.buffer[-1:])))


def _stamped(
    document: PlainDocument, catalog: Found, room: int, sink: DirectSink
) -> Extension | None:
    contents, byte_range = open_ends(room)
    stamp = sink.add(timestamp_dictionary(contents=contents, byte_range=byte_range))
    entries = widget(document.form.free_name(), stamp) | {"P": document.page.reference}
    field = sink.add(entries)
    if document.form.found is None:
        return None
    catalog, listed = document.form.with_field(catalog, field)
    if listed is not None:
        sink.replace(listed)
    sink.replace(with_annotation(document, field))
    if catalog is not document.catalog:
        sink.replace(catalog)
    tail = _begin(document)
    start = write_objects(tail, sink, document)[stamp] - document.size
    places = (tail.index(contents.data, start), tail.index(byte_range.data, start))
    return Extension.stamped(
        tail,
        base=document.size,
        room=room,
        places=(document.size + places[0], document.size + places[1]),
    )


def _store(document: PlainDocument, evidence: NewEvidence, sink: DirectSink) -> Found | None:
    """Put the evidence into the store; give the catalog, changed where it has to be."""
    view = document.view
    catalog = view.dictionary(view.trailer.get("Root")) or PdfDict()
    kept = _kept_store(view, catalog.get("DSS"))
    if kept is None:
        return None
    store: dict[str, Value] = {**kept}
    new = (evidence.certificates, evidence.ocsp_responses, evidence.crls)
    for key, items in zip(_STORE_ARRAYS, new, strict=True):
        earlier = store.pop(key, None)
        listed = [*(earlier if isinstance(earlier, list) else ()), *_streams(items, sink)]
        if listed:
            store[key] = listed
    place = catalog.get("DSS")
    if isinstance(place, ReadRef):
        sink.replace(Found(Ref(*place), serialise(store)))
        return document.catalog
    changed = document.catalog.with_entry("DSS", sink.add(store))
    if "Extensions" in catalog or declared_version(view.document.buffer) >= _EXTENSIONS_UNTIL:
        return changed
    return changed.with_entry("Extensions", PADES_EXTENSION)


PADES_EXTENSION: dict[str, Value] = {
    "ESIC": {"BaseVersion": Name("1.7"), "ExtensionLevel": 1},
}
"""Says to readers of PDF 1.7 that the file has a security store (ISO 32000-1 section 7.12)."""


def _streams(items: tuple[bytes, ...], sink: DirectSink) -> list[Value]:
    return [sink.add(Stream({}, data)) for data in items]


def _kept_store(view: View, place: PdfObject) -> dict[str, Value] | None:
    """Read the entries of an earlier store that are written again; None when it is not plain."""
    if place is None:
        return {}
    store = view.dictionary(place)
    if store is None or not isinstance(place, ReadRef) or not store.keys() <= _STORE_KEYS:
        return None
    if copied(view, place) is None:
        return None
    kept: dict[str, Value] = {}
    for key in _STORE_ARRAYS:
        listed = view.array(store.get(key))
        references = [Ref(*each) for each in listed if isinstance(each, ReadRef)]
        if len(references) != len(listed):
            return None
        if references:
            kept[key] = references
    related = store.get("VRI")
    if isinstance(related, ReadRef):
        kept["VRI"] = Ref(*related)
    elif related is not None:
        return None
    return kept
