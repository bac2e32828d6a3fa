"""Comparing what revisions show, where their structure alone does not decide.

Structure says which objects a later revision changed and what for. It does not say whether a new
stamp, a note or a filled field lies over something that was to be read at signing. For such
changes the page is drawn as it was signed and as it is now, in the process of `pdfium`, and
compared: inside a field that was there at signing anything may change, something new may lie over
nothing, and everywhere else nothing may differ. A picture can only make a verdict worse; one that
cannot be had is said to be missing.
"""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import BinaryIO, cast

from pdf.change_kinds import Box, Change, ChangeLevel, Place, Seen, overlap
from pdf.change_places import PageFinder, box_of
from pdf.document import Document
from pdf.errors import PageUndrawable, PdfError
from pdf.examined import Examined
from pdf.page_search import PageNames
from pdf.pdfium import READER, as_file
from pdf.view import View

DPI = 100
_LEAST_SECONDS = 0.5


@dataclass
class _Asked:
    """What one signature lets differ on one page, in points.

    `free`: fields that it saw there; `over`: new ones; `notes`: annotations that are no fields.
    """

    item: Examined
    free: set[Box] = field(default_factory=set)
    over: set[Box] = field(default_factory=set)
    notes: set[Box] = field(default_factory=set)
    says: dict[Box, str] = field(default_factory=dict)
    rule: str | None = None
    """What permits the fields to be filled."""

    def to_json(self) -> dict[str, object]:
        return {
            "end": self.item.byte_range.end,
            "free": sorted(self.free),
            "over": sorted(self.over),
            "notes": sorted(self.notes),
            "says": sorted(self.says.items()),
        }


def compare_pictures(
    document: Document, source: BinaryIO, examined: Sequence[Examined], *, password: str | None
) -> None:
    """Look at every page that permitted changes show on; forbids those that hide or alter more."""
    undecided = [item for item in examined if _undecided(item)]
    if not undecided:
        return
    work = _Pictures(document, password)
    try:
        pages = work.questions(undecided)
        with as_file(source) as file:
            for page in sorted(pages):
                work.look(file, page, pages[page])
    except (PdfError, OSError):
        work.missing.update(id(item) for item in undecided)
    for item in undecided:
        work.conclude(item)


def _undecided(item: Examined) -> bool:
    return (
        item.intact
        and item.found.reachable
        and "CHANGES_UNKNOWN" not in item.problems
        and all(change.permitted_by is not None for change in item.changes)
        and any(change.seen.places for change in item.changes)
    )


