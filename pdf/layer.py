"""The object layer under a new revision: opening a file, following it, adding to it.

Everything that pyHanko's PDF layer does for signing goes through here, and none of its exceptions
(nor the bare ones that broken files cause in any parser) leave `guarded`. Signatures themselves
are made by `cms`; nothing here knows about them.
"""

# The object layer is only partly annotated; what enters and leaves here is.
# mypy: allow-untyped-calls

import errno
import io
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from pyhanko.pdf_utils import generic, misc
from pyhanko.pdf_utils.crypt import AuthStatus, StandardSecurityHandler
from pyhanko.pdf_utils.crypt.permissions import StandardPermissions
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.xref import XRefSectionData

from pdf.announced_objects import require_countable
from pdf.errors import (
    DamagedPdf,
    EncryptedPdf,
    PasswordIncorrect,
    SigningNotPermitted,
)
from pdf.objects import Name, Raw, Ref, Stream, Value, serialise
from pdf.plain_document import opened
from pdf.whole_file import require_pdf

if TYPE_CHECKING:
    from pyhanko.pdf_utils.crypt import SecurityHandler

# What parsers raise on bytes that break their expectations.
_PARSER_TRIPS = (
    misc.PdfError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


@contextmanager
def guarded(doing: str) -> Iterator[None]:
    """Turn whatever a broken file makes the object layer raise into DamagedPdf."""
    try:
        yield
    except _PARSER_TRIPS as error:
        raise DamagedPdf(f"{doing}: {_one_line(error)}") from error
    except OSError as error:
        # seeking to an offset that a broken file names; a full disk is not the file's fault
        if error.errno not in {None, errno.EINVAL}:
            raise
        raise DamagedPdf(f"{doing}: an offset points outside the file") from error


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())[:120]
    return text or type(error).__name__


def entry(dictionary: generic.DictionaryObject, key: str, default: object = None) -> Any:  # noqa: ANN401 - a PDF value is of any kind until its reader has looked
    """Give the value under a key with references followed; null and absence are the same."""
    if key not in dictionary:
        return default
    value = dictionary[key]
    return default if isinstance(value, generic.NullObject) else value


class Tail(io.BytesIO):
    """The bytes behind the original file, telling positions as in the whole file."""

    def __init__(self, base: int) -> None:
        super().__init__()
        self.base = base

    def tell(self) -> int:
        """Say the position in the whole file."""
        return self.base + super().tell()


class RevisionWriter(IncrementalPdfFileWriter):
    """Collects one new revision; leaves metadata, dates and the declared version alone."""

    # the version is raised on purpose by `raise_version`, never as a side effect of opening
    output_version = (1, 0)

    def raise_version(self, version: tuple[int, int]) -> None:
        """Declare at least this version in the catalog."""
        self.ensure_output_version(version)

    def tail(self, base: int) -> bytes:
        """Write the revision as it will stand at offset `base` of the file."""
        tail = Tail(base)
        self._write_updated_section(tail)
        return tail.getvalue()


class _RawObject(generic.PdfObject):
    """Finished bytes inside a revision; remembers where each was written."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.data = data
        self.offset: int | None = None

    def write_to_stream(self, stream: BinaryIO, *_: object, **__: object) -> None:
        """Write as it is, never encrypted (ISO 32000-2 section 7.6.2), and keep the position."""
        self.offset = stream.tell()
        stream.write(self.data)


class LayerSink:
    """Puts the room's values into a revision."""

    def __init__(self, writer: RevisionWriter) -> None:
        self.writer = writer
        self.placed: dict[int, _RawObject] = {}

    def add(self, value: Value) -> Ref:
        """Add one indirect object."""
        made = self.writer.add_object(self.convert(value))
        return Ref(made.idnum, made.generation)

    def offset_of(self, raw: Raw) -> int:
        """Say where this very Raw was written."""
        offset = self.placed[id(raw)].offset
        if offset is None:
            raise DamagedPdf("the new signature was not written into the revision")
        return offset

    def convert(  # noqa: C901, PLR0911 - one branch per kind of value
        self, value: Value
    ) -> generic.PdfObject:
        """Translate a value into the object layer's own."""
        match value:
            case None:
                return generic.NullObject()
            case bool():
                return generic.BooleanObject(value)
            case int():
                return generic.NumberObject(value)
            case float():
                return _RawObject(serialise(value))
            case str():
                return generic.TextStringObject(value)
            case bytes():
                return generic.ByteStringObject(value)
            case Name():
                return generic.NameObject("/" + value.value)
            case Ref():
                return generic.IndirectObject(value.number, value.generation, self.writer)
            case Raw():
                self.placed[id(value)] = made = _RawObject(value.data)
                return made
            case Stream():
                return generic.StreamObject(self._entries(value.entries), encoded_data=value.data)
            case Mapping():
                return generic.DictionaryObject(self._entries(value))
            case _:
                return generic.ArrayObject([self.convert(item) for item in value])

    def _entries(self, entries: Mapping[str, Value]) -> dict[generic.NameObject, generic.PdfObject]:
        return {generic.NameObject("/" + key): self.convert(item) for key, item in entries.items()}


