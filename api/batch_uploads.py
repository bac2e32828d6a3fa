"""Taking many files in one request: parts of a form, or a ZIP archive.

All documents go one behind the other into a single unnamed temporary file, whatever their number,
so that a thousand documents are one open file; each is then read through a window on it. The limit
of one document applies to each, a limit of eight times that to all together.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from api.errors import BodyMissing, BodyTooLarge, BodyTypeUnsupported, ParameterInvalid
from api.query_names import options_in
from api.uploads import Form, Sink, joined, safe_name
from signing.batches import MOST_FILES, BatchFile
from signing.disk_space import FULL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed import WriteableBuffer
    from python_multipart.multipart import MultipartCallbacks
    from starlette.requests import Request

    from signing.disk_space import DiskSpace

ALL_TOGETHER: Final = 8
"""Times the limit of one document: the limit of a batch."""
FILES: Final = frozenset({"file", "files", "files[]"})
ZIP_TYPES: Final = ("application/zip", "application/x-zip-compressed")
_ZIP_MAGIC: Final = b"PK\x03\x04"
MAX_OPTIONS: Final = 8 * 1024 * 1024
"""Thousands of ids, and a stamp with its image."""
_CHUNK: Final = 1024 * 1024
MAX_DIRECTORY: Final = 4 * 1024 * 1024
"""An archive's list of its files, in bytes: thousands of long names, no million of short ones."""
_UTF8_NAME: Final = 0x800
_ENCRYPTED: Final = 0x1


@dataclass(frozen=True, slots=True)
class Segment:
    """One document in the common file."""

    name: str
    start: int
    size: int


class Window(io.RawIOBase):
    """One document, read from the common file without moving anybody else's position."""

    def __init__(self, file: BinaryIO, segment: Segment) -> None:
        super().__init__()
        self._descriptor = file.fileno()
        self._start, self._size = segment.start, segment.size
        self._position = 0

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move within the document."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, into: WriteableBuffer) -> int:
        """Read on."""
        view = memoryview(into).cast("B")
        wanted = min(len(view), max(0, self._size - self._position))
        data = os.pread(self._descriptor, wanted, self._start + self._position)
        view[: len(data)] = data
        self._position += len(data)
        return len(data)


@dataclass(slots=True)
class BatchUpload:
    """What was received: the common file, the documents in it, and what was said about them."""

    file: BinaryIO
    segments: list[Segment]
    options: Mapping[str, object]
    limit: int

    def close(self) -> None:
        """Let the temporary file go."""
        self.file.close()

    def window(self, segment: Segment) -> BinaryIO:
        """Open one document."""
        return cast("BinaryIO", io.BufferedReader(Window(self.file, segment)))

    def unpacked(self, spool: DiskSpace) -> BatchUpload:
        """Give the documents themselves, of a ZIP archive those in it; raises ParameterInvalid."""
        if len(self.segments) != 1:
            return self
        with self.window(self.segments[0]) as first:
            if first.read(len(_ZIP_MAGIC)) != _ZIP_MAGIC:
                return self
            return _unpacked(self, first, spool)

    def files(self) -> list[BatchFile]:
        """List the documents with their digests, as the signing room takes them."""
        found = []
        for segment in self.segments:
            window = self.window(segment)
            digest = hashlib.sha256()
            while chunk := window.read(_CHUNK):
                digest.update(chunk)
            found.append(
                BatchFile(
                    name=segment.name,
                    file=window,
                    sha256=digest.hexdigest(),
                    size=segment.size,
                )
            )
        return found


@dataclass
class _BatchForm(Form):
    """A form whose files all go into the one sink."""

    each: int = 0
    segments: list[tuple[str, int]] = field(default_factory=list)
    in_file: bool = False

    def _begin(self) -> None:
        self.parts += 1
        if self.parts > MOST_FILES + 16:
            raise ParameterInvalid("body", f"more than {MOST_FILES} documents")
        self._disposition, self._current, self.in_file = b"", None, False

    def _headers(self) -> None:
        _, parameters = parse_options_header(self._disposition)
        name = parameters.get(b"name", b"").decode("utf-8", "replace")
        if name not in FILES:
            Form._headers(self)  # noqa: SLF001 -- our own parent
            return
        file_name = parameters.get(b"filename", b"").decode("utf-8", "replace")
        self.segments.append((safe_name(file_name), self.sink.size))
        self.seen_file = self.in_file = True

    def _data(self, data: bytes, start: int, end: int) -> None:
        if not self.in_file:
            Form._data(self, data, start, end)  # noqa: SLF001 -- our own parent
            return
        self.sink.take(data[start:end])
        if self.sink.size - self.segments[-1][1] > self.each:
            raise BodyTooLarge(self.each)

    def documents(self) -> list[Segment]:
        """List where each document lies."""
        ends = [start for _, start in self.segments[1:]] + [self.sink.size]
        return [
            Segment(name, start, end - start)
            for (name, start), end in zip(self.segments, ends, strict=True)
        ]