class _Pictures:
    def __init__(self, document: Document, password: str | None) -> None:
        self._latest = PageFinder(document.latest)
        self._then: dict[int, PageFinder] = {}
        self._password = password
        self._pages = 0
        self._limits = document.limits
        self._until = time.monotonic() + document.limits.picture_seconds
        self._drawings = document.limits.drawings
        self._found: dict[int, list[Change]] = defaultdict(list)
        self.missing: set[int] = set()

    # What is asked ---------------------------------------------------------------------------

    def questions(self, undecided: Sequence[Examined]) -> dict[int, list[_Asked]]:
        """Give for each page what the signatures before its changes let differ."""
        self._pages = self._latest.count
        asked: dict[int, list[_Asked]] = defaultdict(list)
        for item in undecided:
            revision = item.byte_range.revision
            if revision is None:
                continue
            of_item: dict[int, _Asked] = {}
            for change in item.changes:
                for place in change.seen.places:
                    for page in self._latest.of(place):
                        one = of_item.setdefault(page, _Asked(item))
                        note = change.level is ChangeLevel.ANNOTATIONS
                        self._allow(one, place, revision, note=note)
                        one.rule = change.permitted_by
            for page, one in of_item.items():
                asked[page].append(one)
        return asked

    def _allow(self, asked: _Asked, place: Place, revision: View, *, note: bool) -> None:
        if note:
            asked.notes.add(place.box)
        elif self._stood_there(revision, place):
            asked.free.add(place.box)
        else:
            asked.over.add(place.box)
        if place.says is not None:
            asked.says[place.box] = place.says

    def _stood_there(self, revision: View, place: Place) -> bool:
        """Tell whether the signed revision had this very rectangle on a page already."""
        if place.number is None:
            return False
        node = revision.dictionary(revision.object(place.number))
        if node is None or box_of(revision, node) != place.box:
            return False
        finder = self._then.setdefault(id(revision), PageFinder(revision))
        return bool(finder.of(place))

    # What is seen ----------------------------------------------------------------------------

    def look(self, file: BinaryIO, page: int, asked: list[_Asked]) -> None:
        """Have a page compared; what is found waits for `conclude`."""
        left = self._until - time.monotonic()
        self._drawings -= 1 + 2 * len(asked)
        answers: list[dict[str, list[list[float]]]] = []
        if left >= _LEAST_SECONDS and self._drawings >= 0:
            question: dict[str, object] = {
                "do": "differ",
                "page": page,
                "pages": self._pages,
                "dpi": DPI,
                "password": self._password,
                "revisions": [one.to_json() for one in asked],
            }
            try:
                told = READER.ask_for_data(file, question, seconds=left).told
                answers = cast("list[dict[str, list[list[float]]]]", told["revisions"])
            except (PageUndrawable, KeyError):
                answers = []
        if len(answers) != len(asked):
            self.missing.update(id(one.item) for one in asked)
            return
        for one, answer in zip(asked, answers, strict=True):
            self._note(one, page, answer)

    def _note(self, asked: _Asked, page: int, answer: dict[str, list[list[float]]]) -> None:
        found = self._found[id(asked.item)]
        for what, key in _FORBIDDEN:
            for sides in answer[key]:
                found.append(_seen(what, page, sides, forbidden_by="signed content"))
        for sides in answer["covered"]:
            found.append(_seen("content_covered", page, sides, permitted_by=asked.rule))

    def conclude(self, item: Examined) -> None:
        """Add what was found to a signature; structure's own verdict stays."""
        found = self._found[id(item)]
        item.changes = (*item.changes, *found)
        covered = [change for change in found if change.what == "content_covered"]
        if covered:
            filled = [change for change in item.changes if change.what == "field_filled"]
            by_value = any(_meet(one, other) for one in covered for other in filled)
            item.problems.append(
                "FILLED_FIELD_COVERS_CONTENT" if by_value else "FIELD_COVERS_CONTENT"
            )
        if any(change.permitted_by is None for change in found):
            item.level = ChangeLevel.OTHER
            item.problems = [code for code in item.problems if code != "CHANGES_PERMITTED"]
            item.problems.append("CHANGES_FORBIDDEN")
        elif id(item) in self.missing:
            item.problems.append("CHANGES_NOT_COMPARED")


def _meet(one: Change, other: Change) -> bool:
    """Tell whether two changes are seen in rectangles that have a part in common."""
    return any(
        overlap(left.box, right.box) for left in one.seen.places for right in other.seen.places
    )


_FORBIDDEN = (
    ("picture_changed", "outside"),
    ("content_hidden", "hidden"),
    ("appearance_swapped", "unread"),
)
"""What a comparison finds, and under which name the worker tells it."""


def _seen(
    what: str,
    page: int,
    sides: Sequence[float],
    *,
    permitted_by: str | None = None,
    forbidden_by: str | None = None,
) -> Change:
    box = (float(sides[0]), float(sides[1]), float(sides[2]), float(sides[3]))
    words = " ".join(f"{side:.0f}" for side in box)
    return Change(
        what=what,
        where=f"box {words}",
        level=ChangeLevel.OTHER if permitted_by is None else ChangeLevel.FORM_FILLING,
        permitted_by=permitted_by,
        forbidden_by=forbidden_by,
        pages=(page,),
        seen=Seen(None, (Place(box),)),
    )


def name_pages(document: Document, examined: Sequence[Examined]) -> None:
    """Say for each change which pages it is seen on."""
    names = PageNames(document.latest)
    # Several signatures share a change; the old one is kept, so that its id stays its own.
    named: dict[int, tuple[Change, Change]] = {}
    for item in examined:
        for change in item.changes:
            if id(change) not in named:
                pages = change.pages or names.of(change, item.byte_range.revision)
                named[id(change)] = (change, replace(change, pages=pages) if pages else change)
        item.changes = tuple(named[id(change)][1] for change in item.changes)
