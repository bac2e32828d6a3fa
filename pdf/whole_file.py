"""Whether a file looks like a whole PDF, before anything of it is read."""

import os
from typing import BinaryIO

from pdf.errors import DamagedPdf, NotAPdf

# How far from the start and the end readers look for the header and the last trailer.
_EDGE = 1024


def require_pdf(source: BinaryIO) -> int:
    """Return the size of the file; raise NotAPdf or DamagedPdf unless it looks like a whole PDF."""
    size = source.seek(0, os.SEEK_END)
    if not size:
        raise NotAPdf("the file is empty")
    source.seek(0)
    head = source.read(_EDGE)
    if b"%PDF-" not in head:
        raise NotAPdf("the file does not start like a PDF")
    if not head.startswith(b"%PDF-"):
        raise DamagedPdf("there are foreign bytes before the PDF header")
    source.seek(max(0, size - _EDGE))
    end = source.read(_EDGE)
    if b"startxref" not in end or b"%%EOF" not in end:
        raise DamagedPdf("the end of the file is missing")
    return size
