"""One page as revisions of a document show it, beside the newest: what differs, what is covered.

Runs in the worker of `pdfium`. A revision is the file up to a byte; it is opened as a document of
its own, as a reader of that time would have opened it.
"""

import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any, Protocol, cast

import pypdfium2
from PIL import Image

from pdf.appearance_text import folded
from pdf.picture_comparison import Pixels, compare, hidden
from pdf.picture_sheet import beside, framed

Opened = Callable[[int | None], pypdfium2.PdfDocument]
"""Opens the document up to a byte, or all of it."""
Points = Sequence[float]

MOST_PIXELS = 2_000_000
_AS_ON_SCREEN = 0
_NEAR = 1.0
"""Points: how exactly an annotation has to lie where it is expected."""


class _Positions(Protocol):
    def to_page(self, bitmap_x: int, bitmap_y: int) -> tuple[float, float]: ...
    def to_bitmap(self, page_x: float, page_y: float) -> tuple[int, int]: ...


@dataclass(frozen=True)
class _Drawing:
    """A page drawn, and how its points and those of the picture belong together."""

    picture: Image.Image
    positions: _Positions
    scale: float

    def pixels(self, boxes: Iterable[Points]) -> list[Pixels]:
        return [
            _sides([self.positions.to_bitmap(x, y) for x in box[::2] for y in box[1::2]])
            for box in boxes
        ]

    def points(self, boxes: Iterable[Pixels]) -> list[list[float]]:
        found = []
        for box in boxes:
            corners = [self.positions.to_page(x, y) for x in box[::2] for y in box[1::2]]
            across, up = zip(*corners, strict=True)
            found.append([round(side, 1) for side in (min(across), min(up), max(across), max(up))])
        return found


def _sides(corners: list[tuple[int, int]]) -> Pixels:
    across, down = zip(*corners, strict=True)
    return min(across), min(down), max(across), max(down)


def differ(opened: Opened, asked: Mapping[str, Any]) -> dict[str, object]:
    """Compare one page of several revisions with the newest.

    asked: page, pages, dpi, revisions [{end, free, over, notes, says}]. In rectangles that are
    `free` anything may change; what is `over` may cover other annotations, not content; `notes`
    may cover nothing. `says` are [rectangle, text].
    Gives for each revision rectangles in points: differing, outside, hidden, unread, and covered
    for what is hidden by fields that are free.
    """
    number, dpi = int(asked["page"]), float(asked["dpi"])
    revisions: list[Mapping[str, Any]] = asked["revisions"]
    expected = [box for one in revisions for box in _places(one)]
    with ExitStack() as stack:
        newest = stack.enter_context(closing(opened(None)))
        newest.init_forms()
        if len(newest) != int(asked["pages"]):
            return {"error": "the pages are counted differently"}
        if not _annotated(opened, number, expected):
            return {"error": "the page is another one"}
        page = stack.enter_context(closing(newest[number - 1]))
        after = _drawn(page, _scale(page, dpi))
        told = [_compared(opened, one, number, after) for one in revisions]
        for one, answer in zip(revisions, told, strict=True):
            answer["unread"] = _unread(opened, number, one["says"]) if one["says"] else []
    return {"revisions": told}


def show(opened: Opened, asked: Mapping[str, Any]) -> tuple[dict[str, object], bytes]:
    """Draw one page as it was and as it is, side by side, the places that differ framed.

    asked: page, end, dpi, labels; gives the rectangles in points and a PNG, empty where nothing
    differs. A page that one of both does not have is left out.
    """
    number, dpi = int(asked["page"]), float(asked["dpi"])
    with ExitStack() as stack:
        pages = [_page(opened(end), number, stack) for end in (int(asked["end"]), None)]
        present = [page for page in pages if page is not None]
        if not present:
            return _NOTHING_DIFFERS, b""
        scale = _scale(present[-1], dpi)
        drawn = [None if page is None else _drawn(page, scale) for page in pages]
        known = [one for one in drawn if one is not None]
        whole: Pixels = (0, 0, *known[-1].picture.size)
        found: tuple[Pixels, ...] = (whole,)
        if len(known) > 1:
            found, _ = compare(known[0].picture, known[1].picture, allowed=[])
        if not found:
            return _NOTHING_DIFFERS, b""
        pictures = [None if one is None else framed(one.picture, found) for one in drawn]
        boxes = known[-1].points(found)
        spots = [_centre(box, known[-1].picture.size) for box in found]
    out = io.BytesIO()
    beside(pictures, [str(word) for word in asked["labels"]]).save(out, "PNG", optimize=True)
    return {"boxes": boxes, "spots": spots}, out.getvalue()


