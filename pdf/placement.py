"""Where a visible signature stands: boxes as people see them, and as PDF stores them.

People see a page turned by /Rotate and cut by /CropBox, and measure from the corner they see.
PDF stores rectangles in user space, before turning and cutting. Everything here translates
between the two, so that a stamp is upright and inside the page whatever the page does.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from pdf.earlier import Earlier, last_personal
from pdf.errors import PlacementInvalid, PlacementTaken
from pdf.page_geometry import Box, Page
from pdf.spot import AnchorSpot, Corner, CornerSpot, IfTaken, Side, Spot

POINTS_PER_MM = 72 / 25.4

# A box may stick out by rounding, not by more.
_TOLERANCE = 0.5
# Below this side length in points nothing can be read or recognised.
SMALLEST_SIDE = 8.0
# Space between two stamps side by side, and how many places in a row and column are tried.
_BETWEEN = 8.0
_PLACES_TRIED = 12
# A seal put by hand over the signature it belongs to covers a third of it; more hides the hand.
_MOST_COVERED = 0.5


class BoxSpace(StrEnum):
    """How a box is measured: on the page as it is seen, or in the page's own user space."""

    SEEN = "seen"
    USER = "user"


@dataclass(frozen=True, kw_only=True)
class Habit:
    """Where stamps of a kind stand when nobody says: corner of the page, distance from it.

    `margin` is (from the side, from above or below) in points; `covers` is the share of the last
    personal signature, from its left, that the stamp covers on purpose.
    """

    corner: Corner
    margin: tuple[float, float]
    covers: float | None = None


@dataclass(frozen=True, kw_only=True)
class PlaceWish:
    """Where a stamp of that size is wanted; at most one of `box` and `spot` is given.

    `anchor` is the stored rectangle of the words that an AnchorSpot means.
    """

    size: tuple[float, float]
    habit: Habit
    box: Box | None = None
    box_space: BoxSpace = BoxSpace.SEEN
    spot: Spot | None = None
    anchor: Box | None = None
    if_taken: IfTaken = IfTaken.REFUSE


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
    seen = _seen_box(page, box, space)
    _require_inside(page, seen)
    return _placed(page, seen)


def settle(page: Page, wish: PlaceWish, *, earlier: list[Earlier]) -> Placed:
    """Decide where a stamp stands on a page: never outside it, never over an earlier signature.

    A seal covers its share of the last personal signature, which is what its rule asks for. When
    the wanted place is taken or not on the page: PlacementTaken or PlacementInvalid, or with
    IfTaken.MOVE the nearest free place.
    """
    here = [each for each in earlier if each.visible and each.page == page.reference]
    covered = last_personal(here) if wish.habit.covers is not None else None
    others = [to_seen(page, each.box) for each in here if each is not covered]
    below = to_seen(page, covered.box) if covered is not None else None
    try:
        seen = _wanted(page, wish, others, below)
        _require_inside(page, seen)
        _require_free(seen, others, below)
    except PlacementInvalid:
        if wish.if_taken is IfTaken.REFUSE:
            raise
        size = wish.size
        if wish.box is not None:
            box = _seen_box(page, wish.box, wish.box_space)
            size = (box[2] - box[0], box[3] - box[1])
        near = _wanted_anyway(page, wish, size, below)
        seen = _nearest_free(page, size, near, others + ([below] if below is not None else []))
    return _placed(page, seen)


def _seen_box(page: Page, box: Box, space: BoxSpace) -> Box:
    if not all(math.isfinite(side) for side in box):
        raise PlacementInvalid("the sides of the box are not numbers")
    a, b, c, d = box
    box = (min(a, c), min(b, d), max(a, c), max(b, d))
    return box if space is BoxSpace.SEEN else to_seen(page, box)


def _placed(page: Page, seen: Box) -> Placed:
    return Placed(page, to_user_space(page, seen), seen[2] - seen[0], seen[3] - seen[1])


def _require_inside(page: Page, seen: Box) -> None:
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


def _require_free(seen: Box, others: list[Box], covered: Box | None) -> None:
    if any(_overlap(seen, box) for box in others):
        raise PlacementTaken("an earlier signature stands there")
    if covered is not None and _overlap(seen, covered):
        across = min(seen[2], covered[2]) - max(seen[0], covered[0])
        if across > _MOST_COVERED * (covered[2] - covered[0]) + _TOLERANCE:
            raise PlacementTaken("the seal would cover most of the signature it belongs to")


def _wanted(page: Page, wish: PlaceWish, others: list[Box], covered: Box | None) -> Box:
    """Give the box that is asked for, or that the stamp's habit chooses; it may not be free."""
    if wish.box is not None:
        return _seen_box(page, wish.box, wish.box_space)
    if wish.spot is not None or covered is not None:
        return _wanted_anyway(page, wish, wish.size, covered)
    page_width, page_height = page.seen_size
    size = (min(wish.size[0], page_width), min(wish.size[1], page_height))
    corner = _free_corner(page, size, wish.habit, others)
    if corner is None:
        return _nearest_free(page, size, _at_corner(page, size, _habit_spot(wish.habit)), others)
    return _box_at(corner, size)


