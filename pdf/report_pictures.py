"""Pictures of changed pages in a report: with a caption, and in words for who cannot see them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pdf.differences import Difference
from pdf.report_words import Language, term

_MOST_NAMED = 6


@dataclass(frozen=True)
class Picture:
    """A PNG with its caption, and what it shows in words."""

    png: bytes = field(repr=False)
    caption: str
    alternative: str


def pictures(differences: Sequence[Difference], language: Language) -> tuple[Picture, ...]:
    """Arrange the pictures of one signature."""
    return tuple(_picture(one, language) for one in differences)


def _picture(one: Difference, language: Language) -> Picture:
    page = f"{term('page', language)} {one.page}"
    places = []
    for spot, box in zip(one.spots[:_MOST_NAMED], one.boxes, strict=False):
        left, bottom, right, top = (f"{side:.0f}" for side in box)
        places.append(f"{_position(spot, language)} ({left}-{right} x {bottom}-{top} pt)")
    if len(one.spots) > _MOST_NAMED:
        places.append("…")
    differs = f"{term('differs_at', language)}: {'; '.join(places)}"
    return Picture(
        one.png,
        f"{page}: {term('difference_caption', language)}",
        f"{page}. {term('difference_shown', language)} {differs}",
    )


def _position(spot: tuple[float, float], language: Language) -> str:
    down = ("at_top", "at_middle", "at_bottom")[min(2, int(spot[1] * 3))]
    across = ("at_left", "at_centre", "at_right")[min(2, int(spot[0] * 3))]
    return f"{term(down, language)}, {term(across, language)}"
