"""A page as it is seen: what is visible of it and how it is turned (ISO 32000-2 section 7.7.3)."""

from collections.abc import Sequence
from dataclasses import dataclass

from pdf.objects import Ref

Box = tuple[float, float, float, float]

# What readers assume when a page names no size: US letter.
_DEFAULT_BOX = (0.0, 0.0, 612.0, 792.0)
_CORNERS = 4
_RIGHT_ANGLE = 90


@dataclass(frozen=True)
class Page:
    """A page: number from 1, reference, visible box in user space, clockwise turn in degrees."""

    number: int
    reference: Ref
    visible: Box
    rotation: int

    @property
    def seen_size(self) -> tuple[float, float]:
        """Width and height of the page as it is seen, in user space units."""
        left, bottom, right, top = self.visible
        size = (right - left, top - bottom)
        return size if self.rotation in {0, 180} else size[::-1]


def page_from(number: int, reference: Ref, attributes: dict[str, object]) -> Page:
    """Make a page of its own and inherited MediaBox, CropBox (lists of numbers) and Rotate."""
    media = _box(attributes.get("MediaBox")) or _DEFAULT_BOX
    crop = _box(attributes.get("CropBox")) or media
    # what is seen is the crop box as far as it lies on the medium (section 14.11.2)
    visible = (
        max(media[0], crop[0]),
        max(media[1], crop[1]),
        min(media[2], crop[2]),
        min(media[3], crop[3]),
    )
    if visible[0] >= visible[2] or visible[1] >= visible[3]:
        visible = media
    turn = attributes.get("Rotate", 0)
    rotation = round(float(turn)) % 360 if isinstance(turn, int | float) else 0
    return Page(number, reference, visible, rotation // _RIGHT_ANGLE * _RIGHT_ANGLE)


def _box(value: object) -> Box | None:
    if not isinstance(value, Sequence) or len(value) != _CORNERS:
        return None
    a, b, c, d = (float(number) for number in value)
    return min(a, c), min(b, d), max(a, c), max(b, d)
