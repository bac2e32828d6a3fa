"""An object that is copied from a file byte for byte, with little added."""

import re
from dataclasses import dataclass

from pdf.document import View
from pdf.objects import Ref, Value, serialise
from pdf.packed_objects import PackedObjects
from pdf.syntax import PdfDict, PdfObject, read_object
from pdf.syntax import Ref as ReadRef
from pdf.xref import END_OBJECT, OBJECT_HEAD, PACKED, PLAIN, Entry

_LAST_GENERATION = 65_535
"""The highest generation that cross-references of both kinds can hold."""
_REFERENCES = rb"((?:\s*\d+\s+\d+\s+R)*)\s*\]"


@dataclass(frozen=True)
class Found:
    """An object to be written again: number, generation, the bytes of its dictionary or array."""

    reference: Ref
    body: bytes

    def with_entry(self, key: str, value: Value) -> "Found":
        """Add an entry at the end of the dictionary."""
        added = b"/%s %s>>" % (key.encode(), serialise(value))
        return Found(self.reference, self.body.removesuffix(b">>") + added)


def copied(view: View, reference: ReadRef) -> Found | None:
    """Cut the bytes of a dictionary or array out of the file or its object stream.

    None when it is not plain, or another kind of object.
    """
    entry = view.entries.get(reference.number)
    value = view.object(reference.number)
    if entry is None or not isinstance(value, PdfDict | list):
        return None
    if isinstance(value, PdfDict) and value.repeated:
        return None
    if reference.generation > _LAST_GENERATION:
        return None
    body = _packed(view, reference, entry) if entry.kind == PACKED else _own(view, reference, entry)
    start, end = (b"[", b"]") if isinstance(value, list) else (b"<<", b">>")
    if body is None or not body.startswith(start) or not body.endswith(end):
        return None
    return Found(Ref(*reference), body)


def leads(view: View, reference: PdfObject) -> bool:
    """Say whether a reference names its object by the generation that it has.

    To readers that go by it, another one leads to nothing.
    """
    if not isinstance(reference, ReadRef):
        return True
    entry = view.entries.get(reference.number)
    generation = entry.second if entry is not None and entry.kind == PLAIN else 0
    return reference.generation == generation


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
    if END_OBJECT.match(buffer, indirect.end) is None:
        return None  # something else follows that readers may take for a part of it
    return bytes(buffer[head.end() : indirect.end]).strip()


def _packed(view: View, reference: ReadRef, entry: Entry) -> bytes | None:
    """Give the bytes of an object in an object stream; those have no generation."""
    objects = view.document.packed(view, entry.first)
    if not isinstance(objects, PackedObjects) or reference.generation:
        return None
    return objects.body(entry.second)


def grown(found: Found, key: str, added: Ref) -> Found | None:
    """Add a reference to a direct array of references; None unless the key stands there once.

    Without a key the object itself is the array.
    """
    reference = b" %d %d R" % (added.number, added.generation)
    if not key:
        return Found(found.reference, found.body.removesuffix(b"]") + reference + b"]")
    word = b"/" + key.encode()
    if found.body.count(word) != 1:
        return None
    listed = re.search(word + rb"\s*\[" + _REFERENCES, found.body)
    if listed is None:
        return None
    end = listed.end() - 1
    return Found(found.reference, found.body[:end] + reference + found.body[end:])


def can_grow(found: Found, *path: str) -> bool:
    """Say whether `grown` adds to the very array that readers find under these keys."""
    added = grown(found, path[-1] if path else "", Ref(0))
    if added is None:
        return False
    value, _ = read_object(added.body, 0)
    for key in path:
        value = value.get(key) if isinstance(value, PdfDict) and not value.repeated else None
    return isinstance(value, list) and bool(value) and value[-1] == ReadRef(0, 0)
