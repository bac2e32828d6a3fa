"""Writing the prepared file and hashing what a signature covers, in chunks of constant size."""

import hashlib
import os
from typing import BinaryIO

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


def hash_ranges(
    file: BinaryIO, byte_range: tuple[int, int, int, int], *, hash_algorithm: str
) -> bytes:
    """Hash the two stretches of a byte range; short reads end the stretch."""
    running = hashlib.new(hash_algorithm)
    buffer = _buffer(max(byte_range))
    for start, size in (byte_range[:2], byte_range[2:]):
        file.seek(start)
        left = size
        while left and (count := _fill(file, buffer[:left])):
            running.update(buffer[:count])
            left -= count
    return running.digest()


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
