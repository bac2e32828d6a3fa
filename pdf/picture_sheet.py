"""Two pictures of a page side by side under their headings, for people."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from pdf.picture_comparison import Pixels

_FRAME = (200, 16, 16)
_GROUND = (236, 236, 236)
_INK = (26, 26, 26)
_EDGE = (150, 150, 150)
_GAP = 14
_HEAD = 30
_LETTERS = 17
_AWAY = 4
_THICK = 3
_FONT = Path(__file__).with_name("fonts") / "Tinos-Bold.ttf"


def framed(picture: Image.Image, boxes: Iterable[Pixels]) -> Image.Image:
    """Give a copy with a frame around each rectangle."""
    copy = picture.copy()
    pen = ImageDraw.Draw(copy)
    for left, top, right, bottom in boxes:
        sides = (
            max(0, left - _AWAY),
            max(0, top - _AWAY),
            min(copy.width - 1, right + _AWAY),
            min(copy.height - 1, bottom + _AWAY),
        )
        pen.rectangle(sides, outline=_FRAME, width=_THICK)
    return copy


def beside(pictures: Sequence[Image.Image | None], labels: Sequence[str]) -> Image.Image:
    """Put pictures beside each other; one that is not there is crossed out."""
    there = [picture for picture in pictures if picture is not None]
    wide, high = max(one.width for one in there), max(one.height for one in there)
    count = len(pictures)
    size = (count * wide + (count + 1) * _GAP, high + _HEAD + _GAP)
    sheet = Image.new("RGB", size, _GROUND)
    pen = ImageDraw.Draw(sheet)
    letters = ImageFont.truetype(str(_FONT), _LETTERS)
    for index, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        left = _GAP + index * (wide + _GAP)
        pen.text((left, 5), label, font=letters, fill=_INK)
        corner = (left, _HEAD)
        far = (left + wide - 1, _HEAD + high - 1)
        if picture is None:
            pen.line((*corner, *far), fill=_EDGE, width=2)
            pen.line((left, far[1], far[0], _HEAD), fill=_EDGE, width=2)
        else:
            sheet.paste(picture, corner)
        pen.rectangle((left - 1, _HEAD - 1, far[0] + 1, far[1] + 1), outline=_EDGE)
    return sheet
