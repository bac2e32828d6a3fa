"""Where words stand in a document: the anchor that a stamp is put beside."""

from dataclasses import dataclass
from typing import BinaryIO

from pdf.errors import AnchorNotFound, PageUndrawable
from pdf.page_geometry import Box
from pdf.pdfium import READER

_SIDES = 4


@dataclass(frozen=True)
class FoundText:
    """Words on a page: its number, how many pages there are, the rectangle in user space."""

    page: int
    pages: int
    box: Box


def find_words(
    source: BinaryIO,
    text: str,
    *,
    occurrence: int = -1,
    page: int | None = None,
    password: str | None = None,
) -> FoundText:
    """Find words on one page or in the whole document; see AnchorSpot for how they are compared.

    Raises AnchorNotFound, PageUndrawable.
    """
    told = READER.ask(
        source,
        {
            "do": "find",
            "text": text,
            "occurrence": occurrence,
            "page": page,
            "password": password,
        },
    )
    match told.get("found"):
        case None:
            raise AnchorNotFound(text)
        case {"page": int(number), "pages": int(pages), "box": list(sides)} if len(
            sides
        ) == _SIDES and all(isinstance(side, int | float) for side in sides):
            left, bottom, right, top = (float(side) for side in sides)
            return FoundText(number, pages, (left, bottom, right, top))
        case _:
            raise PageUndrawable("the answer about the page makes no sense")
