"""Recognising plain documents, which can be extended without an object layer.

Plain means: not encrypted, cross-references and object streams right without any repair and open to
one reading only (`plain_reader`), and a form, if there is one, of ordinary signatures and fields to
fill in (`plain_form`). Whether there are tables, streams or both, and in the order of a linearised
file, makes no difference. For everything else `plain_document` gives None, and the object layer
does the work.
"""

import contextlib
import mmap
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from pdf.document import View, load
from pdf.errors import PdfError
from pdf.objects import Ref
from pdf.packed_objects import NotPlain
from pdf.page_geometry import Page, page_from
from pdf.plain_form import PlainForm, plain_form
from pdf.plain_object import Found, can_grow, copied, leads
from pdf.plain_reader import PlainReader
from pdf.syntax import Buffer, PdfDict, PdfObject
from pdf.syntax import Name as ReadName
from pdf.syntax import Ref as ReadRef
from pdf.xref import Section

_MAX_DEPTH = 32
_MOST_BLANKS = 64
_INHERITED = ("MediaBox", "CropBox", "Rotate")
OFFICE_KEYS = frozenset({"DocChecksum", "AdditionalStreams"})
"""What office programs add to their trailers; it is repeated in later ones."""
_TRAILER = OFFICE_KEYS | {"Size", "Root", "Info", "ID", "Prev"}
_TABLE_TRAILER = _TRAILER | {"XRefStm"}
_STREAM_TRAILER = _TRAILER | {
    *("Type", "W", "Index", "Length", "Filter", "DecodeParms"),
}
_VERSION = re.compile(rb"%PDF-(\d)\.(\d)[\r\n \t]")
_NAMED_VERSION = re.compile(r"(\d)\.(\d)")
_FIRST_VERSION = (1, 0)
WANTED_VERSION = (1, 7)
"""What a document with signatures is declared to be at least."""
_HEAD = 1024
_MOST_OBJECTS = 8_388_607
"""Numbers that every reader can hold (ISO 32000-1 annex C)."""
_SECTIONS_OF_LINEARISED = 2


@dataclass(frozen=True)
class PlainDocument:
    """A document that the short way understands.

    `annotations` is the list of the page's annotations where that is an object of its own, and
    `version` the one that counts, of the header or the catalog.
    """

    view: View
    catalog: Found
    form: PlainForm
    page: Page
    page_object: Found
    annotations: Found | None
    stream_table: bool
    version: tuple[int, int]

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


def declared_version(buffer: Buffer) -> tuple[int, int]:
    """Read the version in the file's header."""
    found = _VERSION.match(buffer)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def plain_document(
    buffer: Buffer, *, page: int, reader: Callable[[Buffer], PlainReader] = PlainReader
) -> PlainDocument | None:
    """Read the document as far as needed; None when anything about it is not plain.

    `page` is 1 or -1: the first page or the last. `reader` may be one that reads less.
    """
    try:
        view = reader(buffer).latest
        return _plain(view, page)
    except (NotPlain, PdfError, ValueError, TypeError, OverflowError, RecursionError):
        # the object layer says what is wrong with it
        return None


def _plain(view: View, page: int) -> PlainDocument | None:
    root = view.trailer.get("Root")
    if not _has_one_reading(view) or not isinstance(root, ReadRef):
        return None
    catalog, found = view.dictionary(root), copied(view, root)
    if catalog is None or found is None or "Perms" in catalog:
        return None
    form = plain_form(view, catalog, found)
    at_edge = _edge_page(view, catalog, page)
    version = _version(view, catalog)
    if form is None or at_edge is None or version is None:
        return None
    parts = (found, None if form.inside else form.found, *at_edge[1:])
    written = [each.reference for each in parts if each is not None]
    if len(set(written)) != len(written):
        return None  # an object in two roles would be written twice
    view.array(view.trailer.get("ID"))  # what cannot be read is found out now
    stream_table = view.sections[0].stream_number is not None
    return PlainDocument(view, found, form, *at_edge, stream_table=stream_table, version=version)


