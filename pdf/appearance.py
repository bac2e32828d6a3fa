"""What is seen of a visible signature: lines of text and an image, drawn into one form.

Text is composed (NFC), drawn with the bundled typeface and can be selected and searched. A letter
without a glyph is an error, never a blank. Own lines may use the same words in braces as presets.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from pdf.archival import Archival
from pdf.errors import PlacementInvalid, StampUnreadable
from pdf.images import StampImage, stamp_image
from pdf.objects import Name, ObjectSink, Ref, Stream, Value, number
from pdf.presets import COMMON_WORDS, Align, ImageRole, Preset, preset_named
from pdf.srgb import add_srgb
from pdf.typeface import Style, embedded_font, normalised, typeface

# Vietnam has had one zone without summer time since 1975; stamps show it whatever the server's.
VIETNAM = timezone(timedelta(hours=7))

# Below this size print is not readable; a box that would need it is refused.
SMALLEST_FONT = 4.0
LEADING = 1.22
PADDING = 2.0
MAX_LINES = 40
MAX_LINE_LENGTH = 500
LARGEST_FONT = 144.0
# Heights of seals and signatures that people have; the limits keep slips of a unit off the page.
IMAGE_HEIGHT_MM = (3.0, 200.0)
MAX_WORDS = 20
MAX_WORD_LENGTH = 500
# Points between an image and the text beside or under it.
_GAP = 4.0
# Thickness in points of the line around a framed stamp.
_LINE = 0.8
_FRAME_PADDING = 5.0
# Share of the box that an image beside the text takes at most.
_IMAGE_SHARE = 0.4
# Sums of widths may differ in the last digit from their product.
_ROUNDING = 0.01
# Lines are broken only when they would have to shrink below this share of the wanted size.
_UNBROKEN_SHARE = 0.75
_REAL_SIZE = frozenset({ImageRole.REAL_SIZE_BESIDE, ImageRole.REAL_SIZE_AFTER})
_BESIDE = _REAL_SIZE | {ImageRole.BESIDE}
_SEALS = _REAL_SIZE | {ImageRole.REAL_SIZE}
_WORD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """A visible signature: a preset, and what the caller puts in its place.

    `lines` replace the preset's; `image` is a PNG (with alpha) or JPEG; `image_height_mm` is the
    real height of a seal. Names left out are taken from the signer's certificate. `template` is a
    preset of one's own, instead of a named one; `words` fill the words that a preset has of its own
    (nd30.copy: form; incoming: arrived, forward_to, file_code).
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
    template: Preset | None = None
    words: Mapping[str, str] = field(default_factory=dict)

    @property
    def look(self) -> Preset:
        """The preset in use; raises StampUnreadable when there is none of that name."""
        return self.template or preset_named(self.preset)


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
        width = min(self.preset.widest, widest)
        size = self.font_size * width / widest if widest else self.font_size
        if size >= _smallest_unbroken(self.font_size):
            height = len(self.lines) * size * LEADING
        else:
            wrapped = _wrapped(self.lines, self.font_size, width + _ROUNDING)
            height = len(wrapped) * self.font_size * LEADING
        if self.image is not None:
            wide = self.image_height * self.image.width / self.image.height
            if not self.lines:
                return wide, self.image_height
            if self.preset.image in _BESIDE:
                # the image stands as high as the text beside it, at least its share of the box
                height = max(height, self.image_height)
                width += _GAP + wide
            else:
                width, height = max(width, wide), height + _GAP + self.image_height
        return width + 2 * self.padding, height + 2 * self.padding

    @property
    def padding(self) -> float:
        """Points between the edge and what is in it; more where the edge is a line."""
        return _FRAME_PADDING if self.preset.frame else PADDING


def compose(stamp: Stamp, *, words: Mapping[str, str | None]) -> Drawing:
    """Fill in the lines and read the image.

    Raises GlyphMissing, StampUnreadable.
    """
    preset = stamp.look
    _require_sizes(stamp)
    words = _all_words(stamp, preset, words)
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


