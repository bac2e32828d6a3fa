"""Serial numbers of a large CRL in order, kept on disk for every process of this host.

A list says "good" by not naming a certificate, so a wrong index could hide a revocation. An index
is therefore made only from a list that was read whole, says by SHA-256 which one that was, and
counts only with the seal of this installation's own key over every octet; it is read into memory
and checked there, so that nobody changes it afterwards. One that is damaged, cut off or made
elsewhere is as good as none: then the bytes of the list are searched. What it finds is looked up in
the list itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import sys
import tempfile
from array import array
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography import x509

from ca import der

if TYPE_CHECKING:
    from ca.crl_frame import CrlFrame

MAX_FOLDER_BYTES: Final = 64 * 1024 * 1024
"""Some eighty lists of a hundred thousand entries; the oldest indexes go first."""
MAX_PLACES: Final = 64
"""Entries with the same low bits of their numbers; honest lists have one or two."""
_MAGIC: Final = f"antin serials 1 {sys.byteorder}\n".encode()
_SEAL: Final = hashlib.sha256().digest_size
_LOW: Final = 0xFFFFFFFF
_ABANDONED_SECONDS: Final = 3600
"""Age at which an unfinished file is nobody's any more."""


@dataclass(frozen=True, slots=True)
class SerialIndex:
    """One row for each entry, in order: the low 32 bits of its number, and where it stands."""

    rows: array[int]

    def places(self, serial: int) -> tuple[int, ...] | None:
        """Say where entries may have this number, first to last; None where there are too many."""
        low = serial & _LOW
        first = bisect_left(self.rows, low << 32)
        last = bisect_left(self.rows, (low + 1) << 32)
        if last - first > MAX_PLACES:
            return None
        return tuple(row & _LOW for row in self.rows[first:last])


def index_of(data: bytes, frame: CrlFrame) -> SerialIndex:
    """Index a list that is read whole on the way; ValueError where any of it cannot be read."""
    count = len(x509.load_der_x509_crl(data))
    rows: list[int] = []
    place, end = frame.start, frame.end
    while place < end:
        number, after = _number_and_end(data, place)
        rows.append((number & _LOW) << 32 | place)
        place = after
    if place != end or len(rows) != count:
        raise der.DerError("the entries are not where the list ends")
    return SerialIndex(array("Q", sorted(rows)))


def _number_and_end(data: bytes, place: int) -> tuple[int, int]:
    """Read userCertificate, which comes first, and where the entry ends; both heads are short."""
    size = data[place + 1]
    octets = data[place + 3]
    if size < 0x80 and octets < 0x80 and data[place + 2] == der.INTEGER:  # noqa: PLR2004 -- short form
        number = int.from_bytes(data[place + 4 : place + 4 + octets], "big", signed=True)
        return number, place + 2 + size
    element, end = der.read(data, place)
    first, _ = der.read(element.content)
    return der.read_integer(first), end


class SerialIndexes:
    """The folder of indexes; processes and threads share it."""

    def __init__(self, folder: Path, key: bytes, *, most_bytes: int = MAX_FOLDER_BYTES) -> None:
        self._folder = folder
        self._key = key
        self._most = most_bytes

    def find(self, data: bytes) -> SerialIndex | None:
        """Give the index of exactly this list, if there is one that this installation made."""
        mark = hashlib.sha256(data).digest()
        try:
            content = self._file(mark).read_bytes()
        except OSError:
            return None
        body, seal = content[:-_SEAL], content[-_SEAL:]
        if not hmac.compare_digest(seal, self._seal(body)):
            return None
        head = _MAGIC + mark
        if not body.startswith(head):
            return None
        rows = array("Q")
        rows.frombytes(memoryview(body)[len(head) :])
        return SerialIndex(rows)

    def write(self, data: bytes, index: SerialIndex) -> None:
        """Keep an index; a folder that cannot be written to costs time later, and nothing else."""
        mark = hashlib.sha256(data).digest()
        body = _MAGIC + mark + index.rows.tobytes()
        if len(body) > self._most:
            return
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._folder, prefix=".")
            with os.fdopen(handle, "wb") as file:
                file.write(body + self._seal(body))
            Path(name).replace(self._file(mark))
            self._tidy(self._file(mark))

    def _file(self, mark: bytes) -> Path:
        return self._folder / f"{mark.hex()}.serials"

    def _seal(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")

    def _tidy(self, newest: Path) -> None:
        """Remove what was never finished, and the oldest until the rest is within the bound."""
        present = newest.stat().st_mtime
        found = []
        for file in self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another process tidies, too
                told = file.stat()
                if file.name.startswith("."):
                    if told.st_mtime < present - _ABANDONED_SECONDS:
                        file.unlink()
                    continue
                found.append((file == newest, told.st_mtime, told.st_size, file))
        found.sort()
        over = sum(size for _, _, size, _ in found) - self._most
        for _, _, size, file in found:
            if over <= 0:
                break
            file.unlink(missing_ok=True)
            over -= size