def _version(view: View, catalog: PdfDict) -> tuple[int, int] | None:
    """Read the version that counts; None where the catalog has one that would be replaced."""
    if "Version" not in catalog:
        return declared_version(view.document.buffer)
    named = _NAMED_VERSION.fullmatch(str(view.name(catalog["Version"])))
    version = (int(named[1]), int(named[2])) if named else (0, 0)
    return version if version >= WANTED_VERSION else None


def _has_one_reading(view: View) -> bool:
    """Say whether header, cross-references and end leave nothing to a reader's judgement."""
    allowed = _TABLE_TRAILER if view.sections[0].stream_number is None else _STREAM_TRAILER
    size = view.trailer.get("Size")
    return (
        not view.repaired
        and not view.document.header_offset
        and all(map(_is_sound, view.sections))
        and view.sections[-1].previous is None
        and view.trailer.keys() <= allowed
        and isinstance(view.trailer.get("Info"), ReadRef | None)
        and all(_is_simple(view.trailer[key]) for key in OFFICE_KEYS & view.trailer.keys())
        and isinstance(size, int)
        and max(view.entries, default=0) < size <= _MOST_OBJECTS
        and _ends_at(view, _last_tail(view))
        and declared_version(view.document.buffer) >= _FIRST_VERSION
    )


def _is_simple(value: PdfObject) -> bool:
    """Say whether a value of the trailer is a name, a reference, or some of them."""
    if isinstance(value, list):
        return all(isinstance(each, ReadRef | ReadName) and _is_simple(each) for each in value)
    return isinstance(value, ReadRef) or (isinstance(value, ReadName) and value.isascii())


def _is_sound(section: Section) -> bool:
    """Say whether what a section names beside its entries is there: earlier and hidden ones."""
    hidden = section.hybrid
    if "Prev" in section.trailer and section.previous is None:
        return False
    if "Encrypt" in section.trailer or (hidden and "Encrypt" in hidden.trailer):
        return False
    if hidden is None:
        return "XRefStm" not in section.trailer or section.stream_number is not None
    return hidden.stream_number is not None and hidden.hybrid is None


def _last_tail(view: View) -> int:
    """Give where the newest revision ends; the two parts of a linearised file are one."""
    newest, *older = view.sections
    if len(older) + 1 == _SECTIONS_OF_LINEARISED and older[0].offset > newest.offset:
        return older[0].tail_end if b"/Linearized" in view.document.buffer[:_HEAD] else 0
    return newest.tail_end


def _ends_at(view: View, end: int) -> bool:
    """Say whether nothing but white space follows the newest revision."""
    rest = view.document.size - end
    return rest <= _MOST_BLANKS and not view.document.buffer[end:].strip(b"\r\n \t")


def _edge_page(
    view: View, catalog: PdfDict, number: int
) -> tuple[Page, Found, Found | None] | None:
    """Walk down the first or last branch of the page tree."""
    node, inherited = catalog.get("Pages"), dict[str, object]()
    for _ in range(_MAX_DEPTH):
        entries = view.dictionary(node)
        if entries is None or not isinstance(node, ReadRef) or not leads(view, node):
            return None
        for key in _INHERITED:
            if key in entries:
                inherited[key] = _numbers(view, entries[key])
        if view.name(entries.get("Type")) == ReadName("Page") and "Kids" not in entries:
            found, listed = copied(view, node), entries.get("Annots")
            annotations = copied(view, listed) if isinstance(listed, ReadRef) else None
            growing = (found, ("Annots",)) if annotations is None else (annotations, ())
            if found is None or ("Annots" in entries and not _grows(*growing)):
                return None
            return page_from(number, Ref(*node), inherited), found, annotations
        kids = view.array(entries.get("Kids"))
        if not kids:
            return None
        node = kids[0 if number > 0 else -1]
    return None


def _grows(found: Found | None, path: tuple[str, ...]) -> bool:
    return found is not None and can_grow(found, *path)


def _numbers(view: View, value: object) -> object:
    resolved = view.resolve(value)  # type: ignore[arg-type]  # what was read is what is resolved
    if isinstance(resolved, list):
        return [view.resolve(item) for item in resolved]
    return resolved
