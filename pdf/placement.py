"""Where a visible signature stands: boxes as people see them, and as PDF stores them.

People see a page turned by /Rotate and cut by /CropBox, and measure from the corner they see.
PDF stores rectangles in user space, before turning and cutting. Everything here translates
between the two, so that a stamp is upright and inside the page whatever the page does.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from pdf.errors import PlacementInvalid
from pdf.page_geometry import Box, Page

POINTS_PER_MM = 72 / 25.4

# A box may stick out by rounding, not by more.
_TOLERANCE = 0.5
# Below this side length in points nothing can be read or recognised.
SMALLEST_SIDE = 8.0
# Space between two stamps side by side, and how many places in a row and column are tried.
_BETWEEN = 8.0
_PLACES_TRIED = 12


class BoxSpace(StrEnum):
    """How a box is measured: on the page as it is seen, or in the page's own user space."""

    SEEN = "seen"
    USER = "user"


class Corner(StrEnum):
    """A corner of the page as it is seen."""

    TOP_LEFT = "top-left"
    TOP_RIGHT = "top-right"
    BOTTOM_LEFT = "bottom-left"
    BOTTOM_RIGHT = "bottom-right"


@dataclass(frozen=True, kw_only=True)
class Habit:
    """Where stamps of a kind stand when nobody says: corner of the page, distance from it.

    `margin` is (from the side, from above or below) in points; `covers` is the share of the last
    earlier signature, from its left, that the stamp covers on purpose.
    """

    corner: Corner
    margin: tuple[float, float]
    covers: float | None = None


@dataclass(frozen=True)
class Placed:
    """A visible signature on its page: rectangle in user space, size as seen, turn in degrees."""

    page: Page
    rectangle: Box
    width: float
    height: float

    @classmethod
    def in_user_space(cls, page: Page, rectangle: Box) -> Self:
        """Take a rectangle that a field already has, wherever its author put it."""
        a, b, c, d = rectangle
        sides = (abs(c - a), abs(d - b))
        width, height = sides if page.rotation in {0, 180} else sides[::-1]
        return cls(page, rectangle, width, height)

    @property
    def matrix(self) -> tuple[int, int, int, int]:
        """The turn that makes the appearance upright on the page as it is seen."""
        return {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}[
            self.page.rotation
        ]


def to_user_space(page: Page, seen: Box) -> Box:
    """Turn a box measured on the visible page into the rectangle that PDF stores."""
    left, bottom, right, top = page.visible
    a, b, c, d = seen
    match page.rotation:
        case 90:
            turned = (right - d, bottom + a, right - b, bottom + c)
        case 180:
            turned = (right - c, top - d, right - a, top - b)
        case 270:
            turned = (left + b, top - c, left + d, top - a)
        case _:
            turned = (left + a, bottom + b, left + c, bottom + d)
    return turned


def to_seen(page: Page, rectangle: Box) -> Box:
    """Turn a stored rectangle into the box seen on the visible page."""
    left, bottom, right, top = page.visible
    a, b, c, d = rectangle
    match page.rotation:
        case 90:
            return b - bottom, right - c, d - bottom, right - a
        case 180:
            return right - c, top - d, right - a, top - b
        case 270:
            return top - d, a - left, top - b, c - left
        case _:
            return a - left, b - bottom, c - left, d - bottom


def place(page: Page, box: Box, *, space: BoxSpace) -> Placed:
    """Put a box on a page; raises PlacementInvalid when it is outside, reversed or too small."""
    a, b, c, d = box
    box = (min(a, c), min(b, d), max(a, c), max(b, d))
    seen = box if space is BoxSpace.SEEN else to_seen(page, box)
    width, height = page.seen_size
    if (
        seen[0] < -_TOLERANCE
        or seen[1] < -_TOLERANCE
        or seen[2] > width + _TOLERANCE
        or seen[3] > height + _TOLERANCE
    ):
        raise PlacementInvalid(
            f"the box reaches outside page {page.number}, which is {width:g} x {height:g} points"
        )
    if seen[2] - seen[0] < SMALLEST_SIDE or seen[3] - seen[1] < SMALLEST_SIDE:
        raise PlacementInvalid(f"the box is smaller than {SMALLEST_SIDE:g} points")
    return Placed(page, to_user_space(page, seen), seen[2] - seen[0], seen[3] - seen[1])


def place_default(
    page: Page,
    *,
    size: tuple[float, float],
    habit: Habit,
    earlier: list[Box],
) -> Placed:
    """Put a stamp where its preset belongs, beside and never on earlier signatures.

    A seal preset is the exception that its rule asks for: it covers the left third of the last
    earlier signature on the page.
    """
    page_width, page_height = page.seen_size
    width, height = min(size[0], page_width), min(size[1], page_height)
    taken = [to_seen(page, box) for box in earlier if box[0] != box[2] and box[1] != box[3]]
    if habit.covers is not None and taken:
        a, b, c, d = taken[-1]
        right = a + (c - a) * habit.covers
        corner = (right - width, (b + d - height) / 2)
    else:
        corner = _free_corner(page, (width, height), habit, taken)
    left = min(max(corner[0], 0.0), page_width - width)
    bottom = min(max(corner[1], 0.0), page_height - height)
    return place(page, (left, bottom, left + width, bottom + height), space=BoxSpace.SEEN)


def _free_corner(
    page: Page, size: tuple[float, float], habit: Habit, taken: list[Box]
) -> tuple[float, float]:
    """Give the lower left corner nearest to the preset's that covers no earlier signature."""
    page_width, page_height = page.seen_size
    width, height = size
    aside, away = habit.margin
    right = habit.corner in {Corner.TOP_RIGHT, Corner.BOTTOM_RIGHT}
    top = habit.corner in {Corner.TOP_LEFT, Corner.TOP_RIGHT}
    first = (
        page_width - width - aside if right else aside,
        page_height - height - away if top else away,
    )
    step = (-(width + _BETWEEN) if right else width + _BETWEEN, -height if top else height)
    for row in range(_PLACES_TRIED):
        for column in range(_PLACES_TRIED):
            left, bottom = first[0] + column * step[0], first[1] + row * step[1]
            inside = left >= 0 and bottom >= 0
            inside = inside and left + width <= page_width and bottom + height <= page_height
            if inside and not any(
                _overlap((left, bottom, left + width, bottom + height), box) for box in taken
            ):
                return left, bottom
    return first


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
