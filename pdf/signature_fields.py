"""Find every signature in a document: through the form, through pages, and orphaned.

A signature that no field reaches is still somebody's signature: it was removed, replaced or
hidden, and the report must say so. Orphans are therefore searched in the raw bytes.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from pdf.document import Document
from pdf.errors import DamagedPdf
from pdf.limits import within
from pdf.passes import windows
from pdf.syntax import PdfDict, PdfObject, Ref, Stream
from pdf.view import View
from pdf.xref import FREE, PLAIN

_TRACE = re.compile(rb"/(?:ByteRange|SubFilter)(?![A-Za-z0-9])")

_TRACE_LENGTH = 16


class Field(NamedTuple):
    """A terminal form field of a view; `kind` is its inherited /FT."""

    name: str
    ref: Ref | None
    dictionary: PdfDict
    kind: str | None
    value: PdfObject


@dataclass(frozen=True, kw_only=True, eq=False)
class FoundSignature:
    """A signature dictionary and where it stands.

    `holder` is the offset of the indirect object it is in (None when that is packed in an object
    stream), `reachable` says whether the newest revision's form leads to it.
    """

    field: str | None
    dictionary: PdfDict
    holder: int | None
    number: int | None
    reachable: bool
    owner: Ref | None = None
    """The field that holds the signature, where it is an object of its own."""


def fields(view: View) -> list[Field]:
    """All terminal fields of the form, in the order of the tree, names joined by dots."""
    catalog = view.catalog
    form = view.dictionary(catalog.get("AcroForm")) if isinstance(catalog, PdfDict) else None
    found: list[Field] = []
    if form is not None:
        seen: set[Ref] = set()
        for item in view.array(form.get("Fields")):
            found.extend(_walk(view, item, "", (None, None), seen))
    return found


def _walk(
    view: View,
    item: PdfObject,
    prefix: str,
    inherited: tuple[str | None, PdfObject],
    seen: set[Ref],
    depth: int = 0,
) -> Iterator[Field]:
    ref = item if isinstance(item, Ref) else None
    if ref is not None:
        if ref in seen:
            return
        seen.add(ref)
    within(depth, view.document.limits.depth, "the form is nested too deeply")
    node = view.resolve(item)
    if not isinstance(node, PdfDict):
        return
    name = prefix
    if "T" in node:
        own = text(view.resolve(node["T"]))
        name = f"{prefix}.{own}" if prefix else own
    kind = view.name(node.get("FT")) or inherited[0]
    value = node.get("V", inherited[1])
    children = [kid for kid in view.array(node.get("Kids")) if _is_field(view, kid)]
    if not children:
        yield Field(name, ref, node, kind, value)
        return
    for kid in children:
        yield from _walk(view, kid, name, (kind, value), seen, depth + 1)


def _is_field(view: View, kid: PdfObject) -> bool:
    node = view.resolve(kid)
    return isinstance(node, PdfDict) and ("T" in node or "Kids" in node or "FT" in node)


def text(value: PdfObject) -> str:
    """Give a text string in words (ISO 32000-2 clause 7.9.2.2)."""
    if not isinstance(value, bytes):
        return "" if value is None else str(value)
    if value.startswith(b"\xfe\xff"):
        return value[2:].decode("utf-16-be", errors="replace")
    if value.startswith(b"\xff\xfe"):
        return value[2:].decode("utf-16-le", errors="replace")
    if value.startswith(b"\xef\xbb\xbf"):
        return value[3:].decode("utf-8", errors="replace")
    return value.decode("latin-1")


def form_signatures(view: View) -> Iterator[FoundSignature]:
    """Signatures that the form of a view leads to."""
    for field in fields(view):
        if field.kind == "Sig" or (field.kind is None and _looks_signed(view, field.value)):
            found = _from_value(view, field.name, field.value, field.ref)
            if found is not None:
                yield found


def _looks_signed(view: View, value: PdfObject) -> bool:
    dictionary = view.resolve(value)
    return isinstance(dictionary, PdfDict) and "ByteRange" in dictionary


def _from_value(
    view: View, name: str, value: PdfObject, owner: Ref | None
) -> FoundSignature | None:
    dictionary = view.resolve(value)
    if not isinstance(dictionary, PdfDict):
        if not _unreadable(view, value):
            return None
        dictionary = PdfDict()
    number = value.number if isinstance(value, Ref) else (owner.number if owner else None)
    while number is not None and isinstance(linked := _direct(view, number), Ref):
        number = linked.number
    entry = view.entries.get(number) if number is not None else None
    return FoundSignature(
        field=name,
        dictionary=dictionary,
        holder=entry.first if entry is not None and entry.kind == PLAIN else None,
        number=number,
        reachable=True,
        owner=owner,
    )


def _unreadable(view: View, value: PdfObject) -> bool:
    """Whether a value names an object that stands in the file but is no dictionary."""
    if not isinstance(value, Ref):
        return value is not None
    entry = view.entries.get(value.number)
    return entry is not None and entry.kind != FREE and entry.first > 0


def _direct(view: View, number: int) -> PdfObject:
    return view.object(number)


def find_signatures(document: Document) -> list[FoundSignature]:
    """Every signature of the document, orphans last; bounded by the document's limits."""
    view = document.latest
    found: list[FoundSignature] = []
    known: set[tuple[int | None, int | None]] = set()
    for signature in form_signatures(view):
        key = (signature.holder, signature.number)
        if key == (None, None) or key not in known:
            known.add(key)
            found.append(signature)
    extents = _extents(document, found)
    traces = [place for place in _traces(document) if not _inside(place, extents)]
    if traces:
        found.extend(_orphans(document, traces, {s.holder for s in found}))
    within(len(found), document.limits.signatures, "too many signatures")
    return found


