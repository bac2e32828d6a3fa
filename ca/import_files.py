"""From an uploaded file to the rows of an import: CSV, XLSX, PEM, DER, P7B, and a ZIP of those.

The format is seen from the bytes, never from the name. A file that cannot be taken apart is refused
whole; what is wrong with one row is the row's own affair.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from ca import csv_table, der, xlsx_table
from ca.errors_registry import ImportUnreadable
from ca.import_columns import HEADER_WITHIN, Header, looks_like_a_header
from ca.import_problems import RowProblem
from ca.parsed_certificates import MAX_CERTIFICATE_BYTES, UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_FILE_BYTES: Final = 64 * 1024 * 1024
MAX_ROWS: Final = csv_table.MAX_ROWS
MAX_MEMBERS: Final = 20_000
"""Files in a ZIP."""
MAX_UNPACKED_BYTES: Final = 256 * 1024 * 1024
"""Everything in a ZIP together, counted while it is unpacked."""
MAX_LABEL: Final = 200

_SIGNED_DATA: Final = der.object_identifier("1.2.840.113549.1.7.2")
_PEM_BEGIN: Final = b"-----BEGIN CERTIFICATE-----"
_PEM_END: Final = b"-----END CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class FileRow:
    """One row: the cells of a table or a certificate, or why it can be neither."""

    number: int
    label: str
    cells: dict[str, str] | None = None
    der: bytes | None = None
    problems: tuple[RowProblem, ...] = ()


def read(data: bytes) -> tuple[str, list[FileRow]]:
    """Return the format (`csv`, `xlsx`, `pem`, `der`, `p7b`, `zip`) and the rows.

    Raises ImportUnreadable when there is nothing to import or too much of it.
    """
    if len(data) > MAX_FILE_BYTES:
        raise ImportUnreadable("too_large", f"over {MAX_FILE_BYTES} octets")
    if not data.strip():
        raise ImportUnreadable("empty", "the file has no content")
    found = _format(data)
    if found in {"csv", "xlsx"}:
        table = xlsx_table.rows(data) if found == "xlsx" else csv_table.rows(data)
        return found, _table_rows(table)
    if found == "zip":
        return found, _numbered(_members(data))
    return found, _numbered(_certificates(data, found, ""))


def _format(data: bytes) -> str:
    head = data[:64].lstrip()
    if data[:2] == b"PK":
        return "xlsx" if _is_workbook(data) else "zip"
    if data[:1] == b"\x30" and b"\x00" in data[:4096]:
        return "p7b" if _SIGNED_DATA in data[:32] else "der"
    if b"-----BEGIN PKCS7-----" in data or b"-----BEGIN CMS-----" in data:
        return "p7b"
    if head.startswith(b"-----BEGIN") or (_PEM_BEGIN in data and not _is_table(data)):
        return "pem"
    return "csv"


def _is_table(data: bytes) -> bool:
    """Whether the text before the first certificate names columns."""
    try:
        for (_, cells), _stop in zip(csv_table.rows(data), range(HEADER_WITHIN), strict=False):
            if looks_like_a_header(cells):
                return True
    except ImportUnreadable:
        return False
    return False


def _is_workbook(data: bytes) -> bool:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except zipfile.BadZipFile as e:
        raise ImportUnreadable("damaged", "the archive cannot be opened") from e


def _table_rows(table: Iterable[tuple[int, list[str]]]) -> list[FileRow]:
    header: Header | None = None
    found: list[FileRow] = []
    for number, cells in table:
        if header is None:
            if looks_like_a_header(cells):
                header = Header(cells)
            elif number >= HEADER_WITHIN:
                break
            continue
        known = header.cells(cells)
        label = known.get("full_name") or known.get("serial_number") or ""
        problems = (RowProblem("too_many_cells"),) if header.too_short_for(cells) else ()
        found.append(FileRow(number, label[:MAX_LABEL], known, None, problems))
    if header is None:
        raise ImportUnreadable("columns_missing", "no row of the table names its columns")
    if not found:
        raise ImportUnreadable("empty", "the table has no row below its header")
    return found


def _members(data: bytes) -> Iterator[FileRow]:
    """Give the certificates of every file in an archive; folders and hidden files are passed by."""
    unpacked = 0
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [one for one in archive.infolist() if not one.is_dir()]
            if len(members) > MAX_MEMBERS:
                raise ImportUnreadable("too_many_rows", f"over {MAX_MEMBERS} files")
            for member in members:
                name = member.filename.rsplit("/", 1)[-1]
                if name.startswith(".") or member.filename.startswith("__MACOSX/"):
                    continue
                with archive.open(member) as part:
                    content = part.read(MAX_UNPACKED_BYTES - unpacked + 1)
                unpacked += len(content)
                if unpacked > MAX_UNPACKED_BYTES:
                    raise ImportUnreadable("too_large", f"over {MAX_UNPACKED_BYTES} octets")
                yield from _member(content, name)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as e:
        raise ImportUnreadable("damaged", "the archive is incomplete") from e
    except RuntimeError as e:  # what zipfile raises for an encrypted member
        raise ImportUnreadable("damaged", "the archive is encrypted") from e


def _member(content: bytes, name: str) -> Iterator[FileRow]:
    kind = _format(content) if content[:2] != b"PK" else "zip"
    if kind in {"csv", "zip"}:  # a table belongs outside, and an archive in an archive is a trap
        yield FileRow(0, name[:MAX_LABEL], problems=(RowProblem("certificate_unreadable"),))
        return
    try:
        yield from _certificates(content, kind, name)
    except ImportUnreadable:
        yield FileRow(0, name[:MAX_LABEL], problems=(RowProblem("certificate_unreadable"),))


def _certificates(data: bytes, kind: str, label: str) -> Iterator[FileRow]:
    if kind == "der":
        yield _row(data, label)
        return
    if kind == "p7b":
        yield from (_row(one, label) for one in _bag(data))
        return
    _, *found = data.split(_PEM_BEGIN)
    if not found:
        raise ImportUnreadable("no_certificates", "no certificate in the file")
    for one in found:
        body, end, _ = one.partition(_PEM_END)
        try:
            loaded = x509.load_pem_x509_certificate(_PEM_BEGIN + body + end + b"\n")
            encoded = loaded.public_bytes(Encoding.DER)
        except UNREADABLE:
            encoded = b""
        yield _row(encoded, label)


def _bag(data: bytes) -> list[bytes]:
    try:
        load = (
            pkcs7.load_pem_pkcs7_certificates
            if data.lstrip().startswith(b"-----")
            else pkcs7.load_der_pkcs7_certificates
        )
        return [one.public_bytes(Encoding.DER) for one in load(data)]
    except UNREADABLE as e:
        raise ImportUnreadable("no_certificates", "no certificate in the PKCS#7 file") from e


def _row(encoded: bytes, label: str) -> FileRow:
    if 0 < len(encoded) <= MAX_CERTIFICATE_BYTES:
        return FileRow(0, label[:MAX_LABEL], der=encoded)
    return FileRow(0, label[:MAX_LABEL], problems=(RowProblem("certificate_unreadable"),))


def _numbered(rows: Iterable[FileRow]) -> list[FileRow]:
    found: list[FileRow] = []
    for number, row in enumerate(rows, start=1):
        if number > MAX_ROWS:
            raise ImportUnreadable("too_many_rows", f"more than {MAX_ROWS}")
        label = row.label or f"#{number}"
        found.append(FileRow(number, label, row.cells, row.der, row.problems))
    if not found:
        raise ImportUnreadable("no_certificates", "no certificate in the file")
    return found


def of_certificates(found: Iterable[bytes], *, label: str) -> list[FileRow]:
    """Return the rows of certificates that come from elsewhere than a file, such as a token."""
    return _numbered(_row(one, label) for one in found)
