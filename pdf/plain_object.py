"""An object that is copied from a file byte for byte, with little added."""

from dataclasses import dataclass

from pdf.document import View
from pdf.objects import Ref, Value, serialise
from pdf.packed_objects import PackedObjects
from pdf.syntax import PdfDict
from pdf.syntax import Ref as ReadRef
from pdf.xref import OBJECT_HEAD, PACKED, PLAIN, Entry


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
    """Cut the bytes of a dictionary out of the file or its object stream; None if not plain."""
    entry = view.entries.get(reference.number)
    value = view.object(reference.number)
    if entry is None or not isinstance(value, PdfDict) or value.repeated:
        return None
    body = _packed(view, reference, entry) if entry.kind == PACKED else _own(view, reference, entry)
    if body is None or not body.startswith(b"<<") or not body.endswith(b">>"):
        return None
    return Found(Ref(*reference), body)


def _own(view: View, reference: ReadRef, entry: Entry) -> bytes | None:
    """Give the bytes of an object that stands in the file itself."""
    if entry.kind != PLAIN:
        return None
    buffer = view.document.buffer
    indirect = view.document.indirect(entry.first)
    head = OBJECT_HEAD.match(buffer, entry.first)
    if indirect is None or head is None:
        return None
    if (indirect.number, indirect.generation) != reference:
        return None
    return bytes(buffer[head.end() : indirect.end]).strip()


def _packed(view: View, reference: ReadRef, entry: Entry) -> bytes | None:
    """Give the bytes of an object in an object stream; those have no generation."""
    objects = view.document.packed(view, entry.first)
    if not isinstance(objects, PackedObjects) or reference.generation:
        return None
    return objects.body(entry.second)
