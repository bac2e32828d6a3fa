"""What a document says, apart from how its objects are numbered, packed and squeezed."""

from contextlib import suppress

from pdf.document import Document
from pdf.errors import PdfError
from pdf.syntax import PdfDict, PdfObject, Ref, Stream

_OF_THE_SECTION = frozenset(
    {
        "Root",
        "ID",
        "Prev",
        "Size",
        "XRefStm",
        "Type",
        "W",
        "Index",
        "Length",
        "Filter",
        "DecodeParms",
    }
)
_PACKING = frozenset({"Length", "Filter", "DecodeParms"})


def meaning(data: bytes) -> object:
    """Give the graph below the trailer: objects numbered as they are met, signatures left out."""
    view = Document(data).latest
    met: dict[int, int] = {}

    def told(value: PdfObject) -> object:
        while isinstance(value, Ref):
            if value.number in met:
                return ("met", met[value.number])
            met[value.number] = len(met)
            value = view.object(value.number)
        if isinstance(value, Stream):
            content = None
            with suppress(PdfError):
                content = view.decoded(value)
            return (entries(value.entries, _PACKING), content)
        if isinstance(value, PdfDict):
            # what a signature is over differs with every octet of the file
            signed = {"ByteRange", "Contents"} if "ByteRange" in value else frozenset()
            return entries(value, signed)
        return [told(each) for each in value] if isinstance(value, list) else value

    def entries(found: PdfDict, without: frozenset[str] | set[str]) -> dict[str, object]:
        kept = sorted(key for key in found if key not in without and found[key] is not None)
        return {key: told(found[key]) for key in kept}

    kept = sorted(set(view.trailer) - _OF_THE_SECTION)
    return {key: told(view.trailer[key]) for key in ("Root", *kept)}
