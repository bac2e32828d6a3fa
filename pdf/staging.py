"""Writing the prepared file and hashing what a signature covers, in chunks of constant size."""

import io
import os
from collections.abc import Iterator
from typing import BinaryIO

from pdf.signature_math import Digest

# Measured: larger chunks gain nothing, 4 kB costs a tenth more.
CHUNK = 1024 * 1024
_SENT_AT_ONCE = 64 * CHUNK


def copy(source: BinaryIO, staged: BinaryIO) -> None:
    """Copy `source` to the start of `staged`, which is then as long and at its end."""
    staged.seek(0)
    staged.truncate()
    whole = in_memory(source)
    if whole is not None:
        staged.write(whole)
    elif not _sent(source, staged):
        staged.seek(0)
        staged.truncate()
        staged.writelines(chunks(source))


def in_memory(file: BinaryIO) -> bytes | None:
    """Give the bytes of a file in memory, as they are and not copied; None for any other file."""
    return file.getvalue() if isinstance(file, io.BytesIO) else None


def _sent(source: BinaryIO, staged: BinaryIO) -> bool:
    """Let the operating system copy, where both are its files and it can."""
    if not hasattr(os, "sendfile"):
        return False
    try:
        from_, to = source.fileno(), staged.fileno()
        source.flush()
        staged.flush()
        position = os.lseek(to, 0, os.SEEK_SET)
        while count := os.sendfile(to, from_, position, _SENT_AT_ONCE):
            position += count
    except (OSError, AttributeError):
        return False  # a pipe, memory, a system that sends to sockets only, a full disk: written
    return staged.seek(0, os.SEEK_END) == position == size_of(source)


def identity_of(file: BinaryIO) -> tuple[int, ...] | bytes | None:
    """Tell a file, as it is, from any other and from any later content.

    For a file in memory that is its content, which is compared in no time as long as nothing is
    written. None for what is neither that nor a file of the operating system.
    """
    whole = in_memory(file)
    if whole is not None:
        return whole
    try:
        file.flush()
        found = os.fstat(file.fileno())
    except (OSError, AttributeError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def chunks(file: BinaryIO, *, start: int = 0) -> Iterator[memoryview]:
    """Give the bytes from `start` to the end; a chunk is valid until the next one."""
    buffer = _buffer(size_of(file) - start)
    file.seek(start)
    while count := _fill(file, buffer):
        yield buffer[:count]


def hash_stretch(file: BinaryIO, engine: Digest, *, start: int, length: int) -> Digest:
    """Go on with a hash over one stretch of a file; a short file ends it."""
    whole = in_memory(file)
    if whole is not None:
        engine.update(memoryview(whole)[start : start + length])
        return engine
    buffer = _buffer(length)
    file.seek(start)
    while length and (count := _fill(file, buffer[:length])):
        engine.update(buffer[:count])
        length -= count
    return engine


def read_back(file: BinaryIO) -> BinaryIO:
    """Give a file as it reads back: a small one at once and in memory, a large one itself.

    Every call to the operating system lets another thread in; a small file needs few.
    """
    if isinstance(file, io.BytesIO):
        return file
    file.flush()
    size = size_of(file)
    if size > CHUNK:
        return file
    file.seek(0)
    return io.BytesIO(file.read(size))


def size_of(file: BinaryIO) -> int:
    """Say how many bytes the file has."""
    return file.seek(0, os.SEEK_END)


def _buffer(size: int) -> memoryview:
    return memoryview(bytearray(min(size, CHUNK)))


def _fill(file: BinaryIO, buffer: memoryview) -> int:
    into = getattr(file, "readinto", None)
    if into is not None:
        return int(into(buffer) or 0)
    data = file.read(len(buffer))
    buffer[: len(data)] = data
    return len(data)
