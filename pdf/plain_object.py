"""An object that is copied from a file byte for byte, with little added."""

from dataclasses import dataclass

from pdf.document import View
from pdf.objects import Ref, Value, serialise
from pdf.syntax import PdfDict
from pdf.syntax import Ref as ReadRef
from pdf.xref import OBJECT_HEAD, PLAIN


@dataclass(frozen=True)
class Found:
    """An object to be written again: number, generation, the bytes of its dictionary."""

    reference: Ref
    body: bytes

    def with_entry(self, key: str, value: Value) -> "Found":
        """Add an entry at the end of the dictionary."""
        added = b"/%s %s>>" % (key.encode(), serialise(value))
        return Found(self.reference, self.body.removesuffix(b">>") + added)


def copied(view: View, reference: ReadRef) -> Found | None:
    """Cut the bytes of an uncompressed dictionary out of the file; None when it is not plain."""
    entry = view.entries.get(reference.number)
    if entry is None or entry.kind != PLAIN:
        return None
    buffer = view.document.buffer
    indirect = view.document.indirect(entry.first)
    head = OBJECT_HEAD.match(buffer, entry.first)
    value = view.object(reference.number)
    if indirect is None or head is None or not isinstance(value, PdfDict) or value.repeated:
        return None
    if (indirect.number, indirect.generation) != reference:
        return None
    body = bytes(buffer[head.end() : indirect.end]).strip()
    if not body.startswith(b"<<") or not body.endswith(b">>"):
        return None
    return Found(Ref(*reference), body)