_NOTHING_DIFFERS: dict[str, object] = {"boxes": [], "spots": []}


def _centre(box: Pixels, size: tuple[int, int]) -> list[float]:
    left, top, right, bottom = box
    return [round((left + right) / 2 / size[0], 3), round((top + bottom) / 2 / size[1], 3)]


def _page(
    document: pypdfium2.PdfDocument, number: int, stack: ExitStack
) -> pypdfium2.PdfPage | None:
    stack.enter_context(closing(document))
    document.init_forms()
    if number > len(document):
        return None
    return stack.enter_context(closing(document[number - 1]))


def _scale(page: pypdfium2.PdfPage, dpi: float) -> float:
    wide, high = page.get_size()
    return min(dpi / 72, math.sqrt(MOST_PIXELS / max(1.0, wide * high)))


def _drawn(page: pypdfium2.PdfPage, scale: float, *, annotations: bool = True) -> _Drawing:
    bitmap = page.render(scale=scale, draw_annots=annotations, may_draw_forms=annotations)
    with closing(bitmap):
        picture = cast("Image.Image", bitmap.to_pil()).convert("RGB")
        return _Drawing(picture, bitmap.get_posconv(page), scale)


def _compared(
    opened: Opened, one: Mapping[str, Any], number: int, after: _Drawing
) -> dict[str, object]:
    free, over, notes = (after.pixels(one[key]) for key in ("free", "over", "notes"))
    with ExitStack() as stack:
        page = _page(opened(int(one["end"])), number, stack)
        if page is None:
            return {"differing": [], "outside": [], "hidden": [], "covered": []}
        before = _drawn(page, after.scale)
        was, now = before.picture, after.picture
        differing, outside = compare(was, now, allowed=[*free, *over, *notes])
        gone: list[Pixels] = []
        if over and differing:
            content = _drawn(page, after.scale, annotations=False).picture
            gone += hidden(content, was, now, free=free, over=over)
        covered: tuple[Pixels, ...] = ()
        if free and differing:
            content = _drawn(page, after.scale, annotations=False).picture
            covered = hidden(content, was, now, free=[], over=free)
        if notes and differing:
            gone += hidden(was, was, now, free=[*free, *over], over=notes)
    return {
        "differing": after.points(differing),
        "outside": after.points(outside),
        "hidden": after.points(gone),
        "covered": after.points(covered),
    }


def _places(one: Mapping[str, Any]) -> Iterable[Points]:
    return (*one["free"], *one["over"], *one["notes"])


def _annotated(opened: Opened, number: int, expected: Iterable[Points]) -> bool:
    """Tell whether annotations are where they are expected: then it is the right page.

    Opened without its form, as icons of comments are then given the size they are drawn in.
    """
    raw = pypdfium2.raw
    found = []
    with closing(opened(None)) as document, closing(document[number - 1]) as page:
        for index in range(raw.FPDFPage_GetAnnotCount(page)):
            annotation = raw.FPDFPage_GetAnnot(page, index)
            rectangle = raw.FS_RECTF()
            if annotation and raw.FPDFAnnot_GetRect(annotation, rectangle):
                sides = (rectangle.left, rectangle.bottom, rectangle.right, rectangle.top)
                across, up = sorted(sides[::2]), sorted(sides[1::2])
                found.append((across[0], up[0], across[1], up[1]))
            raw.FPDFPage_CloseAnnot(annotation)
    return all(
        any(all(abs(a - b) <= _NEAR for a, b in zip(box, one, strict=True)) for one in found)
        for box in expected
    )


def _unread(opened: Opened, number: int, says: Iterable[tuple[Points, str]]) -> list[list[float]]:
    """Give the rectangles of fields in which another text is read than their value."""
    boxes = [(list(box), words) for box, words in says]
    with closing(opened(None)) as document:
        with closing(document[number - 1]) as page:
            if pypdfium2.raw.FPDFPage_Flatten(page, _AS_ON_SCREEN) == 0:
                return [box for box, _ in boxes]
        # what was flattened is text of the page when it is loaded anew
        with closing(document[number - 1]) as page, closing(page.get_textpage()) as text:
            return [
                box for box, words in boxes if folded(text.get_text_bounded(*box)) != folded(words)
            ]
