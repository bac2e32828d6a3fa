"""Where the caller wants a stamp, when it is not a box: a corner of the page, or words on it.

`Spot` is what is asked; `placement` turns it into a rectangle, with the words found by `words`.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from pdf.errors import PlacementInvalid

# Longer anchors are sentences, which lines break; names and posts stay far below.
MAX_ANCHOR = 200
# The longest side of a sheet in points (A0 and the largest page that readers of PDF 1.x allow).
MAX_DISTANCE = 14_400.0


class Corner(StrEnum):
    """A corner of the page as it is seen."""

    TOP_LEFT = "top-left"
    TOP_RIGHT = "top-right"
    BOTTOM_LEFT = "bottom-left"
    BOTTOM_RIGHT = "bottom-right"


class Side(StrEnum):
    """On which side of the words a stamp stands; `over` is on top of them."""

    ABOVE = "above"
    BELOW = "below"
    LEFT = "left"
    RIGHT = "right"
    OVER = "over"


class IfTaken(StrEnum):
    """What happens when an earlier signature stands in the place, or the page ends there."""

    REFUSE = "refuse"
    MOVE = "move"
    """Take the nearest place on the page that is free."""


@dataclass(frozen=True, kw_only=True)
class CornerSpot:
    """A corner of the page; `margin` is (from the side, from above or below) in points."""

    corner: Corner
    margin: tuple[float, float] = (28.3, 28.3)

    def __post_init__(self) -> None:
        """Refuse distances that are on no page."""
        if not all(math.isfinite(each) and 0 <= each <= MAX_DISTANCE for each in self.margin):
            raise PlacementInvalid("the distance from the corner is not a length on the page")


@dataclass(frozen=True, kw_only=True)
class AnchorSpot:
    """Words on the page, such as the signer's name or post; `{name}` and `{position}` are filled.

    Compared without regard to case, kind of space, and how accents are encoded; whole words only.
    `occurrence` counts from 1 in reading order, negative from the end: a name is wanted where it
    stands last, under the signature. `gap` is the distance in points between stamp and words.
    """

    text: str
    side: Side = Side.ABOVE
    occurrence: int = -1
    gap: float = 3.0

    def __post_init__(self) -> None:
        """Refuse what can be found nowhere."""
        if not self.text.strip() or len(self.text) > MAX_ANCHOR:
            raise PlacementInvalid(f"the anchor is a text of 1 to {MAX_ANCHOR} letters")
        if self.occurrence == 0:
            raise PlacementInvalid("occurrences are counted from 1, or from the end with -1")
        if not math.isfinite(self.gap) or abs(self.gap) > MAX_DISTANCE:
            raise PlacementInvalid("the distance from the anchor is not a length on the page")


Spot = CornerSpot | AnchorSpot
