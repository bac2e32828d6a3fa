"""Taking a file from the network to the disk, without ever holding a large one in memory.

Two shapes are taken: the raw body with the options as query parameters, and multipart/form-data
with the parts `file` and `options` (JSON; other plain parts and the query's parameters count as
single options). The file goes
to an unnamed temporary file, a small one to memory, so nothing is left when the process dies. The
size limit is applied while the bytes arrive.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import tempfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from api.errors import BodyMissing, BodyTooLarge, BodyTypeUnsupported, ParameterInvalid
from api.query_names import options_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from python_multipart.multipart import MultipartCallbacks
    from starlette.requests import Request

    from signing.disk_space import DiskSpace

WRITE_BYTES: Final = 1024 * 1024
"""Bytes gathered before a thread writes them; a small document needs no thread at all."""
MAX_OPTION_BYTES: Final = 4 * 1024 * 1024
"""All options together; the largest is a stamp's image as base64."""
MAX_PARTS: Final = 64
MAX_NAME_CHARACTERS: Final = 255
MAX_HEADER_BYTES: Final = 16 * 1024
"""The headers of one multipart part."""
TYPES: Final = ("application/pdf", "application/octet-stream", "multipart/form-data")
VERIFIED_TYPES: Final = (
    *TYPES,
    "application/xml",
    "text/xml",
    "application/pkcs7-signature",
    "application/pkcs7-mime",
    "application/cms",
)
FILE, CONTENT = "file", "content"
"""Parts that are written to the disk: the document, and what a detached signature is over."""
FILE_NAME: Final = "file_name"
"""Option that names a raw document, which has no other place for it."""
_UNNAMED: Final = "document.pdf"


@dataclass(slots=True)
class Upload:
    """A received file, at its beginning, and what was said about it."""

    file: BinaryIO
    name: str
    size: int
    sha256: str
    options: Mapping[str, object]
    content: Upload | None = None

    def close(self) -> None:
        """Let the temporary files go."""
        self.file.close()
        if self.content is not None:
            self.content.close()


