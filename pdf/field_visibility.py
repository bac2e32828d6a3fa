"""What of a field can be seen on the page: whether it shows anything, and how much it covers."""

from pdf.errors import PdfError
from pdf.syntax import PdfDict, Stream
from pdf.view import View

HIDDEN = 2 | 32  # annotation flags Hidden and NoView, ISO 32000-2 table 167
_LARGE_SHARE = 0.35  # of the page: no stamp of an office is that large
_MAX_DEPTH = 60


def paints(view: View, node: PdfDict) -> bool:
    """Tell whether an unsigned field already paints something."""
    for widget in (node, *map(view.dictionary, view.array(node.get("Kids")))):
        appearance = view.dictionary(widget.get("AP")) if widget else None
        for value in appearance.values() if appearance else ():
            stream = view.resolve(value)
            try:
                if not isinstance(stream, Stream) or view.decoded(stream).strip():
                    return True
            except PdfError:
                return True
    return False


def visibility(view: View, node: PdfDict) -> tuple[bool, bool]:
    """Whether a field shows anything, and whether it covers much of a page."""
    widgets = [node, *(view.dictionary(kid) for kid in view.array(node.get("Kids")))]
    visible = large = False
    for widget in widgets:
        if widget is None:
            continue
        box = [view.resolve(item) for item in view.array(widget.get("Rect"))]
        sides = [float(item) for item in box if isinstance(item, (int, float))]
        flags = view.resolve(widget.get("F"))
        if len(sides) != 4 or (isinstance(flags, int) and flags & HIDDEN):  # noqa: PLR2004 - a box
            continue
        area = abs((sides[2] - sides[0]) * (sides[3] - sides[1]))
        if area <= 1 or view.dictionary(widget.get("AP")) is None:
            continue
        visible = True
        large = large or area > _LARGE_SHARE * _page_area(view, widget)
    return visible, large


def _page_area(view: View, widget: PdfDict) -> float:
    node = view.dictionary(widget.get("P"))
    for _ in range(_MAX_DEPTH):
        if node is None:
            break
        box = [view.resolve(item) for item in view.array(node.get("MediaBox"))]
        sides = [float(item) for item in box if isinstance(item, (int, float))]
        if len(sides) == 4:  # noqa: PLR2004 (a rectangle)
            return abs((sides[2] - sides[0]) * (sides[3] - sides[1])) or 1.0
        node = view.dictionary(node.get("Parent"))
    return 595.0 * 842.0
