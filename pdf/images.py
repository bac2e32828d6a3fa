"""Stamp images: read within limits, turned into finished image streams once per distinct image."""

import io
import zlib
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image

from pdf.errors import StampUnreadable
from pdf.objects import Name, ObjectSink, Ref, Stream, Value

# A scanned signature or seal at 600 dpi is below 2 MB and 4 million pixels.
MAX_IMAGE_BYTES = 5 * 1024 * 1024
MAX_IMAGE_PIXELS = 16_000_000


@dataclass(frozen=True)
class StampImage:
    """An image as PDF wants it: RGB samples and, where it is transparent, a soft mask."""

    width: int
    height: int
    colours: bytes
    alpha: bytes | None

    def add_to(self, sink: ObjectSink) -> Ref:
        """Write the image's objects; give the reference that resources name."""
        common: dict[str, Value] = {
            "Type": Name("XObject"),
            "Subtype": Name("Image"),
            "Width": self.width,
            "Height": self.height,
            "BitsPerComponent": 8,
            "Filter": Name("FlateDecode"),
        }
        colours: dict[str, Value] = {**common, "ColorSpace": Name("DeviceRGB")}
        if self.alpha is not None:
            mask = Stream({**common, "ColorSpace": Name("DeviceGray")}, self.alpha)
            colours["SMask"] = sink.add(mask)
        return sink.add(Stream(colours, self.colours))


@lru_cache(maxsize=64)
def stamp_image(data: bytes) -> StampImage:
    """Read a PNG or JPEG; raises StampUnreadable when it is neither, or too large."""
    if len(data) > MAX_IMAGE_BYTES:
        raise StampUnreadable(f"the image has more than {MAX_IMAGE_BYTES} bytes")
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