def _traces(document: Document) -> list[int]:
    """Where the words of a signature dictionary stand in the file."""
    found: set[int] = set()
    for offset, window in windows(document.buffer, overlap=_TRACE_LENGTH):
        found.update(offset + match.start() for match in _TRACE.finditer(window))
        within(len(found), document.limits.traces, "too many traces of signatures")
    return sorted(found)


def _extents(document: Document, found: list[FoundSignature]) -> list[tuple[int, int]]:
    result: list[tuple[int, int]] = []
    for signature in found:
        holder = signature.holder
        indirect = document.indirect(holder) if holder is not None else None
        if holder is not None and indirect is not None:
            result.append((holder, indirect.end))
    return sorted(result)


def _inside(position: int, extents: list[tuple[int, int]]) -> bool:
    index = bisect_right(extents, (position, _BEYOND)) - 1
    return index >= 0 and extents[index][0] <= position < extents[index][1]


_BEYOND = 1 << 62


def _orphans(
    document: Document, traces: list[int], known: set[int | None]
) -> Iterator[FoundSignature]:
    offsets = [offset for offset, _, _ in document.definitions()]
    streams = _stream_extents(document)
    by_page: dict[int, str] | None = None
    seen: set[int] = set()
    for trace in traces:
        index = bisect_right(offsets, trace) - 1
        offset = offsets[index] if index >= 0 else 0
        if offset in seen or offset in known or _inside(trace, streams):
            continue
        seen.add(offset)
        indirect = document.indirect(offset) if index >= 0 else None
        if indirect is None or (isinstance(indirect.value, Stream) and trace > indirect.end):
            # The words of a signature where no object can be read: broken, but not to be hidden.
            yield FoundSignature(
                field=None, dictionary=PdfDict(), holder=None, number=None, reachable=False
            )
            continue
        for dictionary in _signature_dictionaries(indirect.value):
            if by_page is None:
                by_page = _page_widgets(document.latest)
            yield FoundSignature(
                field=by_page.get(offset),
                dictionary=dictionary,
                holder=offset,
                number=indirect.number,
                reachable=offset in by_page,
            )


def _stream_extents(document: Document) -> list[tuple[int, int]]:
    """Where the streams of every revision lie: a signed PDF may be attached to a PDF."""
    view = document.latest
    result: list[tuple[int, int]] = []
    for entry in {e.first for s in view.sections for e in s.merged().values() if e.kind == PLAIN}:
        indirect = document.indirect(entry)
        if indirect is not None and isinstance(indirect.value, Stream):
            try:
                result.append((indirect.value.start, view.data_end(indirect.value)))
            except DamagedPdf:
                continue
    return sorted(result)


def _signature_dictionaries(value: PdfObject, depth: int = 0) -> Iterator[PdfDict]:
    if depth > 8:  # noqa: PLR2004 (field, kids, value: an honest one is three deep)
        return
    if isinstance(value, PdfDict):
        if "ByteRange" in value or ("Contents" in value and "SubFilter" in value):
            yield value
            return
        for item in value.values():
            yield from _signature_dictionaries(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            yield from _signature_dictionaries(item, depth + 1)


def _page_widgets(view: View) -> dict[int, str]:
    """Signatures of widgets that pages show though no form lists them: holder -> field name."""
    result: dict[int, str] = {}
    for _, _, page in view.pages():
        for item in view.array(page.get("Annots")):
            node = view.resolve(item)
            if not isinstance(node, PdfDict) or "V" not in node:
                continue
            parent = view.dictionary(node.get("Parent")) or PdfDict()
            kind = view.name(node.get("FT")) or view.name(parent.get("FT"))
            owner = item if isinstance(item, Ref) else None
            found = _from_value(view, text(node.get("T")), node["V"], owner)
            if kind == "Sig" and found is not None and found.holder is not None:
                result[found.holder] = found.field or ""
    return result