def _require_sizes(stamp: Stamp) -> None:
    size, height = stamp.font_size, stamp.image_height_mm
    if size is not None and not SMALLEST_FONT <= size <= LARGEST_FONT:
        raise StampUnreadable(f"the font size is between {SMALLEST_FONT:g} and {LARGEST_FONT:g}")
    if height is not None and not IMAGE_HEIGHT_MM[0] <= height <= IMAGE_HEIGHT_MM[1]:
        low, high = IMAGE_HEIGHT_MM
        raise StampUnreadable(f"an image is between {low:g} and {high:g} mm high")


def _all_words(
    stamp: Stamp, preset: Preset, common: Mapping[str, str | None]
) -> Mapping[str, str | None]:
    """Add the preset's own words to the common ones; raises StampUnreadable for wrong ones."""
    if len(stamp.words) > MAX_WORDS or any(len(v) > MAX_WORD_LENGTH for v in stamp.words.values()):
        raise StampUnreadable(f"at most {MAX_WORDS} words of {MAX_WORD_LENGTH} letters")
    own: dict[str, str | None] = {}
    for word in preset.words:
        given = stamp.words.get(word.name)
        if given is not None and word.choices:
            given = _among(normalised(given), word.name, word.choices)
        own[word.name] = given or (word.default and _filled(word.default, common))
    strange = stamp.words.keys() - own.keys()
    if stamp.lines is not None:
        # lines of one's own may name words of one's own
        own |= {name: stamp.words[name] for name in strange - COMMON_WORDS}
    elif strange:
        raise StampUnreadable(f"the preset {preset.name} has no word {min(strange)!r}")
    return {**common, **own}


def _among(given: str, name: str, choices: tuple[str, ...]) -> str:
    for choice in choices:
        if given.casefold() == choice.casefold():
            return choice
    raise StampUnreadable(f"the word {name} is one of {', '.join(choices)}")


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


def _smallest_unbroken(wanted: float) -> float:
    return max(wanted * _UNBROKEN_SHARE, SMALLEST_FONT)


def _fitted(drawing: Drawing, width: float, height: float) -> tuple[list[str], float]:
    """Find lines and size for the area: a little smaller is better than broken lines."""
    face = typeface(Style.REGULAR)
    wanted = drawing.font_size
    widest = max(face.width(line, 1.0) for line in drawing.lines)
    tallest = len(drawing.lines) * LEADING
    unbroken = min(wanted, (width + _ROUNDING) / widest, (height + _ROUNDING) / tallest)
    if unbroken >= _smallest_unbroken(wanted):
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
    drawing: Drawing,
    sink: ObjectSink,
    *,
    size: tuple[float, float],
    matrix: tuple[int, ...],
    archival: Archival | None = None,
) -> Ref:
    """Draw the stamp into a form of that size (ISO 32000-2 section 12.5.5); give its reference.

    `matrix` is the turn that makes it upright; `archival` is what its document asks of it. Raises
    PlacementInvalid when the text does not fit.
    """
    image_area, text_area = _areas(drawing, *size)
    content: list[bytes] = []
    resources: dict[str, Value] = {}
    space: Value = Name("DeviceRGB")
    if archival is not None:
        space = (Name("ICCBased"), add_srgb(sink))
        resources["ColorSpace"] = {"CS0": space}
    black = b"0 g 0 G" if archival is None else b"/CS0 cs 0 0 0 sc /CS0 CS 0 0 0 SC"
    if drawing.image is not None and image_area is not None:
        soft = archival is None or archival.soft_masks
        added = drawing.image.add_to(sink, colour_space=space, soft_masks=soft)
        resources["XObject"] = {"Im0": added}
        inked = soft and drawing.preset.image in _SEALS
        if inked:
            # like ink on paper: what is printed below a seal stays readable
            resources["ExtGState"] = {"Ink": {"Type": Name("ExtGState"), "BM": Name("Multiply")}}
        content.append(_picture(image_area, b"/Ink gs " if inked else b""))
    if drawing.lines and text_area is not None:
        lines, font_size = _fitted(drawing, text_area.width, text_area.height)
        font = embedded_font("".join(lines))
        cid_set = archival is not None and archival.cid_sets
        resources["Font"] = {"F0": font.add_to(sink, cid_set=cid_set)}
        content.append(_text(lines, font_size, text_area, drawing.preset.align, black))
    if drawing.preset.frame:
        content.append(_frame(*size, black))
    entries: dict[str, Value] = {
        "Type": Name("XObject"),
        "Subtype": Name("Form"),
        "BBox": [0, 0, float(size[0]), float(size[1])],
        "Resources": resources,
    }
    if matrix != (1, 0, 0, 1):
        entries["Matrix"] = [*matrix, 0, 0]
    return sink.add(Stream(entries, b"\n".join(content)))


