"""Stamp images: read within limits, turned into finished image streams once per distinct image."""

import io
import zlib
from dataclasses import dataclass
from functools import cached_property, lru_cache

from pdf.errors import StampUnreadable
from pdf.objects import Name, ObjectSink, Ref, Stream, Value

# A scanned signature or seal at 600 dpi is below 2 MB and 4 million pixels.
MAX_IMAGE_BYTES = 5 * 1024 * 1024
MAX_IMAGE_PIXELS = 16_000_000

_DEVICE_RGB = Name("DeviceRGB")
# Where an image may not be transparent by degrees: opacity (of 255) from which a point is painted.
_PAINTED_FROM = 64


@dataclass(frozen=True)
class StampImage:
    """An image as PDF wants it: RGB samples and, where it is transparent, a soft mask."""

    width: int
    height: int
    colours: bytes
    alpha: bytes | None

    def add_to(
        self, sink: ObjectSink, *, colour_space: Value = _DEVICE_RGB, soft_masks: bool = True
    ) -> Ref:
        """Write the image's objects; give the reference that resources name.

        Without soft masks a point is either there or not (ISO 32000-2 section 8.9.6.3), and what
        was transparent by degrees is mixed with white.
        """
        common: dict[str, Value] = {
            "Type": Name("XObject"),
            "Subtype": Name("Image"),
            "Width": self.width,
            "Height": self.height,
            "BitsPerComponent": 8,
            "Filter": Name("FlateDecode"),
        }
        colours: dict[str, Value] = {**common, "ColorSpace": colour_space}
        if self.alpha is None:
            return sink.add(Stream(colours, self.colours))
        if soft_masks:
            mask = Stream({**common, "ColorSpace": Name("DeviceGray")}, self.alpha)
            colours["SMask"] = sink.add(mask)
            return sink.add(Stream(colours, self.colours))
        mixed, stencil = self._stencilled
        hard = Stream({**common, "ImageMask": True, "BitsPerComponent": 1}, stencil)
        return sink.add(Stream({**colours, "Mask": sink.add(hard)}, mixed))

    @cached_property
    def _stencilled(self) -> tuple[bytes, bytes]:
        """Colours on white, and one bit for each point: set where nothing is painted."""
        from PIL import Image  # noqa: PLC0415 -- most processes never read an image

        size = (self.width, self.height)
        colours = Image.frombytes("RGB", size, zlib.decompress(self.colours))
        alpha = Image.frombytes("L", size, zlib.decompress(self.alpha or b""))
        mixed = Image.composite(colours, Image.new("RGB", size, "white"), alpha)
        absent = alpha.point(lambda value: 255 * (value < _PAINTED_FROM)).convert("1")
        return zlib.compress(mixed.tobytes(), 9), zlib.compress(absent.tobytes(), 9)


@lru_cache(maxsize=64)
def stamp_image(data: bytes) -> StampImage:
    """Read a PNG or JPEG; raises StampUnreadable when it is neither, or too large."""
    if len(data) > MAX_IMAGE_BYTES:
        raise StampUnreadable(f"the image has more than {MAX_IMAGE_BYTES} bytes")
    from PIL import Image  # noqa: PLC0415 -- most processes never read an image

    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as opened:
            if opened.width * opened.height > MAX_IMAGE_PIXELS:
                raise StampUnreadable(f"the image has more than {MAX_IMAGE_PIXELS} pixels")
            picture = opened.convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise StampUnreadable("the image is not a readable PNG or JPEG") from error
    alpha = picture.getchannel("A")
    opaque = alpha.getextrema() == (255, 255)
    return StampImage(
        width=picture.width,
        height=picture.height,
        colours=zlib.compress(picture.convert("RGB").tobytes(), 9),
        alpha=None if opaque else zlib.compress(alpha.tobytes(), 9),
    )