def _wanted_anyway(
    page: Page, wish: PlaceWish, size: tuple[float, float], covered: Box | None
) -> Box:
    if wish.box is not None:
        return _seen_box(page, wish.box, wish.box_space)
    if isinstance(wish.spot, CornerSpot):
        return _box_at(_at_corner(page, size, wish.spot)[:2], size)
    if isinstance(wish.spot, AnchorSpot):
        if wish.anchor is None:
            raise PlacementInvalid("the words that the stamp is to stand at were not looked for")
        return _at_words(page, size, wish.spot, to_seen(page, wish.anchor))
    if covered is not None and wish.habit.covers is not None:
        a, b, c, d = covered
        right = a + (c - a) * wish.habit.covers
        # a seal that is higher than the room under the signature moves up, never sideways
        bottom = min(max((b + d - size[1]) / 2, 0.0), page.seen_size[1] - size[1])
        return _box_at((right - size[0], bottom), size)
    return _at_corner(page, size, _habit_spot(wish.habit))


def _habit_spot(habit: Habit) -> CornerSpot:
    return CornerSpot(corner=habit.corner, margin=habit.margin)


def _box_at(corner: tuple[float, float], size: tuple[float, float]) -> Box:
    return corner[0], corner[1], corner[0] + size[0], corner[1] + size[1]


def _at_corner(page: Page, size: tuple[float, float], spot: CornerSpot) -> Box:
    width, height = page.seen_size
    aside, away = spot.margin
    left = width - size[0] - aside if spot.corner in _RIGHT else aside
    bottom = height - size[1] - away if spot.corner in _TOP else away
    return _box_at((left, bottom), size)


_RIGHT = frozenset({Corner.TOP_RIGHT, Corner.BOTTOM_RIGHT})
_TOP = frozenset({Corner.TOP_LEFT, Corner.TOP_RIGHT})


def _at_words(page: Page, size: tuple[float, float], spot: AnchorSpot, words: Box) -> Box:
    """Stand beside the words, in the middle of their length or height."""
    a, b, c, d = words
    width, height = size
    left, bottom = (a + c - width) / 2, (b + d - height) / 2
    match spot.side:
        case Side.ABOVE:
            bottom = d + spot.gap
        case Side.BELOW:
            bottom = b - spot.gap - height
        case Side.LEFT:
            left = a - spot.gap - width
        case Side.RIGHT:
            left = c + spot.gap
    if spot.side not in {Side.LEFT, Side.RIGHT}:
        # words near the edge of the page: the stamp stays above them, but not over the edge
        left = min(max(left, 0.0), page.seen_size[0] - width)
    return _box_at((left, bottom), size)


def _free_corner(
    page: Page, size: tuple[float, float], habit: Habit, taken: list[Box]
) -> tuple[float, float] | None:
    """Give the lower left corner nearest to the preset's that covers no earlier signature."""
    page_width, page_height = page.seen_size
    width, height = size
    first = _at_corner(page, size, _habit_spot(habit))
    inward = -1 if habit.corner in _RIGHT else 1
    upward = -1 if habit.corner in _TOP else 1
    step = (inward * (width + _BETWEEN), upward * height)
    for row in range(_PLACES_TRIED):
        for column in range(_PLACES_TRIED):
            left, bottom = first[0] + column * step[0], first[1] + row * step[1]
            inside = left >= 0 and bottom >= 0
            inside = inside and left + width <= page_width and bottom + height <= page_height
            if inside and not any(_overlap(_box_at((left, bottom), size), box) for box in taken):
                return left, bottom
    return None


def _nearest_free(page: Page, size: tuple[float, float], near: Box, taken: list[Box]) -> Box:
    """Give the free place nearest to a wanted one; its edges touch the page's or somebody's."""
    page_width, page_height = page.seen_size
    width, height = size
    lefts = {near[0], 0.0, page_width - width}
    bottoms = {near[1], 0.0, page_height - height}
    for box in taken:
        lefts |= {box[0] - width - _BETWEEN, box[2] + _BETWEEN}
        bottoms |= {box[1] - height - _BETWEEN, box[3] + _BETWEEN}
    lefts = {left for left in lefts if 0 <= left <= page_width - width}
    bottoms = {bottom for bottom in bottoms if 0 <= bottom <= page_height - height}
    candidates = sorted(
        ((left, bottom) for left in lefts for bottom in bottoms),
        key=lambda at: math.hypot(at[0] - near[0], at[1] - near[1]),
    )
    for candidate in candidates[:_MOST_CANDIDATES]:
        box = _box_at(candidate, size)
        if not any(_overlap(box, other) for other in taken):
            return box
    raise PlacementTaken(f"page {page.number} has no room of {width:g} x {height:g} points left")


# A page with a hundred signatures gives some ten thousand places to look at.
_MOST_CANDIDATES = 50_000


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
