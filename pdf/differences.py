"""Pictures of pages that later revisions changed: as they were signed, and as they are now.

For people who have to see what happened to a document; no verdict depends on them. Only pages that
a changed object leads to are drawn.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, cast

from pdf import decryption
from pdf.change_kinds import Box, ChangeLevel
from pdf.document import Document, load
from pdf.errors import PageUndrawable, PdfError
from pdf.examined import Examined
from pdf.limits import DEFAULT_LIMITS, Limits
from pdf.page_search import PageSearch
from pdf.pdfium import READER, as_file
from pdf.report import Look
from pdf.view import View

MOST_PICTURES = 12
MOST_PAGES = 40
"""Pages looked at for one signature."""
MOST_BYTES = 12 * 1024 * 1024
DPI = 80
LABELS = ("Khi ký / When signed", "Hiện nay / Now")


@dataclass(frozen=True)
class Difference:
    """One page that differs from what a signature covers; rectangles in points of the page.

    `spots` are their centres, as shares of the page's width and height from its upper left corner.
    `png` shows both pages beside each other, the rectangles framed.
    """

    signature: int
    page: int
    forbidden: bool
    boxes: tuple[Box, ...]
    spots: tuple[tuple[float, float], ...]
    png: bytes = field(repr=False)


def looks_of(examined: Sequence[Examined]) -> tuple[Look, ...]:
    """Give the signatures after which something changed that can be seen, in the report's order."""
    unseen = {ChangeLevel.NONE, ChangeLevel.LTA_UPDATES}
    return tuple(
        Look(index, item.byte_range.end, any(c.permitted_by is None for c in item.changes))
        for index, item in enumerate(examined)
        if item.byte_range.sound and item.level not in unseen
    )


def draw(
    source: BinaryIO,
    looks: Sequence[Look],
    *,
    password: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> tuple[Difference, ...]:
    """Draw the pages that differ; what cannot be read or drawn in time is left out.

    Where every change is permitted, what the first signature covered is shown beside what there is
    now; it comprises what the later ones saw.
    """
    wanted = [look for look in looks if look.forbidden] or list(looks[:1])
    until = time.monotonic() + limits.picture_seconds
    found: list[Difference] = []
    try:
        document = Document(load(source, limits=limits), limits=limits)
        if "Encrypt" in document.latest.trailer:
            decryption.unlock(document, password)
        with as_file(source) as file:
            for look in wanted:
                for page in _candidates(document, look.end):
                    left = until - time.monotonic()
                    size = sum(len(one.png) for one in found)
                    if left < 1 or len(found) >= MOST_PICTURES or size >= MOST_BYTES:
                        return tuple(found)
                    found += _drawn(file, look, page, password=password, seconds=left)
    except (PdfError, OSError):
        return tuple(found)
    return tuple(found)


def _drawn(
    file: BinaryIO, look: Look, page: int, *, password: str | None, seconds: float
) -> list[Difference]:
    asked: dict[str, object] = {
        "do": "show",
        "page": page,
        "end": look.end,
        "dpi": DPI,
        "password": password,
        "labels": LABELS,
    }
    try:
        answer = READER.ask_for_data(file, asked, seconds=seconds)
        sides = cast("list[list[float]]", answer.told["boxes"])
        centres = cast("list[list[float]]", answer.told["spots"])
    except (PageUndrawable, KeyError):
        return []
    if not answer.data:
        return []
    boxes = tuple((box[0], box[1], box[2], box[3]) for box in sides)
    spots = tuple((centre[0], centre[1]) for centre in centres)
    return [Difference(look.signature, page, look.forbidden, boxes, spots, answer.data)]


def _candidates(document: Document, end: int) -> list[int]:
    """Give the pages that anything after `end` can have changed, the first ones if many."""
    latest, revision = document.latest, document.view_at(end)
    before = [reference for _, reference, _ in revision.pages()]
    after = [reference for _, reference, _ in latest.pages()]
    search = PageSearch(latest, _changed(latest, revision))
    found: list[int] = []
    count = max(len(before), len(after))
    for index in range(count):
        was = before[index] if index < len(before) else None
        now = after[index] if index < len(after) else None
        if was != now or now is None or search.reaches(now):
            found.append(index + 1)
            if len(found) >= MOST_PAGES:
                break
    # What no cross-reference accounts for, a reader that repairs may show on any page.
    return found or list(range(1, min(count, MOST_PAGES) + 1))


def _changed(latest: View, revision: View) -> set[int]:
    return {
        number
        for number in {*revision.entries, *latest.entries}
        if revision.location(number) != latest.location(number)
    }
