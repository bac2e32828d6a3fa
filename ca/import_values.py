"""From the text of a cell to a value: dates, numbers and words as Vietnamese offices write them."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Final

from ca.import_problems import RowProblem, RowRefused
from ca.models import CertificateKind, CertificateStatus
from ca.names import fold, storable
from ca.revocation_reasons import RevocationReason

VIETNAM: Final = timezone(timedelta(hours=7))
"""Times without a zone in a Vietnamese list; the country has one, without summer time."""

YEARS: Final = range(1990, 2101)
MAX_TEXT: Final = 1000

_END_OF_DAY: Final = time(23, 59, 59)
_DAY_FIRST: Final = re.compile(r"([0-9]{1,2})[./-]([0-9]{1,2})[./-]([0-9]{4})")
_YEAR_FIRST: Final = re.compile(r"([0-9]{4})[./-]([0-9]{1,2})[./-]([0-9]{1,2})")
_TIME: Final = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.[0-9]{1,9})?)?")
_ZONE: Final = re.compile(r"(?:Z|GMT|UTC|([+-])([0-9]{2}):?([0-9]{2}))$")
_SPREADSHEET_DAY: Final = re.compile(r"[2-7][0-9]{4}")
_EPOCH: Final = date(1899, 12, 30)
_ROUNDED: Final = re.compile(r"[0-9](?:[.,][0-9]+)?E\+?[0-9]+", re.IGNORECASE)
_HEX: Final = re.compile(r"[0-9a-f]{1,40}")

_KINDS: Final[Mapping[str, CertificateKind]] = {
    **dict.fromkeys(
        ("personal", "person", "individual", "ca nhan", "cts ca nhan", "chung thu so ca nhan",
         "ca nhan thuoc to chuc", "ca nhan thuoc co quan to chuc"),
        CertificateKind.PERSONAL,
    ),
    **dict.fromkeys(
        ("organizational", "organization", "organisational", "organisation", "agency", "co quan",
         "to chuc", "co quan to chuc", "don vi", "cts co quan", "cts to chuc",
         "chung thu so co quan to chuc", "chung thu so to chuc"),
        CertificateKind.ORGANIZATIONAL,
    ),
    **dict.fromkeys(
        ("sim", "sim pki", "sim ky so", "chung thu so sim", "mobile pki", "cts sim"),
        CertificateKind.SIM,
    ),
}  # fmt: skip

EXPIRED: Final = "expired"
_STATUSES: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("active", "valid", "in force", "good", "hoat dong", "dang hoat dong", "con hieu luc",
         "con han", "hieu luc", "dang su dung", "dang hieu luc", "sap het han", "binh thuong"),
        CertificateStatus.ACTIVE.value,
    ),
    **dict.fromkeys(
        ("expired", "het han", "het hieu luc", "da het han", "qua han"), EXPIRED
    ),
    **dict.fromkeys(
        ("revoked", "thu hoi", "da thu hoi", "bi thu hoi", "da bi thu hoi", "huy", "da huy"),
        CertificateStatus.REVOKED.value,
    ),
    **dict.fromkeys(
        ("suspended", "on hold", "hold", "tam dung", "dang tam dung", "tam ngung", "tam khoa",
         "tam dinh chi", "da tam dung"),
        CertificateStatus.SUSPENDED.value,
    ),
}  # fmt: skip

_REASONS: Final[Mapping[str, RevocationReason]] = {
    **{reason.value.replace("_", " "): reason for reason in RevocationReason},
    **dict.fromkeys(
        ("nghi huu", "nghi viec", "thoi viec", "chuyen cong tac", "chuyen don vi", "luan chuyen",
         "thay doi don vi", "thay doi thong tin", "affiliationchanged"),
        RevocationReason.AFFILIATION_CHANGED,
    ),
    **dict.fromkeys(
        ("lo khoa", "lo khoa bi mat", "nghi lo khoa", "keycompromise"),
        RevocationReason.KEY_COMPROMISE,
    ),
    **dict.fromkeys(
        ("giai the", "sap nhap", "hop nhat", "ngung hoat dong", "cessationofoperation"),
        RevocationReason.CESSATION_OF_OPERATION,
    ),
    **dict.fromkeys(("cap moi", "cap lai", "thay the"), RevocationReason.SUPERSEDED),
}  # fmt: skip


def refused(code: str, column: str, value: str = "") -> RowRefused:
    """Return the refusal of one cell."""
    return RowRefused(RowProblem(code, column, value))


def serial(cell: str) -> int:
    """Read a serial number: hexadecimal, with or without colons, blanks and `0x`."""
    if _ROUNDED.fullmatch(cell.strip()) and "e+" in cell.lower():
        raise refused("serial_mangled", "serial_number", cell)
    digits = re.sub(r"[\s:.\-]", "", cell.lower()).removeprefix("0x")
    if not _HEX.fullmatch(digits):
        raise refused("serial_invalid", "serial_number", cell)
    return int(digits, 16)


def moment(cell: str, column: str, *, end_of_day: bool = False) -> datetime:
    """Read a date or time; a date alone is the beginning of the day in Vietnam, or its end.

    Day/month/year as well as year-month-day are read, a time before or after it, a zone behind;
    and the bare day number of a spreadsheet.
    """
    text = " ".join(cell.split())
    clock = _TIME.search(text)
    day = _day(text, column, cell)
    if clock is None:
        return datetime.combine(day, _END_OF_DAY if end_of_day else time(), VIETNAM)
    try:
        hours = time(int(clock[1]), int(clock[2]), int(clock[3] or 0))
    except ValueError as e:
        raise refused("date_unreadable", column, cell) from e
    return datetime.combine(day, hours, _zone(text)).astimezone(UTC)


def _day(text: str, column: str, cell: str) -> date:
    if _SPREADSHEET_DAY.fullmatch(text):
        return _EPOCH + timedelta(days=int(text))
    if found := _YEAR_FIRST.search(text):
        year, month, day = (int(part) for part in found.groups())
    elif found := _DAY_FIRST.search(text):
        day, month, year = (int(part) for part in found.groups())
    else:
        raise refused("date_unreadable", column, cell)
    rest = (text[: found.start()] + text[found.end() :]).lstrip("T")
    if year not in YEARS or _TIME.sub("", _ZONE.sub("", rest)).strip(" T,"):
        raise refused("date_unreadable", column, cell)
    try:
        return date(year, month, day)
    except ValueError as e:
        raise refused("date_unreadable", column, cell) from e


def _zone(text: str) -> timezone:
    found = _ZONE.search(text)
    if found is None:
        return VIETNAM
    if found[1] is None:
        return UTC
    offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return timezone(min(offset, timedelta(hours=14)) * (-1 if found[1] == "-" else 1))


def kind(cell: str) -> CertificateKind:
    """Read which of the three kinds a certificate is of."""
    found = _KINDS.get(fold(cell))
    if found is None:
        raise refused("kind_unknown", "kind", cell)
    return found


def status(cell: str) -> str:
    """Read a status: `active`, `suspended`, `revoked` or `expired`."""
    found = _STATUSES.get(fold(cell))
    if found is None:
        raise refused("status_unknown", "status", cell)
    return found


def reason(cell: str) -> RevocationReason:
    """Read why a certificate was revoked; what is said in other words is unspecified."""
    return _REASONS.get(fold(cell), RevocationReason.UNSPECIFIED)


def national_id(cell: str) -> str:
    """Read a national id, with the zero at its beginning that spreadsheets drop."""
    digits = re.sub(r"[\s.]", "", cell)
    if not (digits.isascii() and digits.isdigit()):
        raise refused("national_id_invalid", "national_id", cell)
    digits = digits.rjust({8: 9, 11: 12}.get(len(digits), 0), "0")
    if len(digits) not in {9, 12}:
        raise refused("national_id_invalid", "national_id", cell)
    return digits


def phone(cell: str) -> str:
    """Read a phone number into E.164, taking a Vietnamese one without its prefix for what it is."""
    digits = re.sub(r"[\s.()\-]", "", cell)
    if digits.startswith("+"):
        return digits
    if digits.startswith("84") and len(digits) > 10:  # noqa: PLR2004 -- 84 and nine digits
        return f"+{digits}"
    return f"+84{digits.removeprefix('0')}"


def text(cell: str, column: str) -> str:
    """Return a text that can be kept."""
    if len(cell) > MAX_TEXT or not storable(cell):
        raise refused("text_invalid", column, cell)
    return cell