def draw_nothing(sink: ObjectSink) -> Ref:
    """Write the appearance of what is not seen, which PDF/A asks for as well."""
    entries: dict[str, Value] = {
        "Type": Name("XObject"),
        "Subtype": Name("Form"),
        "BBox": [0, 0, 0, 0],
        "Resources": {},
    }
    return sink.add(Stream(entries, b""))


def _picture(area: _Area, state: bytes) -> bytes:
    numbers = (area.width, area.height, area.left, area.bottom)
    return b"q %s%s 0 0 %s %s %s cm /Im0 Do Q" % (state, *map(number, numbers))


def _frame(width: float, height: float, black: bytes) -> bytes:
    """Draw a thin line around everything, inside the edges."""
    inset = _LINE / 2
    sides = (inset, inset, width - _LINE, height - _LINE)
    box = b" ".join(number(value) for value in sides)
    return b"q %s %s w %s re S Q" % (black, number(_LINE), box)


def _areas(drawing: Drawing, width: float, height: float) -> tuple[_Area | None, _Area | None]:
    """Divide the box between image and text."""
    edge = drawing.padding
    inner = _Area(edge, edge, width - 2 * edge, height - 2 * edge)
    if drawing.image is None:
        return None, inner
    shape = drawing.image.width / drawing.image.height
    if not drawing.lines:
        # without text nothing needs padding: a seal in its real size fills its box
        return _inside(_Area(0, 0, width, height), shape), None
    if drawing.preset.image in _REAL_SIZE:
        return _real_size(drawing, inner, shape)
    if drawing.preset.image is ImageRole.BESIDE:
        wide = min(inner.height * shape, inner.width * _IMAGE_SHARE)
        picture = _inside(_Area(inner.left, inner.bottom, wide, inner.height), shape)
        shift = wide + _GAP
        return picture, _Area(inner.left + shift, inner.bottom, inner.width - shift, inner.height)
    tall = min(drawing.image_height, inner.height * (1 - _IMAGE_SHARE))
    below = inner.height - tall - _GAP
    picture = _inside(_Area(inner.left, inner.bottom + below + _GAP, inner.width, tall), shape)
    return picture, _Area(inner.left, inner.bottom, inner.width, below)


def _real_size(drawing: Drawing, inner: _Area, shape: float) -> tuple[_Area, _Area]:
    """Put the image in its real height on one side, the lines on the other.

    The lines stand at the upper edge: in the margin of a page, above its own text.
    """
    after = drawing.preset.image is ImageRole.REAL_SIZE_AFTER
    tall = min(drawing.image_height, inner.height)
    wide = tall * shape
    top = inner.bottom + inner.height
    high = min(inner.height, len(drawing.lines) * drawing.font_size * LEADING)
    aside, shift = (inner.width - wide, 0.0) if after else (0.0, wide + _GAP)
    picture = _Area(inner.left + aside, top - tall, wide, tall)
    return picture, _Area(inner.left + shift, top - high, inner.width - wide - _GAP, high)


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


def _text(lines: list[str], size: float, area: _Area, align: Align, black: bytes) -> bytes:
    """Write the lines as text operators, the block in the middle of the area's height."""
    face = typeface(Style.REGULAR)
    leading = size * LEADING
    block = leading * len(lines)
    # the first baseline: ascent below the block's upper edge, half of the extra leading above
    ascent = face.metrics["Ascent"] / 1000 * size
    descent = -face.metrics["Descent"] / 1000 * size
    top = area.bottom + (area.height + block) / 2
    baseline = top - (leading - ascent - descent) / 2 - ascent
    out = [b"q %s BT /F0 %s Tf" % (black, number(size))]
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
