"""Where the data of streams ends, found without reading any part of a file twice.

/Length says it, and lies in damaged and hostile files; then the next `endstream` counts. A hundred
thousand streams that begin before one such word would each be searched to that word.
"""

from bisect import bisect_left

from pdf.errors import DamagedPdf
from pdf.syntax import Buffer, PdfObject
from pdf.xref import ENDSTREAM

_WORD = b"endstream"


class StreamEnds:
    """The `endstream` words of one file, as far as they were asked for."""

    def __init__(self, buffer: Buffer) -> None:
        self._buffer = buffer
        # Between _from[n] and _found[n] nothing but the word at _found[n] stands.
        self._from: list[int] = []
        self._found: list[int] = []
        self._none_from = len(buffer)

    def stream_end(self, start: int, length: PdfObject, end: int) -> int:
        """Where a stream's data ends: after /Length bytes, or at the next endstream if that lies.

        Raises DamagedPdf where neither holds before `end`.
        """
        buffer = self._buffer
        if isinstance(length, int) and 0 <= length <= end - start:
            stop = start + length
            if ENDSTREAM.match(buffer, stop, end):
                return stop
        stop = self._next(start)
        if stop < 0 or stop + len(_WORD) > end:
            raise DamagedPdf(f"a stream at byte {start} does not end")
        if stop > start and buffer[stop - 1 : stop] == b"\n":
            stop -= 1
        if stop > start and buffer[stop - 1 : stop] == b"\r":
            stop -= 1
        return stop

    def _next(self, start: int) -> int:
        if start >= self._none_from:
            return -1
        place = bisect_left(self._found, start)
        known = place < len(self._found)
        if known and self._from[place] <= start:
            return self._found[place]
        until = self._from[place] + len(_WORD) - 1 if known else len(self._buffer)
        found = self._buffer.find(_WORD, start, until)
        if found >= 0:
            self._from.insert(place, start)
            self._found.insert(place, found)
            return found
        if not known:
            self._none_from = start
            return -1
        self._from[place] = start
        return self._found[place]
