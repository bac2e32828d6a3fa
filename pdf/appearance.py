"""What is seen of a visible signature: lines of text and an image, drawn into one form.

Text is composed (NFC), drawn with the bundled typeface and can be selected and searched. A letter
without a glyph is an error, never a blank. Own lines may use the same words in braces as presets.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from pdf.errors import PlacementInvalid, StampUnreadable
from pdf.images import StampImage, stamp_image
from pdf.objects import Name, ObjectSink, Ref, Stream, Value, number
from pdf.presets import Align, ImageRole, Preset, preset_named
from pdf.typeface import Style, embedded_font, normalised, typeface

# Vietnam has had one zone without summer time since 1975; stamps show it whatever the server's.
VIETNAM = timezone(timedelta(hours=7))

# Below this size print is not readable; a box that would need it is refused.
SMALLEST_FONT = 4.0
LEADING = 1.22
PADDING = 2.0
MAX_LINES = 40
MAX_LINE_LENGTH = 500
# Points between an image and the text beside or under it.
_GAP = 4.0
# Share of the box that an image beside the text takes at most.
_IMAGE_SHARE = 0.4
_WIDEST = 260.0
# Sums of widths may differ in the last digit from their product.
_ROUNDING = 0.01
# Lines are broken only when they would have to shrink below this share of the wanted size.
_UNBROKEN_SHARE = 0.75
_WORD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """A visible signature: a preset, and what the caller puts in its place.

    `lines` replace the preset's; `image` is a PNG (with alpha) or JPEG; `image_height_mm` is the
    real height of a seal. Names left out are taken from the signer's certificate.
    """

    preset: str = "standard"
    lines: tuple[str, ...] | None = None
    image: bytes | None = field(default=None, repr=False)
    image_height_mm: float | None = None
    font_size: float | None = None
    name: str | None = None
    organization: str | None = None
    position: str | None = None
    number: str | None = None


def local_time(at: datetime) -> str:
    """Write a time as Vietnamese offices do: dd/MM/yyyy HH:mm:ss +07:00."""
    return at.astimezone(VIETNAM).strftime("%d/%m/%Y %H:%M:%S +07:00")


@dataclass(frozen=True)
class Drawing:
    """A stamp ready to be fitted into a box: its final lines, image and preset."""

    preset: Preset
    lines: tuple[str, ...]
    image: StampImage | None
    image_height: float
    font_size: float

    @property
    def natural_size(self) -> tuple[float, float]:
        """Width and height in points that the stamp takes when nothing limits it."""
        face = typeface(Style.REGULAR)
        widest = max((face.width(line, self.font_size) for line in self.lines), default=0.0)
        width = min(_WIDEST, widest)
        wrapped = _wrapped(self.lines, self.font_size, width + _ROUNDING)
        height = len(wrapped) * self.font_size * LEADING
        if self.image is not None:
            wide = self.image_height * self.image.width / self.image.height
            if not self.lines:
                return wide, self.image_height
            if self.preset.image is ImageRole.BESIDE:
                # the image stands as high as the text beside it, at least its share of the box
                height = max(height, self.image_height)
                width += _GAP + wide
            else:
                width, height = max(width, wide), height + _GAP + self.image_height
        return width + 2 * PADDING, height + 2 * PADDING


def compose(stamp: Stamp, *, words: Mapping[str, str | None]) -> Drawing:
    """Fill in the lines and read the image.

    Raises GlyphMissing, StampUnreadable.
    """
    preset = preset_named(stamp.preset)
    image = None if stamp.image is None else stamp_image(stamp.image)
    if image is None and preset.image_required:
        raise StampUnreadable(f"the preset {preset.name} needs an image")
    if image is not None and preset.image is ImageRole.NONE:
        raise StampUnreadable(f"the preset {preset.name} is text only")
    templates = stamp.lines
    if templates is None:
        templates = preset.lines if image is None else preset.lines_with_image
    lines = tuple(line for line in (_filled(text, words) for text in templates) if line)
    if len(lines) > MAX_LINES or any(len(line) > MAX_LINE_LENGTH for line in lines):
        raise StampUnreadable(f"a stamp has at most {MAX_LINES} lines of {MAX_LINE_LENGTH} letters")
    if not lines and image is None:
        raise StampUnreadable("the stamp is empty: it has neither text nor an image")
    typeface(Style.REGULAR).glyphs("".join(lines))
    height = preset.image_height
    if stamp.image_height_mm is not None:
        height = stamp.image_height_mm * 72 / 25.4
    return Drawing(preset, lines, image, height, stamp.font_size or preset.font_size)


def _filled(template: str, words: Mapping[str, str | None]) -> str:
    asked = [found for found in _WORD.findall(template) if found in words]
    if any(not words[word] for word in asked):
        return ""
    return normalised(
        _WORD.sub(
            lambda found: words.get(found[1]) or found[0] if found[1] in words else found[0],
            template,
        )
    )


def _wrapped(lines: tuple[str, ...], size: float, width: float) -> list[str]:
    """Break lines between words where they are too wide; a single long word stays whole."""
    face = typeface(Style.REGULAR)
    out: list[str] = []
    for line in lines:
        current = ""
        for word in line.split(" "):
            longer = f"{current} {word}" if current else word
            if current and face.width(longer, size) > width:
                out.append(current)
                current = word
            else:
                current = longer
        out.append(current)
    return out


def _fitted(drawing: Drawing, width: float, height: float) -> tuple[list[str], float]:
    """Find lines and size for the area: a little smaller is better than broken lines."""
    face = typeface(Style.REGULAR)
    wanted = drawing.font_size
    widest = max(face.width(line, 1.0) for line in drawing.lines)
    tallest = len(drawing.lines) * LEADING
    unbroken = min(wanted, (width + _ROUNDING) / widest, (height + _ROUNDING) / tallest)
    if unbroken >= max(wanted * _UNBROKEN_SHARE, SMALLEST_FONT):
        return list(drawing.lines), unbroken
    size = wanted
    while size >= SMALLEST_FONT:
        lines = _wrapped(drawing.lines, size, width)
        fits = all(face.width(line, size) <= width + _ROUNDING for line in lines)
        if fits and len(lines) * size * LEADING <= height + _ROUNDING:
            return lines, size
        size -= 0.25
    raise PlacementInvalid("the stamp's text does not fit the box in a readable size")


@dataclass(frozen=True)
class _Area:
    left: float
    bottom: float
    width: float
    height: float


def draw(
    drawing: Drawing, sink: ObjectSink, *, size: tuple[float, float], matrix: tuple[int, ...]
) -> Ref:
    """Draw the stamp into a form of that size (ISO 32000-2 section 12.5.5); give its reference.

    `matrix` is the turn that makes it upright. Raises PlacementInvalid when the text does not fit.
    """
    image_area, text_area = _areas(drawing, *size)
    content: list[bytes] = []
    resources: dict[str, Value] = {}
    if drawing.image is not None and image_area is not None:
        resources["XObject"] = {"Im0": drawing.image.add_to(sink)}
        content.append(
            b"q %s 0 0 %s %s %s cm /Im0 Do Q"
            % tuple(
                number(value)
                for value in (
                    image_area.width,
                    image_area.height,
                    image_area.left,
                    image_area.bottom,
                )
            )
        )
    if drawing.lines and text_area is not None:
        lines, font_size = _fitted(drawing, text_area.width, text_area.height)
        font = embedded_font("".join(lines))
        resources["Font"] = {"F0": font.add_to(sink)}
        content.append(_text(lines, font_size, text_area, drawing.preset.align))
    entries: dict[str, Value] = {
        "Type": Name("XObject"),
        "Subtype": Name("Form"),
        "BBox": [0, 0, float(size[0]), float(size[1])],
        "Resources": resources,
    }
    if matrix != (1, 0, 0, 1):
        entries["Matrix"] = [*matrix, 0, 0]
    return sink.add(Stream(entries, b"\n".join(content)))


def _areas(drawing: Drawing, width: float, height: float) -> tuple[_Area | None, _Area | None]:
    """Divide the box between image and text."""
    inner = _Area(PADDING, PADDING, width - 2 * PADDING, height - 2 * PADDING)
    if drawing.image is None:
        return None, inner
    shape = drawing.image.width / drawing.image.height
    if not drawing.lines:
        # without text nothing needs padding: a seal in its real size fills its box
        return _inside(_Area(0, 0, width, height), shape), None
    if drawing.preset.image is ImageRole.BESIDE:
        wide = min(inner.height * shape, inner.width * _IMAGE_SHARE)
        picture = _inside(_Area(inner.left, inner.bottom, wide, inner.height), shape)
        shift = wide + _GAP
        return picture, _Area(inner.left + shift, inner.bottom, inner.width - shift, inner.height)
    tall = min(drawing.image_height, inner.height * (1 - _IMAGE_SHARE))
    below = inner.height - tall - _GAP
    picture = _inside(_Area(inner.left, inner.bottom + below + _GAP, inner.width, tall), shape)
    return picture, _Area(inner.left, inner.bottom, inner.width, below)


def _inside(area: _Area, shape: float) -> _Area:
    """Fit a picture of that width : height into the middle of an area, undistorted."""
    width = min(area.width, area.height * shape)
    height = width / shape
    return _Area(
        area.left + (area.width - width) / 2,
        area.bottom + (area.height - height) / 2,
        width,
        height,
    )


def _text(lines: list[str], size: float, area: _Area, align: Align) -> bytes:
    """Write the lines as text operators, the block in the middle of the area's height."""
    face = typeface(Style.REGULAR)
    leading = size * LEADING
    block = leading * len(lines)
    # the first baseline: ascent below the block's upper edge, half of the extra leading above
    ascent = face.metrics["Ascent"] / 1000 * size
    descent = -face.metrics["Descent"] / 1000 * size
    top = area.bottom + (area.height + block) / 2
    baseline = top - (leading - ascent - descent) / 2 - ascent
    out = [b"q 0 g BT /F0 %s Tf" % number(size)]
    for index, line in enumerate(lines):
        free = area.width - face.width(line, size)
        share = {Align.LEFT: 0.0, Align.CENTRE: 0.5, Align.RIGHT: 1.0}[align]
        left = area.left + max(0.0, free) * share
        codes = "".join(f"{glyph:04X}" for glyph in face.glyphs(line)).encode()
        out.append(
            b"1 0 0 1 %s %s Tm <%s> Tj" % (number(left), number(baseline - index * leading), codes)
        )
    out.append(b"ET Q")
    return b"\n".join(out)
