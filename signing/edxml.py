"""Reading an `.edxml` of the document exchange: who sends what, and the attached files.

QCVN 102:2016/BTTTT. Elements are known by their local names, since senders differ in nesting. The
file is read as it streams by, without document type, entities or anything from elsewhere; each
attachment is base64 of a zip that holds one file, unpacked under limits.
"""

import base64
import binascii
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final, cast
from xml.parsers import expat

MAX_DEPTH: Final = 64
MAX_ELEMENTS: Final = 20_000
MAX_TEXT: Final = 64 * 1024
"""Characters of one header element; attachments are not held in memory."""
MAX_ATTACHMENTS: Final = 100
MAX_UNPACKED: Final = 512 * 1024 * 1024
"""All unpacked attachments together."""
MAX_ENTRIES: Final = 64
"""Files and folders in one zip."""
_CHUNK: Final = 1024 * 1024
_QUANTUM: Final = 4
_ATTACHMENT: Final = "Attachment"
_CONTENT: Final = frozenset({"ContentTransferEncoded", "Content", "Base64"})
_NAMES: Final = ("AttachmentName", "FileName", "Name")


class EdxmlUnreadable(Exception):
    """The file is no edXML that can be read under the limits; `code` is a reason code."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


@dataclass(kw_only=True)
class Attachment:
    """One attached file, unpacked; `problem` is a reason code where it could not be."""

    content_id: str
    name: str
    file: BinaryIO | None = None
    problem: str | None = None


@dataclass(kw_only=True)
class ExchangeDocument:
    """What the message says of itself, as text that nobody has confirmed."""

    fields: dict[str, str] = field(default_factory=dict)
    listed: list[tuple[str, str]] = field(default_factory=list)
    """(ContentId, AttachmentName) of the manifest."""
    attachments: list[Attachment] = field(default_factory=list)

    def close(self) -> None:
        """Let the unpacked files go."""
        for one in self.attachments:
            if one.file is not None:
                one.file.close()


_FIELDS: Final = {
    ("From", "OrganId"): "organ_id",
    ("From", "OrganName"): "organ_name",
    ("MessageHeader", "DocumentId"): "document_id",
    ("Code", "CodeNumber"): "code_number",
    ("Code", "CodeNotation"): "code_notation",
    ("PromulgationInfo", "PromulgationDate"): "promulgation_date",
    ("MessageHeader", "Subject"): "subject",
    ("SignerInfo", "FullName"): "signer",
}


def read_edxml(source: BinaryIO) -> ExchangeDocument:
    """Read a message and unpack its attachments; raises EdxmlUnreadable.

    The caller closes what is returned.
    """
    reader = _Reader()
    try:
        while chunk := source.read(_CHUNK):
            reader.feed(chunk)
        reader.feed(b"", last=True)
    except expat.ExpatError as error:
        reader.close()
        raise EdxmlUnreadable("EDXML_MALFORMED") from error
    except EdxmlUnreadable:
        reader.close()
        raise
    found = reader.document
    if reader.root != "edXML" and not found.attachments:
        found.close()
        raise EdxmlUnreadable("EDXML_MALFORMED")
    return found


class _Reader:
    """The state of a message while it streams by."""

    def __init__(self) -> None:
        self.document = ExchangeDocument()
        self.root = ""
        self._path: list[str] = []
        self._elements = 0
        self._text: list[str] = []
        self._text_length = 0
        self._attachment: dict[str, str] | None = None
        self._sink: _Base64Sink | None = None
        self._room = MAX_UNPACKED
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        parser.StartDoctypeDeclHandler = self._forbidden
        parser.EntityDeclHandler = self._forbidden
        parser.ExternalEntityRefHandler = self._external
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        self._parser = parser

    def feed(self, data: bytes, *, last: bool = False) -> None:
        self._parser.Parse(data, last)

    def close(self) -> None:
        self.document.close()
        if self._sink is not None:
            self._sink.file.close()

    def _forbidden(self, *_: object) -> None:
        raise EdxmlUnreadable("EDXML_FORBIDDEN_CONSTRUCT")

    def _external(self, *_: object) -> int:
        raise EdxmlUnreadable("EDXML_FORBIDDEN_CONSTRUCT")

    def _start(self, name: str, _: dict[str, str]) -> None:
        self._elements += 1
        local = name.rsplit(" ", 1)[-1]
        if len(self._path) >= MAX_DEPTH or self._elements > MAX_ELEMENTS:
            raise EdxmlUnreadable("LIMIT_EXCEEDED")
        self.root = self.root or local
        self._path.append(local)
        self._text, self._text_length = [], 0
        if local == _ATTACHMENT:
            self._attachment = {}
        elif self._attachment is not None and local in _CONTENT and self._sink is None:
            self._sink = _Base64Sink()

    def _characters(self, text: str) -> None:
        if self._sink is not None and self._path[-1] in _CONTENT:
            self._sink.take(text)
            return
        self._text_length += len(text)
        if self._text_length > MAX_TEXT:
            raise EdxmlUnreadable("LIMIT_EXCEEDED")
        self._text.append(text)

    def _end(self, _: str) -> None:
        local = self._path.pop()
        text = "".join(self._text).strip()
        self._text, self._text_length = [], 0
        parent = self._path[-1] if self._path else ""
        if local == _ATTACHMENT:
            self._finish_attachment()
        elif self._attachment is not None:
            self._attachment.setdefault(local, text)
        elif local == "Reference":
            self.document.listed.append((self._pending("ContentId"), self._pending(_NAMES[0])))
        elif parent == "Reference":
            self.document.fields[f"reference:{local}"] = text
        elif (key := _FIELDS.get((parent, local))) is not None:
            self.document.fields.setdefault(key, text)

    def _pending(self, name: str) -> str:
        return self.document.fields.pop(f"reference:{name}", "")

    def _finish_attachment(self) -> None:
        facts, sink = self._attachment or {}, self._sink
        self._attachment, self._sink = None, None
        if len(self.document.attachments) >= MAX_ATTACHMENTS:
            raise EdxmlUnreadable("LIMIT_EXCEEDED")
        name = next((facts[key] for key in _NAMES if facts.get(key)), "")
        made = Attachment(content_id=facts.get("ContentId", ""), name=name)
        self.document.attachments.append(made)
        if sink is None:
            made.problem = "ATTACHMENT_EMPTY"
            return
        try:
            self._unpack(sink, made)
        except EdxmlUnreadable as error:
            made.problem = error.code
        finally:
            sink.file.close()

    def _unpack(self, sink: "_Base64Sink", made: Attachment) -> None:
        packed = sink.finished()
        if packed.read(_QUANTUM) != b"PK\x03\x04":
            # Some senders leave the zip out and encode the file itself.
            packed.seek(0)
            self._keep(iter(lambda: packed.read(_CHUNK), b""), made)
            return
        packed.seek(0)
        try:
            with zipfile.ZipFile(packed) as archive:
                entries = archive.infolist()
                files = [entry for entry in entries if not entry.is_dir()]
                if len(entries) > MAX_ENTRIES or len(files) != 1:
                    raise EdxmlUnreadable("ATTACHMENT_NOT_ONE_FILE")
                made.name = made.name or files[0].filename.rsplit("/", 1)[-1]
                with archive.open(files[0]) as unpacked:
                    self._keep(iter(lambda: unpacked.read(_CHUNK), b""), made)
        except (
            zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError,
            ValueError,
        ) as error:  # fmt: skip
            raise EdxmlUnreadable("ATTACHMENT_DAMAGED") from error

    def _keep(self, chunks: Iterator[bytes], made: Attachment) -> None:
        file = _temporary()
        for chunk in chunks:
            self._room -= len(chunk)
            if self._room < 0:
                file.close()
                raise EdxmlUnreadable("LIMIT_EXCEEDED")
            file.write(chunk)
        file.seek(0)
        made.file = file


class _Base64Sink:
    """Base64 text decoded into a temporary file as it comes."""

    def __init__(self) -> None:
        self.file = _temporary()
        self._rest = ""
        self._damaged = False

    def take(self, text: str) -> None:
        joined = self._rest + "".join(text.split())
        whole = len(joined) - len(joined) % _QUANTUM
        self._rest = joined[whole:]
        try:
            self.file.write(base64.b64decode(joined[:whole], validate=True))
        except (binascii.Error, ValueError):
            self._damaged = True

    def finished(self) -> BinaryIO:
        if self._damaged or self._rest:
            raise EdxmlUnreadable("ATTACHMENT_DAMAGED")
        self.file.flush()
        self.file.seek(0)
        return self.file


def _temporary() -> BinaryIO:
    return cast("BinaryIO", tempfile.TemporaryFile())
