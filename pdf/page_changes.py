"""Rules for pages and annotations between two revisions.

A page may get further annotations; nothing else of it may change. A widget must belong to the
form. Other annotations are a level of their own, and those that can lie over signed content like
paint (free text, stamps, drawings, anything with an appearance of its own) are not comments.
"""

from collections import Counter

from pdf.change_kinds import Box, ChangeLevel, Seen, overlap
from pdf.change_places import annotation_place, box_of, shown_box
from pdf.comparison import LTA, OTHER, Comparison
from pdf.errors import PdfError
from pdf.syntax import PdfDict, PdfObject, Ref, Stream, same

_PAGE_KEYS = frozenset({"Annots", "Tabs", "LastModified", "PieceInfo"})
_COMMENTS = frozenset({"Text", "Popup"})
_MARKUP = frozenset({"Highlight", "Underline", "Squiggly", "StrikeOut"})
_ACTING_KEYS = frozenset({"A", "AA", "OC", "AF", "FS"})
"""Of an annotation: what it does, when it is there, and what hangs on it; no comment needs them."""
_COMMENT_KEYS = frozenset({"M", "Popup", "NM", "Contents", "RC", "State", "StateModel", "Open"})


def compare_pages(comparison: Comparison, widgets: set[int]) -> None:
    """Explain changed pages and annotation arrays; `widgets` are the form's objects."""
    _Pages(comparison, widgets).run()


