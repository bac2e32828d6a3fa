"""Writing evidence and a document time-stamp through the object layer.

For every file that is not plain: hybrid, encrypted, compressed catalogs, forms with other fields,
certified documents. A document time-stamp and evidence are permitted at every level of DocMDP and
whatever fields are locked (ISO 32000-2 table 257), so no permission of a signature is asked here.
"""

# The object layer is only partly annotated; what leaves here is.
# mypy: allow-untyped-calls

from typing import BinaryIO

from pyhanko.pdf_utils import generic

from pdf.addition import Addition, Extension, NewEvidence
from pdf.direct_extension import PADES_EXTENSION
from pdf.fields import read_form
from pdf.layer import OpenedDocument, entry, guarded
from pdf.layered_revision import register_field
from pdf.objects import Raw, Stream
from pdf.pages import find_page
from pdf.revision import separator
from pdf.signature_objects import open_ends, timestamp_dictionary, widget

_EXTENSIONS_UNTIL = (2, 0)


def write_layered_extension(
    source: BinaryIO, addition: Addition, *, password: str | None
) -> Extension:
    """Build the revision; raises what keeps the document from being opened and added to."""
    document = OpenedDocument(source, password=password)
    with guarded("the new revision cannot be written"):
        if addition.evidence:
            _add_evidence(document, addition.evidence)
        if addition.timestamp_room is not None:
            places = _add_stamp(document, addition.timestamp_room)
        source.seek(document.size - 1)
        between = separator(source.read(1))
        tail = bytearray(between + document.writer.tail(document.size + len(between)))
        if addition.timestamp_room is None:
            return Extension(tail)
        contents, byte_range = (document.sink.offset_of(each) for each in places)
    return Extension.stamped(
        tail,
        base=document.size,
        room=addition.timestamp_room,
        places=(contents, byte_range),
    )


def _add_evidence(document: OpenedDocument, evidence: NewEvidence) -> None:
    """Let the security store grow, making it where there is none."""
    root, writer = document.root, document.writer
    store = entry(root, "/DSS")
    if not isinstance(store, generic.DictionaryObject):
        root["/DSS"] = document.sink.convert(document.sink.add({}))
        store = root["/DSS"]
        if writer.prev.input_version < _EXTENSIONS_UNTIL and "/Extensions" not in root:
            root["/Extensions"] = document.sink.convert(PADES_EXTENSION)
        writer.update_root()
    for key, items in (
        ("/Certs", evidence.certificates),
        ("/OCSPs", evidence.ocsp_responses),
        ("/CRLs", evidence.crls),
    ):
        made = [document.sink.convert(document.sink.add(Stream({}, data))) for data in items]
        listed = entry(store, key)
        if isinstance(listed, generic.ArrayObject):
            listed.extend(made)
            writer.update_container(listed)
        elif made:
            store[key] = generic.ArrayObject(made)
    writer.update_container(store)


def _add_stamp(document: OpenedDocument, room: int) -> tuple[Raw, Raw]:
    form = read_form(document)
    page = find_page(document, 1)
    contents, byte_range = open_ends(room)
    stamp = document.sink.add(timestamp_dictionary(contents=contents, byte_range=byte_range))
    entries = widget(form.free_name(), stamp) | {"P": page.reference}
    reference = document.sink.convert(document.sink.add(entries))
    register_field(document, form, reference)
    document.writer.register_annotation(document.sink.convert(page.reference), reference)
    return contents, byte_range