class Held(io.BytesIO):
    """A received file in memory, which is a file of the operating system once somebody asks.

    Asked is by who hands it to another process; it is not written to any more then.
    """

    _descriptor: int | None = None

    def fileno(self) -> int:
        """Give the descriptor of an unnamed file in memory with the same bytes."""
        if self._descriptor is None:
            made = os.memfd_create("upload")
            with self.getbuffer() as whole:
                written = 0
                while written < len(whole):
                    written += os.write(made, whole[written:])
            self._descriptor = made
        return self._descriptor

    def close(self) -> None:
        """Let both go."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        super().close()


@dataclass(slots=True)
class Sink:
    """The temporary file being filled."""

    spool: DiskSpace
    limit: int
    size: int = 0
    _file: BinaryIO | None = None
    _digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    _waiting: list[bytes] = field(default_factory=list)
    _waiting_bytes: int = 0

    @property
    def file(self) -> BinaryIO:
        """The file, made when the first bytes are to be written.

        A small one stays in memory: making and removing a file on the disk for each request costs
        the kernel more than all the rest of receiving it.
        """
        if self._file is None:
            if self.size < WRITE_BYTES and sys.platform == "linux":
                self._file = Held()
            else:
                made = tempfile.TemporaryFile(dir=self.spool.folder)  # noqa: SIM115 -- Upload.close
                self._file = cast("BinaryIO", made)
        return self._file

    def close(self) -> None:
        """Let the file go, when nothing is made of it."""
        if self._file is not None:
            self._file.close()

    def take(self, data: bytes) -> None:
        """Take more of the file; raises BodyTooLarge."""
        self.size += len(data)
        if self.size > self.limit:
            raise BodyTooLarge(self.limit)
        self._waiting.append(data)
        self._waiting_bytes += len(data)

    async def settle(self, *, at_end: bool = False) -> None:
        """Write what has gathered; in a thread when it is much."""
        if self._waiting_bytes >= WRITE_BYTES or (at_end and self.size >= WRITE_BYTES):
            await run_in_threadpool(self._write)
        elif at_end:
            self._write()

    def _write(self) -> None:
        file = self.file
        if not isinstance(file, Held):
            self.spool.require(self._waiting_bytes)
        for data in self._waiting:
            self._digest.update(data)
            file.write(data)
        self._waiting.clear()
        self._waiting_bytes = 0
        file.flush()

    def upload(self, *, name: str, options: Mapping[str, object]) -> Upload:
        """Give the finished file, at its beginning."""
        self.file.seek(0)
        return Upload(self.file, name, self.size, self._digest.hexdigest(), options)


async def receive(
    request: Request, *, spool: DiskSpace, limit: int, types: Sequence[str] = TYPES
) -> Upload:
    """Read a request's body to its end.

    Raises an ApiError when it is not what is expected, StorageFull when there is no room for it.
    """
    kind, parameters = parse_options_header(request.headers.get("content-type", ""))
    if kind and kind.decode("latin-1") not in types:
        raise BodyTypeUnsupported("Content-Type", f"{types[0]} or multipart/form-data expected")
    declared = request.headers.get("content-length", "")
    slack = MAX_OPTION_BYTES if kind == b"multipart/form-data" else 0
    if declared.isdigit() and int(declared) > limit + slack:
        raise BodyTooLarge(limit)
    sink = Sink(spool, limit)
    try:
        if kind == b"multipart/form-data":
            return await _multipart(request, sink, parameters.get(b"boundary", b""))
        return await _raw(request, sink)
    except ClientDisconnect as error:
        sink.close()
        raise BodyMissing("body", "the connection ended before the document did") from error
    except BaseException:
        sink.close()
        raise


async def _raw(request: Request, sink: Sink) -> Upload:
    async for chunk in request.stream():
        sink.take(chunk)
        await sink.settle()
    await sink.settle(at_end=True)
    if not sink.size:
        raise BodyMissing("body", "there is no document: the body is empty")
    options = options_in(request.query_params)
    name = safe_name(str(options.pop(FILE_NAME, "")))
    return sink.upload(name=name, options=options)


@dataclass(slots=True)
class Form:
    """The state of a multipart body while it is being parsed."""

    sink: Sink
    content: Sink | None = None
    seen_file: bool = False
    file_name: str = ""
    content_name: str = ""
    fields: dict[str, bytearray] = field(default_factory=dict)
    parts: int = 0
    option_bytes: int = 0
    complete: bool = False
    _header_field: bytearray = field(default_factory=bytearray)
    _header_value: bytearray = field(default_factory=bytearray)
    _disposition: bytes = b""
    _current: str | None = None

    def callbacks(self) -> dict[str, object]:
        """Give the parser what it calls."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._name,
            "on_header_value": self._value,
            "on_header_end": self._header,
            "on_headers_finished": self._headers,
            "on_part_data": self._data,
            "on_end": self._end,
        }

    def sinks(self) -> list[Sink]:
        """List the files being filled."""
        return [self.sink] if self.content is None else [self.sink, self.content]

    def _begin(self) -> None:
        self.parts += 1
        if self.parts > MAX_PARTS:
            raise ParameterInvalid("body", f"more than {MAX_PARTS} parts")
        self._disposition, self._current = b"", None

    def _name(self, data: bytes, start: int, end: int) -> None:
        self._grow(self._header_field, data[start:end])

    def _value(self, data: bytes, start: int, end: int) -> None:
        self._grow(self._header_value, data[start:end])

    @staticmethod
    def _grow(buffer: bytearray, data: bytes) -> None:
        buffer += data
        if len(buffer) > MAX_HEADER_BYTES:
            raise ParameterInvalid("body", "the headers of a part are too long")

    def _header(self) -> None:
        if bytes(self._header_field).lower() == b"content-disposition":
            self._disposition = bytes(self._header_value)
        self._header_field.clear()
        self._header_value.clear()

    def _headers(self) -> None:
        _, parameters = parse_options_header(self._disposition)
        name = parameters.get(b"name", b"").decode("utf-8", "replace")
        if not name:
            raise ParameterInvalid("body", "a part has no name")
        file_name = parameters.get(b"filename", b"").decode("utf-8", "replace")
        if name == FILE:
            if self.seen_file:
                raise ParameterInvalid(FILE, "one file is expected")
            self.seen_file = True
            self.file_name = file_name
        elif name == CONTENT and file_name:
            if self.content is not None:
                raise ParameterInvalid(CONTENT, "given twice")
            self.content = Sink(self.sink.spool, self.sink.limit)
            self.content_name = file_name
        elif name in self.fields:
            raise ParameterInvalid(name[:MAX_NAME_CHARACTERS], "given twice")
        else:
            self.fields[name] = bytearray()
        self._current = name

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._current == FILE:
            self.sink.take(data[start:end])
        elif self._current == CONTENT and self.content is not None:
            self.content.take(data[start:end])
        elif self._current is not None:
            self.option_bytes += end - start
            if self.option_bytes > MAX_OPTION_BYTES:
                raise BodyTooLarge(MAX_OPTION_BYTES)
            self.fields[self._current] += data[start:end]

    def _end(self) -> None:
        self.complete = True

    def options(self) -> dict[str, object]:
        """Return the options: the JSON part, with plain parts beside it."""
        try:
            plain: dict[str, object] = {
                name: value.decode() for name, value in self.fields.items() if name != "options"
            }
            text = bytes(self.fields.get("options", b"")).decode()
            parsed = json.loads(text) if text.strip() else {}
        except (ValueError, RecursionError) as error:
            raise ParameterInvalid("options", "JSON in UTF-8 is expected") from error
        if not isinstance(parsed, dict):
            raise ParameterInvalid("options", "a JSON object is expected")
        return {**plain, **parsed}


