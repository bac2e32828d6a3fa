"""Recognising plain documents, which can be extended without an object layer.

Plain means: not encrypted, not linearised, not hybrid, its cross-references right without any
repair, no form but one of ordinary signatures, catalog and page standing as objects of their own.
For everything else `plain_document` gives None, and the object layer does the work.
"""

import contextlib
import mmap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from pdf.document import Document, View, load
from pdf.errors import PdfError
from pdf.objects import Ref
from pdf.page_geometry import Page, page_from
from pdf.plain_form import PlainForm, grown, plain_form
from pdf.plain_object import Found, copied
from pdf.syntax import Buffer, PdfDict
from pdf.syntax import Name as ReadName
from pdf.syntax import Ref as ReadRef

_MAX_DEPTH = 32
_MOST_BLANKS = 64
_INHERITED = ("MediaBox", "CropBox", "Rotate")
_TABLE_TRAILER = frozenset({"Size", "Root", "Info", "ID", "Prev"})
_STREAM_TRAILER = _TABLE_TRAILER | {
    *("Type", "W", "Index", "Length", "Filter", "DecodeParms"),
}


@dataclass(frozen=True)
class PlainDocument:
    """A document that the short way understands."""

    view: View
    catalog: Found
    form: PlainForm
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


def plain_document(
    buffer: Buffer, *, page: int, reader: Callable[[Buffer], Document] = Document
) -> PlainDocument | None:
    """Read the document as far as needed; None when anything about it is not plain.

    `page` is 1 or -1: the first page or the last. `reader` may be one that reads less.
    """
    try:
        view = reader(buffer).latest
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
        or not _ends_at(view, newest.tail_end)
        or not bytes(view.document.buffer[:16]).startswith(b"%PDF-")
    ):
        return None
    catalog, found = view.dictionary(root), copied(view, root)
    if catalog is None or found is None or "Perms" in catalog:
        return None
    form = plain_form(view, catalog)
    at_edge = _edge_page(view, catalog, page)
    # the version is raised with the first signature; one in the catalog would have to be replaced
    if form is None or at_edge is None or (form.found is None and "Version" in catalog):
        return None
    return PlainDocument(view, found, form, *at_edge, stream_table=stream_table)


def _ends_at(view: View, end: int) -> bool:
    """Say whether nothing but white space follows the newest revision."""
    rest = view.document.size - end
    return rest <= _MOST_BLANKS and not view.document.buffer[end:].strip(b"\r\n \t")


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
            found = copied(view, node)
            if found is None or ("Annots" in entries and grown(found, "Annots", Ref(0)) is None):
                return None
            return page_from(number, Ref(*node), inherited), found
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
