"""Writing the prepared file and hashing what a signature covers, in chunks of constant size."""

import hashlib
import os
from collections.abc import Iterator
from typing import BinaryIO

from pdf.signature_math import Digest

# Measured: larger chunks gain nothing, 4 kB costs a tenth more.
CHUNK = 1024 * 1024


def copy_and_hash(source: BinaryIO, staged: BinaryIO, *, hash_algorithm: str) -> "hashlib._Hash":
    """Copy `source` to the start of `staged`, hashing on the way; give the running hash."""
    running = hashlib.new(hash_algorithm)
    buffer = _buffer(size_of(source))
    source.seek(0)
    staged.seek(0)
    staged.truncate()
    while count := _fill(source, buffer):
        running.update(buffer[:count])
        staged.write(buffer[:count])
    return running


def chunks(file: BinaryIO, *, start: int = 0) -> Iterator[memoryview]:
    """Give the bytes from `start` to the end; a chunk is valid until the next one."""
    buffer = _buffer(size_of(file) - start)
    file.seek(start)
    while count := _fill(file, buffer):
        yield buffer[:count]


def hash_stretch(file: BinaryIO, engine: Digest, *, start: int, length: int) -> Digest:
    """Go on with a hash over one stretch of a file; a short file ends it."""
    buffer = _buffer(length)
    file.seek(start)
    while length and (count := _fill(file, buffer[:length])):
        engine.update(buffer[:count])
        length -= count
    return engine


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