class _Pages:
    def __init__(self, comparison: Comparison, widgets: set[int]) -> None:
        self.c = comparison
        self.widgets = widgets
        self._shown: dict[int, list[Box]] = {}

    def run(self) -> None:
        c = self.c
        for number in sorted(c.changed):
            old, new = c.old.object(number), c.new.object(number)
            if isinstance(old, PdfDict) and isinstance(new, PdfDict):
                if _is_page(old) and _is_page(new):
                    self._page(number, old, new)
            elif isinstance(new, list) or isinstance(old, list):
                self._array(number)
        for number in sorted(c.changed - c.free_standing - self.widgets):
            self._annotation_changed(number)

    def _page(self, number: int, old: PdfDict, new: PdfDict) -> None:
        c = self.c
        different = {k for k in {*old, *new} if not same(old.get(k), new.get(k))}
        if not different <= _PAGE_KEYS:
            parts = f"/{', /'.join(sorted(different))}"
            c.add("page_changed", parts, OTHER, seen=Seen(number))
        elif different - {"Annots", "Tabs", "StructParents"}:
            c.add("metadata_changed", "", LTA, seen=Seen(number))
        c.free(number)
        for value in (old.get("Annots"), new.get("Annots")):
            if isinstance(value, Ref):
                c.explain(value.number, number, {"Annots"})
        self._annotations(c.old.array(old.get("Annots")), c.new.array(new.get("Annots")), number)

    def _array(self, number: int) -> None:
        """Give a changed array that pages use as their /Annots."""
        c = self.c
        owners = [
            parent
            for parent in c.references.parents(number, c.new)
            if _is_page(c.new.object(parent)) and parent not in c.changed
        ]
        for owner in owners:
            page = c.new.object(owner)
            annots = page.get("Annots") if isinstance(page, PdfDict) else None
            if isinstance(annots, Ref) and annots.number == number:
                c.explain(number, owner, {"Annots"})
                self._annotations(c.old.array(annots), c.new.array(annots), owner)

    def _annotations(self, old: list[PdfObject], new: list[PdfObject], page: int) -> None:
        common = 0
        for one, other in zip(old, new, strict=False):
            if not (isinstance(one, Ref) and one == other):
                break
            common += 1
        left = Counter(item for item in old[common:] if isinstance(item, Ref))
        direct: list[PdfObject] = [each for each in old[common:] if not isinstance(each, Ref)]
        for item in new[common:]:
            if isinstance(item, Ref) and left[item] > 0:
                left[item] -= 1
                continue
            index = None if isinstance(item, Ref) else self._found(item, direct)
            if index is None:
                self._added(item, page)
            else:
                direct.pop(index)
        removed: list[PdfObject] = [*left.elements(), *direct]
        for item in removed:
            if self.c.old.resolve(item) is not None:
                place = annotation_place(self.c.old, item, page)
                self.c.add("annotation_changed", "removed", OTHER, seen=place)

    def _found(self, item: PdfObject, among: list[PdfObject]) -> int | None:
        self.c.references.visit(1 + len(among))
        return next((i for i, other in enumerate(among) if same(item, other)), None)

    def _added(self, item: PdfObject, page: int) -> None:
        c = self.c
        node = c.new.resolve(item)
        if not isinstance(node, PdfDict):
            if node is not None:
                c.add("annotation_over_content", "", OTHER, seen=Seen(page))
            return
        where = f"/{c.new.name(node.get('Subtype'))}"
        if isinstance(item, Ref) and item.number in self.widgets:
            return
        seen = annotation_place(c.new, item, page)
        if c.new.name(node.get("Subtype")) == "Widget":
            c.add("annotation_over_content", f"{where} outside the form", OTHER, seen=seen)
            return
        if self._comment(node) and not self._over_field(node, page):
            c.add("annotation_added", where, ChangeLevel.ANNOTATIONS, seen=seen)
        else:
            c.add("annotation_over_content", where, OTHER, seen=seen)

    def _comment(self, node: PdfDict) -> bool:
        """Whether an annotation stands beside the content and cannot pass for it."""
        kind = self.c.new.name(node.get("Subtype"))
        acts = not _ACTING_KEYS.isdisjoint(node)
        return kind in _COMMENTS | _MARKUP and not acts and self._plain_appearance(node)

    def _over_field(self, node: PdfDict, page: int) -> bool:
        """Tell whether it may lie over a field that shows something, such as a stamp.

        The program that draws pages for us draws fields above other annotations, whatever their
        order; other readers do not, so the picture would not tell.
        """
        if self.c.new.name(node.get("Subtype")) == "Popup":
            return False  # a window of the reader, no part of the page
        own = [box for box in (shown_box(self.c.new, node), self._quads(node)) if box is not None]
        fields = self._fields_on(page)
        self.c.references.visit(len(own) * len(fields))
        return any(overlap(one, field) for one in own for field in fields)

    def _quads(self, node: PdfDict) -> Box | None:
        points = [self.c.new.resolve(item) for item in self.c.new.array(node.get("QuadPoints"))]
        sides = [float(point) for point in points if isinstance(point, int | float)]
        if len(sides) < _QUAD or len(sides) != len(points):
            return None
        across, up = sides[::2], sides[1::2]
        return min(across), min(up), max(across), max(up)

    def _fields_on(self, page: int) -> list[Box]:
        """Give the rectangles of fields with a drawing that the page had before."""
        if page not in self._shown:
            old = self.c.old
            listed = old.dictionary(Ref(page, 0)) or PdfDict()
            nodes = [old.dictionary(item) for item in old.array(listed.get("Annots"))]
            boxes = [
                box_of(old, node)
                for node in nodes
                if node is not None and old.name(node.get("Subtype")) == "Widget" and "AP" in node
            ]
            self._shown[page] = [box for box in boxes if box is not None]
        return self._shown[page]

    def _plain_appearance(self, node: PdfDict) -> bool:
        """No appearance of its own, or one that cannot hide what lies under it."""
        appearance = self.c.new.dictionary(node.get("AP"))
        if appearance is None:
            return True
        if self.c.new.name(node.get("Subtype")) in _COMMENTS:
            return _is_small(self.c.new.array(node.get("Rect")))
        return all(self._transparent(value) for value in appearance.values())

    def _transparent(self, value: PdfObject) -> bool:
        """Thin lines only, or paint that multiplies with what is there."""
        stream = self.c.new.resolve(value)
        if not isinstance(stream, Stream) or not self._only_moved(stream):
            return False
        try:
            words = self.c.new.decoded(stream).split()
        except PdfError:
            return False
        if _FORBIDDEN_PAINT.intersection(words):
            return False
        widths = [words[i - 1] for i, word in enumerate(words) if word == b"w" and i]
        thin = all(_number(width) <= _THIN_LINE for width in widths)
        return thin and (not _FILL.intersection(words) or self._multiplies(stream, words))

    def _only_moved(self, stream: Stream) -> bool:
        """Tell whether a drawing has no matrix, or one that moves it, which its place undoes."""
        if "Matrix" not in stream.entries:
            return True
        view = self.c.new
        given = [view.resolve(each) for each in view.array(stream.entries["Matrix"])]
        return given[:4] == [1, 0, 0, 1] and len(given) == _MATRIX

    def _multiplies(self, stream: Stream, words: list[bytes]) -> bool:
        resources = self.c.new.dictionary(stream.entries.get("Resources"))
        states = self.c.new.dictionary(resources.get("ExtGState")) if resources else None
        modes = [self.c.new.dictionary(item) for item in states.values()] if states else []
        first_fill = min(i for i, word in enumerate(words) if word in _FILL)
        return (
            bool(modes)
            and all(m is not None and self.c.new.name(m.get("BM")) == "Multiply" for m in modes)
            and b"gs" in words[:first_fill]
        )

    def _annotation_changed(self, number: int) -> None:
        """Give an annotation that existed and is not part of the form."""
        c = self.c
        old, new = c.old.object(number), c.new.object(number)
        if not isinstance(old, PdfDict) or not isinstance(new, PdfDict):
            return
        kind = c.new.name(new.get("Subtype"))
        if kind not in _COMMENTS | _MARKUP or "Rect" not in old:
            return
        different = {k for k in {*old, *new} if not same(old.get(k), new.get(k))}
        if different <= _COMMENT_KEYS:
            c.free(number)
            seen = annotation_place(c.new, Ref(number, 0), None)
            c.add("annotation_changed", f"/{kind}", ChangeLevel.ANNOTATIONS, seen=seen)


_QUAD = 8
"""Numbers of one quadrilateral."""
_MATRIX = 6


_FORBIDDEN_PAINT = frozenset({b"Tj", b"TJ", b"'", b'"', b"Do", b"BI", b"sh", b"cm"})
_FILL = frozenset({b"f", b"F", b"f*", b"B", b"B*", b"b", b"b*"})
_THIN_LINE = 3.0
_ICON_SIDE = 48.0


def _number(word: bytes) -> float:
    try:
        return float(word)
    except ValueError:
        return float("inf")


def _is_small(box: list[PdfObject]) -> bool:
    sides = [float(item) for item in box if isinstance(item, (int, float))]
    return len(sides) == 4 and (  # noqa: PLR2004 (a rectangle)
        max(abs(sides[2] - sides[0]), abs(sides[3] - sides[1])) <= _ICON_SIDE
    )


def _is_page(value: PdfObject) -> bool:
    return isinstance(value, PdfDict) and value.get("Type") == "Page"