async def _multipart(request: Request, sink: Sink, boundary: bytes) -> Upload:
    if not boundary:
        raise ParameterInvalid("Content-Type", "the multipart boundary is missing")
    form = Form(sink)
    try:
        await _parsed(request, form, boundary)
        options = joined(form.options(), options_in(request.query_params))
        name = safe_name(str(options.pop(FILE_NAME, form.file_name)))
        upload = sink.upload(name=name, options=options)
        if form.content is not None:
            upload.content = form.content.upload(name=safe_name(form.content_name), options={})
    except BaseException:
        if form.content is not None:
            form.content.close()
        raise
    return upload


def joined(form: Mapping[str, object], query: Mapping[str, object]) -> dict[str, object]:
    """Return the options of a form with those beside it in the query; none may be in both."""
    twice = next((name for name in query if name in form), None)
    if twice is not None:
        raise ParameterInvalid(twice, "given in the form and in the query")
    return {**query, **form}


async def _parsed(request: Request, form: Form, boundary: bytes) -> None:
    """Read the body into the form's sinks."""
    try:
        parser = MultipartParser(boundary, cast("MultipartCallbacks", form.callbacks()))
        async for chunk in request.stream():
            parser.write(chunk)
            for sink in form.sinks():
                await sink.settle()
        parser.finalize()
    except FormParserError as error:
        raise ParameterInvalid("body", "the multipart body is damaged or ends too early") from error
    if not form.complete:
        raise ParameterInvalid("body", "the multipart body ends before its last boundary")
    if not form.seen_file:
        raise BodyMissing("file", "the part named `file` is missing")
    for sink in form.sinks():
        await sink.settle(at_end=True)


def safe_name(text: str) -> str:
    """Keep the last component of a name that a stranger gave, without control characters."""
    last = text.replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join(c for c in last if c.isprintable())[:MAX_NAME_CHARACTERS]
    return kept.strip() or _UNNAMED
