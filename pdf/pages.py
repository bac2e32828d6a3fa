"""Finding a page and its geometry in the page tree (ISO 32000-2 section 7.7.3)."""

# The object layer is only partly annotated; what leaves here is.
# mypy: allow-untyped-calls

from collections.abc import Iterator

from pyhanko.pdf_utils import generic

from pdf.errors import DamagedPdf, LimitExceeded, NoPages, PlacementInvalid
from pdf.layer import OpenedDocument, entry, guarded
from pdf.objects import Ref
from pdf.page_geometry import Page, page_from

# Producers nest a handful of levels; readers of ours stop far above that and far below the stack.
MAX_TREE_DEPTH = 64
# A walk over more nodes than this costs seconds; the largest books have some ten thousand pages.
MAX_PAGES = 200_000

_INHERITED = ("/MediaBox", "/CropBox", "/Rotate")


def find_page(document: OpenedDocument, wanted: int | None) -> Page:
    """Give page `wanted` (1-based; negative counts from the end), None being the first."""
    with guarded("the page tree cannot be read"):
        total = _declared_count(document)
        number = 1 if wanted is None else wanted
        if number == 0:
            raise PlacementInvalid("pages are counted from 1, or from the end with -1")
        if number < 0:
            number = (total if total is not None else sum(1 for _ in walk(document))) + 1 + number
        skip = number - 1 if number > 0 else MAX_PAGES
        for node in walk(document, skip=skip):
            return _page(number, *node)
        if next(walk(document), None) is None:
            raise NoPages("the document has no pages")
    raise PlacementInvalid(f"the document has no page {wanted}")


def page_at(document: OpenedDocument, reference: Ref) -> Page:
    """Give the page that is this object; raises PlacementInvalid when the page tree has it not."""
    with guarded("the page tree cannot be read"):
        for number, node in enumerate(walk(document), start=1):
            if node[0].idnum == reference.number:
                return _page(number, *node)
    raise PlacementInvalid("the page of an earlier signature is not in the document")


def page_holding(
    document: OpenedDocument,
    widget: generic.DictionaryObject,
    reference: generic.IndirectObject | generic.Reference,
) -> Page:
    """Give the page of an annotation: the one it names, else the one that lists it."""
    with guarded("the page tree cannot be read"):
        home = widget.raw_get("/P") if "/P" in widget else None
        for number, node in enumerate(walk(document), start=1):
            if isinstance(home, generic.IndirectObject):
                if node[0].idnum == home.idnum:
                    return _page(number, *node)
                continue
            listed = entry(node[1], "/Annots")
            if isinstance(listed, generic.ArrayObject) and any(
                isinstance(each, generic.IndirectObject) and each.idnum == reference.idnum
                for each in (listed.raw_get(index) for index in range(len(listed)))
            ):
                return _page(number, *node)
    raise PlacementInvalid("the field stands on no page of the document")


def _declared_count(document: OpenedDocument) -> int | None:
    count = entry(document.root["/Pages"], "/Count")
    return int(count) if isinstance(count, int) and count > 0 else None


_Node = tuple[generic.IndirectObject, generic.DictionaryObject, dict[str, object]]


def walk(document: OpenedDocument, *, skip: int = 0) -> Iterator[_Node]:
    """Yield the pages in order behind the first `skip`, with the attributes they inherit.

    Whole branches are skipped by the count they declare; a branch that lies about it is damage
    which the file's other readers see as well.
    """
    remaining = skip
    visited = 0
    seen: set[tuple[int, int]] = set()
    root = document.root.raw_get("/Pages")
    pending: list[tuple[generic.PdfObject, dict[str, object], int]] = [(root, {}, 0)]
    while pending:
        reference, inherited, depth = pending.pop()
        if not isinstance(reference, generic.IndirectObject):
            raise DamagedPdf("a page is not an object of its own")
        node = reference.get_object()
        if not isinstance(node, generic.DictionaryObject):
            continue
        visited += 1
        if visited > MAX_PAGES:
            raise LimitExceeded("the page tree is too large", limit=MAX_PAGES)
        if (mark := (reference.idnum, reference.generation)) in seen:
            raise DamagedPdf("the page tree runs in a circle")
        seen.add(mark)
        attributes = inherited | {key: node[key] for key in _INHERITED if key in node}
        if "/Kids" not in node:
            is_page = entry(node, "/Type", "/Page") == "/Page"
            if is_page and not remaining:
                yield reference, node, attributes
            remaining = max(0, remaining - is_page)
            continue
        count = entry(node, "/Count")
        if depth and isinstance(count, int) and 0 < count <= remaining:
            remaining -= count
            continue
        if depth >= MAX_TREE_DEPTH:
            raise LimitExceeded("the page tree is too deep", limit=MAX_TREE_DEPTH)
        kids = node["/Kids"]
        pending.extend(
            (kids.raw_get(index), attributes, depth + 1) for index in reversed(range(len(kids)))
        )


def _page(
    number: int,
    reference: generic.IndirectObject,
    _: generic.DictionaryObject,
    attributes: dict[str, object],
) -> Page:
    plain = {key.removeprefix("/"): value for key, value in attributes.items()}
    return page_from(number, Ref(reference.idnum, reference.generation), plain)
