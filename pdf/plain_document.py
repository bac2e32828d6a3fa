"""Recognising plain documents, which can be extended without an object layer.

Plain means: not encrypted, not linearised, not hybrid, its cross-references right without any
repair, no form yet, and catalog and page standing as objects of their own. For everything else
`plain_document` gives None, and the object layer does the work.
"""

import contextlib
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from pdf.document import Document, View, load
from pdf.errors import PdfError
from pdf.objects import Ref, Value, serialise
from pdf.page_geometry import Page, page_from
from pdf.syntax import Buffer, PdfDict
from pdf.syntax import Name as ReadName
from pdf.syntax import Ref as ReadRef
from pdf.xref import OBJECT_HEAD, PLAIN

_MAX_DEPTH = 32
_INHERITED = ("MediaBox", "CropBox", "Rotate")
_TABLE_TRAILER = frozenset({"Size", "Root", "Info", "ID", "Prev"})
_STREAM_TRAILER = _TABLE_TRAILER | {
    *("Type", "W", "Index", "Length", "Filter", "DecodeParms"),
}


@dataclass(frozen=True)
class Found:
    """An object to be written again: number, generation, the bytes of its dictionary."""

    reference: Ref
    body: bytes

    def with_entry(self, key: str, value: Value) -> "Found":
        """Add an entry at the end of the dictionary."""
        added = b"/%s %s>>" % (key.encode(), serialise(value))
        return Found(self.reference, self.body.removesuffix(b">>") + added)


@dataclass(frozen=True)
class PlainDocument:
    """A document that the short way understands."""

    view: View
    catalog: Found
    page: Page
    page_object: Found
    stream_table: bool

    @property
    def size(self) -> int:
        """How many bytes the file has."""
        return self.view.document.size


@contextlib.contextmanager
def opened(source: BinaryIO) -> Iterator[Buffer]:
    """Give the bytes of the file; a mapping is closed again."""
    buffer = load(source)
    try:
        yield buffer
    finally:
        if isinstance(buffer, mmap.mmap):
            with contextlib.suppress(BufferError):
                buffer.close()


def plain_document(buffer: Buffer, *, page: int) -> PlainDocument | None:
    """Read the document as far as needed; None when anything about it is not plain.

    `page` is 1 or -1: the first page or the last.
    """
    try:
        view = Document(buffer).latest
        return _plain(view, page)
    except (PdfError, ValueError, OverflowError, RecursionError):
        # the object layer says what is wrong with it
        return None


def _plain(view: View, page: int) -> PlainDocument | None:
    newest = view.sections[0]
    stream_table = newest.stream_number is not None
    allowed = _STREAM_TRAILER if stream_table else _TABLE_TRAILER
    size, root = view.trailer.get("Size"), view.trailer.get("Root")
    if (
        view.repaired
        or view.document.header_offset
        or any(section.hybrid_offset is not None or section.moved for section in view.sections)
        or not set(view.trailer) <= allowed
        or not isinstance(root, ReadRef)
        or not isinstance(size, int)
        or max(view.entries, default=0) >= size
        or bytes(view.document.buffer[newest.tail_end :]).strip(b"\r\n \t")
        or not bytes(view.document.buffer[:16]).startswith(b"%PDF-")
    ):
        return None
    catalog = view.dictionary(root)
    copied = _copy(view, root)
    if catalog is None or copied is None or catalog.keys() & {"AcroForm", "Perms", "Version"}:
        return None
    at_edge = _edge_page(view, catalog, page)
    if at_edge is None:
        return None
    found, page_object = at_edge
    return PlainDocument(view, copied, found, page_object, stream_table)


def _copy(view: View, reference: ReadRef) -> Found | None:
    """Cut the bytes of an uncompressed dictionary out of the file."""
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


def _edge_page(view: View, catalog: PdfDict, number: int) -> tuple[Page, Found] | None:
    """Walk down the first or last branch of the page tree."""
    node, inherited = catalog.get("Pages"), dict[str, object]()
    for _ in range(_MAX_DEPTH):
        entries = view.dictionary(node)
        if entries is None or not isinstance(node, ReadRef):
            return None
        for key in _INHERITED:
            if key in entries:
                inherited[key] = _numbers(view, entries[key])
        if view.name(entries.get("Type")) == ReadName("Page") and "Kids" not in entries:
            copied = _copy(view, node)
            if copied is None or "Annots" in entries:
                return None
            return page_from(number, Ref(*node), inherited), copied
        kids = view.array(entries.get("Kids"))
        if not kids:
            return None
        node = kids[0 if number > 0 else -1]
    return None


def _numbers(view: View, value: object) -> object:
    resolved = view.resolve(value)  # type: ignore[arg-type]  # what was read is what is resolved
    if isinstance(resolved, list):
        return [view.resolve(item) for item in resolved]
    return resolved
