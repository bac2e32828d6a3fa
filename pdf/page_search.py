"""Which pages an object can be seen on: those that lead to it, and pages that came or went."""

from collections.abc import Iterator, Sequence

from pdf.change_kinds import Change, ChangeLevel
from pdf.change_places import PageFinder
from pdf.references import targets
from pdf.syntax import PdfDict, PdfObject, Ref
from pdf.view import View

MOST_PAGES = 500
_VISITS = 200_000
_BOUNDARIES = frozenset({"Page", "Pages", "Catalog", "StructElem", "StructTreeRoot"})


class PageSearch:
    """Whether a page leads to one of some objects, the entries it inherits included.

    A document that is a maze is searched for so long; then every page counts as leading there.
    """

    def __init__(self, view: View, wanted: set[int], *, visits: int = _VISITS) -> None:
        self._view = view
        self._wanted = wanted
        self._clean: set[int] = set()
        self._left = visits

    @property
    def given_up(self) -> bool:
        """Whether the search ended before its time."""
        return self._left < 0

    def reaches(self, page: Ref) -> bool:
        """Tell whether a page leads to one of the objects, or is one."""
        seen: set[int] = set()
        queue = [page.number, *self._ancestors(page)]
        while queue:
            number = queue.pop()
            if number in seen or number in self._clean:
                continue
            seen.add(number)
            if number in self._wanted:
                return True
            self._left -= 1
            if self._left < 0:
                return True
            value = self._view.object(number)
            if number == page.number or not _is_boundary(value):
                queue.extend(targets(value))
        self._clean |= seen
        return False

    def _ancestors(self, page: Ref) -> Iterator[int]:
        """Give the nodes above a page, and what their inherited entries lead to."""
        node = self._view.dictionary(page)
        for _ in range(self._view.document.limits.depth):
            parent = node.get("Parent") if node is not None else None
            node = self._view.dictionary(parent)
            if node is None or not isinstance(parent, Ref):
                return
            yield parent.number
            yield from targets(node.get("Resources"))


def _is_boundary(value: PdfObject) -> bool:
    return isinstance(value, PdfDict) and value.get("Type") in _BOUNDARIES


class PageNames:
    """Names the pages of changes, for the report's words."""

    def __init__(self, latest: View) -> None:
        self._latest = latest
        self._finder = PageFinder(latest)
        self._left = _VISITS

    def of(self, change: Change, revision: View | None) -> tuple[int, ...]:
        """Give the pages that a change is seen on; none where it is about no page."""
        found = self._finder.of_change(change)
        if found or change.level is not ChangeLevel.OTHER or change.seen.number is None:
            return found
        if change.what in {"page_added", "page_removed"} and revision is not None:
            return self._come_and_gone(change.what, revision)
        return self._leading_to(change.seen.number)

    def _come_and_gone(self, what: str, revision: View) -> tuple[int, ...]:
        before, after = _pages(revision), _pages(self._latest)
        there, other = (after, before) if what == "page_added" else (before, after)
        known = set(other)
        return tuple(number for number, page in enumerate(there, start=1) if page not in known)

    def _leading_to(self, number: int) -> tuple[int, ...]:
        pages = [page for page in _pages(self._latest) if page is not None][:MOST_PAGES]
        search = PageSearch(self._latest, {number}, visits=self._left // 4)
        found = [at for at, page in enumerate(pages, start=1) if search.reaches(page)]
        self._left = 0 if search.given_up else self._left - len(pages)
        return () if search.given_up else tuple(found)


def _pages(view: View) -> Sequence[Ref | None]:
    return [reference for _, reference, _ in view.pages()]
