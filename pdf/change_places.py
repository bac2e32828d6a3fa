"""Where on the pages a change can be seen: rectangles of annotations, and the pages they are on.

What an annotation says about its page (/P) is a claim; which pages list it is what readers go by.
"""

from collections import defaultdict
from functools import cached_property

from pdf.change_kinds import Box, Change, ChangeLevel, Place, Seen
from pdf.limits import within
from pdf.syntax import PdfDict, PdfObject, Ref, Stream
from pdf.view import View


def annotation_place(view: View, item: PdfObject, page: int | None) -> Seen:
    """Give the object and the rectangle of an annotation; `page` is its page's object."""
    node = view.dictionary(item)
    number = item.number if isinstance(item, Ref) else None
    box = shown_box(view, node) if node is not None else None
    return Seen(number, () if box is None else (Place(box, number, page),))


def shown_box(view: View, node: PdfDict) -> Box | None:
    """Give where an annotation is seen; None when it takes up no room.

    A note has a sign of the reader's own size, at a corner of its rectangle, however small that is.
    """
    drawing = view.dictionary(node.get("AP")) or PdfDict()
    if view.name(node.get("Subtype")) != "Text" or isinstance(
        view.resolve(drawing.get("N")), Stream
    ):
        return box_of(view, node)
    box = _rectangle(view, node)
    if box is None:
        return None
    left, bottom, right, top = box
    return left, min(bottom, top - _SIGN), max(right, left + _SIGN), max(top, bottom + _SIGN)


def field_place(view: View, item: PdfObject, says: str | None = None) -> Seen:
    """Give the object of a field and the rectangles of its widgets."""
    node = view.dictionary(item)
    if node is None:
        return Seen()
    number = item.number if isinstance(item, Ref) else None
    places = []
    for widget in (item, *view.array(node.get("Kids"))):
        entries = node if widget is item else view.dictionary(widget)
        box = box_of(view, entries) if entries is not None else None
        if box is not None and entries is not None:
            page = entries.get("P")
            own = widget.number if isinstance(widget, Ref) else number
            places.append(Place(box, own, page.number if isinstance(page, Ref) else None, says))
    return Seen(number, tuple(places))


def box_of(view: View, node: PdfDict) -> Box | None:
    """Give the rectangle of an annotation in order; None when it takes up no room."""
    rectangle = view.array(node.get("Rect"))
    if not any(rectangle):
        return None  # as invisible signatures have it
    box = _rectangle(view, node)
    return box if box and (box[2] - box[0]) * (box[3] - box[1]) > _NOTHING else None


def _rectangle(view: View, node: PdfDict) -> Box | None:
    rectangle = view.array(node.get("Rect"))
    sides = [view.resolve(side) for side in rectangle]
    given = [float(side) for side in sides if isinstance(side, int | float)]
    if len(given) != 4 or not all(abs(side) < _BEYOND for side in given):  # noqa: PLR2004 -- a rectangle
        return None
    return (
        min(given[0], given[2]),
        min(given[1], given[3]),
        max(given[0], given[2]),
        max(given[1], given[3]),
    )


_NOTHING = 1.0  # square points: signature fields without a place are one at most
_BEYOND = 1e6
_SIGN = 24.0  # points: what readers draw for a note that brings no drawing along


class PageFinder:
    """The pages of one view by object number; nothing is read before the first question."""

    def __init__(self, view: View) -> None:
        self.view = view

    @cached_property
    def _pages(self) -> dict[int, int]:
        found: dict[int, int] = {}
        for number, reference, _ in self.view.pages():
            if reference is not None:
                found.setdefault(reference.number, number)
        return found

    @cached_property
    def _annotations(self) -> dict[int, tuple[int, ...]]:
        """Number of an annotation's object -> pages that list it."""
        found: dict[int, tuple[int, ...]] = defaultdict(tuple)
        total = 0
        for number, _, page in self.view.pages():
            listed = self.view.array(page.get("Annots"))
            total = within(total + len(listed), self.view.document.limits.objects, "annotations")
            for item in listed:
                if isinstance(item, Ref):
                    found[item.number] += (number,)
        return dict(found)

    @cached_property
    def count(self) -> int:
        """How many pages there are."""
        return sum(1 for _ in self.view.pages())

    def page(self, number: int) -> int | None:
        """Give the number, from 1, of the page that this object is."""
        return self._pages.get(number)

    def of(self, place: Place) -> tuple[int, ...]:
        """Give the pages that a place is on, as far as any lists it."""
        listed = self._annotations.get(place.number, ()) if place.number is not None else ()
        if listed:
            return listed
        own = self.page(place.page) if place.page is not None and place.number is None else None
        return () if own is None else (own,)

    def of_change(self, change: Change) -> tuple[int, ...]:
        """Give the pages that a change is seen on."""
        pages = {page for place in change.seen.places for page in self.of(place)}
        number = change.seen.number
        if not pages and number is not None and change.level is ChangeLevel.OTHER:
            own = self.page(number)
            pages = set() if own is None else {own}
        return tuple(sorted(pages))