async def receive_batch(request: Request, *, spool: DiskSpace, limit: int) -> BatchUpload:
    """Read a request's body to its end; `limit` is that of one document."""
    kind, parameters = parse_options_header(request.headers.get("content-type", ""))
    shape = kind.decode("latin-1")
    if shape == "application/json":
        return await _named_uploads(request, spool, limit)
    if shape != "multipart/form-data" and shape not in ZIP_TYPES:
        raise BodyTypeUnsupported(
            "Content-Type", "multipart/form-data, application/zip or application/json expected"
        )
    sink = Sink(spool, limit * ALL_TOGETHER)
    try:
        if shape in ZIP_TYPES:
            return await _archive(request, sink, limit)
        return await _form(request, sink, parameters.get(b"boundary", b""), limit)
    except ClientDisconnect as error:
        sink.file.close()
        raise BodyMissing("body", "the connection ended before the documents did") from error
    except BaseException:
        sink.file.close()
        raise


async def _named_uploads(request: Request, spool: DiskSpace, limit: int) -> BatchUpload:
    """Read options that name uploads; there are no documents in the body."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_OPTIONS:
            raise BodyTooLarge(MAX_OPTIONS)
    try:
        options = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ParameterInvalid("body", "not JSON") from error
    if not isinstance(options, dict) or "uploads" not in options:
        raise BodyMissing("uploads", "the ids of documents that were sent to /uploads are missing")
    empty = cast("BinaryIO", tempfile.TemporaryFile(dir=spool.folder))  # noqa: SIM115 -- closed by BatchUpload.close
    together = joined(options, options_in(request.query_params))
    return BatchUpload(empty, [], together, limit)


async def _archive(request: Request, sink: Sink, limit: int) -> BatchUpload:
    async for chunk in request.stream():
        sink.take(chunk)
        await sink.settle()
    await sink.settle(at_end=True)
    if not sink.size:
        raise BodyMissing("body", "there is no archive: the body is empty")
    whole = [Segment("documents.zip", 0, sink.size)]
    return BatchUpload(sink.file, whole, options_in(request.query_params), limit)


async def _form(request: Request, sink: Sink, boundary: bytes, limit: int) -> BatchUpload:
    if not boundary:
        raise ParameterInvalid("Content-Type", "the multipart boundary is missing")
    form = _BatchForm(sink, each=limit)
    try:
        parser = MultipartParser(boundary, cast("MultipartCallbacks", form.callbacks()))
        async for chunk in request.stream():
            parser.write(chunk)
            await sink.settle()
        parser.finalize()
    except FormParserError as error:
        raise ParameterInvalid("body", "the multipart body is damaged or ends too early") from error
    if not form.complete:
        raise ParameterInvalid("body", "the multipart body ends before its last boundary")
    if not form.seen_file:
        raise BodyMissing("files", "parts named `files` are missing")
    await sink.settle(at_end=True)
    options = joined(form.options(), options_in(request.query_params))
    return BatchUpload(sink.file, form.documents(), options, limit)


def _unpacked(upload: BatchUpload, archive: BinaryIO, spool: DiskSpace) -> BatchUpload:
    common = cast("BinaryIO", tempfile.TemporaryFile(dir=spool.folder))  # noqa: SIM115 -- closed by BatchUpload.close
    try:
        with zipfile.ZipFile(cast("BinaryIO", _Archive(archive))) as opened:
            segments = [
                _copied(opened, entry, _Target(common, spool, upload.limit))
                for entry in _entries(opened)
            ]
        common.flush()
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        common.close()
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        raise ParameterInvalid("files", "the archive is damaged or encrypted") from error
    except BaseException:
        common.close()
        raise
    upload.close()
    return BatchUpload(common, segments, upload.options, upload.limit)


def _entries(opened: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    entries = [entry for entry in opened.infolist() if not entry.is_dir()]
    if not 1 <= len(entries) <= MOST_FILES:
        raise ParameterInvalid("files", f"the archive holds 1 to {MOST_FILES} documents")
    return entries


@dataclass(frozen=True, slots=True)
class _Archive:
    """An archive from which little is read at a time.

    Its list of files is read in one piece, and kept as objects of many times its size.
    """

    file: BinaryIO

    def read(self, count: int = -1) -> bytes:
        """Read what is asked for, or refuse."""
        data = self.file.read(min(count, MAX_DIRECTORY + 1) if count >= 0 else MAX_DIRECTORY + 1)
        if len(data) > MAX_DIRECTORY:
            raise zipfile.BadZipFile("the list of files is too long")
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position."""
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        """Say where it stands."""
        return self.file.tell()

    def seekable(self) -> bool:
        """Every archive is on the disk here."""
        return True


@dataclass(frozen=True, slots=True)
class _Target:
    """Where an archive is unpacked to."""

    common: BinaryIO
    spool: DiskSpace
    limit: int


def _copied(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, target: _Target) -> Segment:
    """Copy one entry; what it claims to be large is not believed, but counted."""
    if entry.flag_bits & _ENCRYPTED:
        raise ParameterInvalid("files", "the archive is encrypted")
    common, limit = target.common, target.limit
    start, size = common.tell(), 0
    with opened.open(entry) as source:
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            if size > limit or start + size > limit * ALL_TOGETHER:
                raise BodyTooLarge(limit)
            target.spool.require(len(chunk))
            common.write(chunk)
    return Segment(safe_name(_entry_name(entry)), start, size)


def _entry_name(entry: zipfile.ZipInfo) -> str:
    """Read a name; many programs write UTF-8 without saying so."""
    if entry.flag_bits & _UTF8_NAME:
        return entry.filename
    try:
        return entry.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return entry.filename
