"""Go once over a large file without keeping it in memory.

A mapped file counts as memory of the process while its pages are in use; each piece is therefore
given back to the operating system after it was looked at, so that 500 MB cost a few.
"""

import mmap
from collections.abc import Iterator

from pdf.syntax import Buffer

PIECE = 4 * 1024 * 1024
_RELEASE_FROM = 64 * 1024 * 1024


def pieces(buffer: Buffer, start: int, length: int) -> Iterator[memoryview]:
    """Give the bytes from `start` on in pieces; a piece is valid until the next one."""
    with memoryview(buffer) as view:
        for position in range(start, start + length, PIECE):
            with view[position : min(start + length, position + PIECE)] as piece:
                yield piece
            _release(buffer, position)


def windows(buffer: Buffer, *, overlap: int) -> Iterator[tuple[int, bytes]]:
    """Give (offset, bytes) windows that overlap, for patterns of at most `overlap` bytes."""
    for position in range(0, len(buffer), PIECE):
        yield position, bytes(buffer[position : position + PIECE + overlap])
        _release(buffer, position)


def _release(buffer: Buffer, position: int) -> None:
    if isinstance(buffer, mmap.mmap) and len(buffer) >= _RELEASE_FROM:
        begin = position - position % mmap.PAGESIZE
        if hasattr(mmap, "MADV_DONTNEED"):
            buffer.madvise(mmap.MADV_DONTNEED, begin, min(PIECE, len(buffer) - begin))
