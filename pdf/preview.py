"""What a visible signature will look like: its page as a picture, before any key is used.

The same code that signs places and draws the stamp; the page is then drawn by PDFium in a process
of its own (`pdfium`). Nothing is signed and nothing is kept.
"""

import shutil
import tempfile
from dataclasses import dataclass
from typing import BinaryIO, cast

from pdf.algorithms import SignatureAlgorithm
from pdf.errors import PageUndrawable, PlacementInvalid
from pdf.options import SignatureOptions
from pdf.page_geometry import Box
from pdf.pdfium import READER
from pdf.placement import to_seen
from pdf.prepare import write_revision
from pdf.revision import Wanted
from pdf.signer import SignerChain

DEFAULT_DPI = 96.0
MOST_DPI = 300.0
# An empty container is enough for a picture.
_ROOM = 64


@dataclass(frozen=True)
class Preview:
    """A page as PNG, its number, how many pages there are, the stamp's box as seen in points.

    `scale` is points of the picture for one point of the page: 1 at 72 dots per inch.
    """

    png: bytes
    page: int
    pages: int
    box: Box
    scale: float


def preview(
    source: BinaryIO,
    *,
    options: SignatureOptions,
    signer: SignerChain,
    algorithm: SignatureAlgorithm,
    dpi: float = DEFAULT_DPI,
) -> Preview:
    """Draw the page with the stamp, at most four million points large.

    Raises what `prepare` raises for a document or wish that it refuses, and PageUndrawable.
    """
    if options.stamp is None:
        raise PlacementInvalid("an invisible signature has nothing to be shown")
    wanted = Wanted(options, signer, algorithm.hash_algorithm, _ROOM)
    revision = write_revision(source, wanted)
    placed = revision.placed
    if placed is None:
        raise PlacementInvalid("the signature has no place on a page")
    with tempfile.TemporaryFile() as whole:
        source.seek(0)
        shutil.copyfileobj(source, whole, 1024 * 1024)
        whole.write(revision.tail)
        answer = READER.ask_for_data(
            cast("BinaryIO", whole),
            {
                "do": "draw",
                "page": placed.page.number,
                "dpi": min(max(dpi, 1.0), MOST_DPI),
                "password": options.password,
            },
        )
    told = answer.told
    try:
        page, pages = int(str(told["page"])), int(str(told["pages"]))
        scale = float(str(told["scale"]))
    except (KeyError, ValueError) as error:
        raise PageUndrawable("the answer about the page makes no sense") from error
    return Preview(answer.data, page, pages, to_seen(placed.page, placed.rectangle), scale)