# Readers keep numbers in 32 bits with a sign; the new objects have to find room, too.
_MOST_OBJECTS = 2**31 - 2**16
# ISO 32000-2 table 22, bits 4, 6 and 9: any of them lets a reader with user access add a signature
_MAY_MODIFY = StandardPermissions.ALLOW_MODIFICATION_GENERIC
_MAY_ANNOTATE = StandardPermissions.ALLOW_ANNOTS_FORM_FILLING
_MAY_FILL = StandardPermissions.ALLOW_FORM_FILLING


class OpenedDocument:
    """A document opened for one new revision, with what its encryption permits."""

    def __init__(self, source: BinaryIO, *, password: str | None) -> None:
        self.size = require_pdf(source)
        with opened(source) as buffer:
            require_countable(buffer)
        with guarded("the structure of the file cannot be read"):
            reader = PdfFileReader(source, strict=False)
            handler = reader.security_handler
        self.may_create_fields = True
        if handler is not None:
            self._unlock(reader, handler, password)
        with guarded("the structure of the file cannot be read"):
            _require_sound_trailer(reader)
            self.writer = RevisionWriter(reader.stream, prev=reader)
            self.root = self.writer.root
        self.encrypted = handler is not None
        self.sink = LayerSink(self.writer)

    def _unlock(
        self, reader: PdfFileReader, handler: "SecurityHandler", password: str | None
    ) -> None:
        if not isinstance(handler, StandardSecurityHandler):
            raise EncryptedPdf("the file is encrypted for certificates, not with a password")
        if handler.pdf_mac_enabled:
            raise SigningNotPermitted(
                "the file carries an integrity code (ISO/TS 32004) which a new revision breaks"
            )
        with guarded("the encryption of the file cannot be read"):
            # many files have an empty user password and only restrict what may be done
            try:
                result = reader.decrypt(password or "")
            except UnicodeEncodeError:
                # older encryption knows Latin passwords only; some writers put UTF-8 there
                result = reader.decrypt((password or "").encode())
        if result.status == AuthStatus.FAILED:
            if password is None:
                raise EncryptedPdf("the file is encrypted and needs a password")
            raise PasswordIncorrect("the password does not open the file")
        if result.status == AuthStatus.OWNER:
            return
        granted = result.permission_flags
        if not isinstance(granted, StandardPermissions):
            raise EncryptedPdf("the permissions of the encrypted file cannot be read")
        if not granted & (_MAY_MODIFY | _MAY_ANNOTATE | _MAY_FILL):
            raise SigningNotPermitted(
                "the author permits neither changes nor form filling with this password"
            )
        self.may_create_fields = bool(granted & _MAY_MODIFY)


def _require_sound_trailer(reader: PdfFileReader) -> None:
    """Refuse a newest trailer that leaves its catalog or the size of the table to guesswork.

    New objects are numbered from /Size; where it is too small they would replace old ones, and
    readers disagree about the objects above it (ISO 32000-2 table 15).
    """
    # the layer has no public view of one trailer alone, and of the table as a whole
    newest = reader.trailer._trailer_revisions[0]  # noqa: SLF001 - see above
    if not isinstance(newest.raw_get("/Root"), generic.IndirectObject):
        raise DamagedPdf("the trailer does not point to a catalog")
    sections = [section.xref_data for section in reader.xrefs._xref_sections]  # noqa: SLF001 - as above
    sections += [each.hybrid.xref_data for each in sections if each.hybrid is not None]
    highest = max(
        (max(known, default=0) for each in sections for known in _numbers(each)), default=0
    )
    size = int(newest["/Size"])
    if highest >= size:
        raise DamagedPdf("the trailer counts fewer objects than the file has")
    if size > _MOST_OBJECTS:
        raise DamagedPdf("the trailer counts more objects than readers have numbers for")


def _numbers(section: XRefSectionData) -> tuple[Mapping[int, object], ...]:
    return section.standard_xrefs, section.xrefs_in_objstm
