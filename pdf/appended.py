"""Whether what was appended to a file is made of proper revisions and nothing else.

A reader that believes cross-references and one that scans for objects must see the same document.
So every appended byte has to belong to an object that the newest cross-references list, to a
cross-reference section of the chain, or be white space and comments.
"""

import re

from pdf.document import Document
from pdf.errors import PdfError
from pdf.syntax import WHITESPACE
from pdf.xref import PLAIN

_LOOSE = re.compile(rb"(?:[" + WHITESPACE + rb"]++|%(?!PDF-)[^\r\n]*+)*+")
_DEFINITION = re.compile(rb"\d[" + WHITESPACE + rb"]+\d+[" + WHITESPACE + rb"]+obj")


class Appended:
    """The bytes after `start`, accounted for."""

    def __init__(self, document: Document, start: int) -> None:
        self._document = document
        self.start = start
        self._extents = sorted(self._listed(start))
        self._loose = self._unaccounted(start)

    def _listed(self, start: int) -> list[tuple[int, int]]:
        extents: list[tuple[int, int]] = []
        for index, section in enumerate(self._document.latest.sections):
            if section.end <= start:
                continue
            extents.append((section.offset, section.tail_end))
            if section.hybrid is not None:
                extents.append((section.hybrid.offset, section.hybrid.end))
            view = self._document.section_view(index)
            for number, entry in section.merged().items():
                if entry.kind == PLAIN and entry.first >= start:
                    try:
                        extent = view.extent(number)
                    except PdfError:
                        extent = None
                    if extent is not None:
                        extents.append(extent)
        return extents

    def _unaccounted(self, start: int) -> list[tuple[int, int]]:
        loose: list[tuple[int, int]] = []
        position = start
        size = self._document.size
        for begin, end in [*self._extents, (size, size)]:
            if begin > position and not self._harmless(position, begin):
                loose.append((position, begin))
            position = max(position, end)
        return loose

    def _harmless(self, begin: int, end: int) -> bool:
        return _LOOSE.fullmatch(self._document.buffer, begin, end) is not None

    def loose_after(self, position: int) -> list[tuple[int, int]]:
        """Stretches after `position` that no revision accounts for."""
        return [(max(begin, position), end) for begin, end in self._loose if end > position]

    def hides_objects(self, stretch: tuple[int, int]) -> bool:
        """Whether a stretch holds object definitions a scanning reader would find."""
        return _DEFINITION.search(self._document.buffer, *stretch) is not None
