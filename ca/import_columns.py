"""Which column of a table means what: headers in Vietnamese and English, with or without marks."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from ca.errors_registry import ImportUnreadable
from ca.names import fold

HEADER_WITHIN: Final = 20
"""Rows among which the header is looked for: official lists begin with titles."""

_ASIDE: Final = re.compile(r"\([^)]*\)|\*|\[[^\]]*\]")

ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "serial_number": (
        "serial number", "serial", "so serial", "so seri", "so se ri", "seri", "so hieu",
        "so hieu chung thu", "so hieu chung thu so", "so serial chung thu so", "so serial cts",
        "serial chung thu so", "serialnumber", "so seri chung thu so", "ma so chung thu so",
    ),
    "full_name": (
        "full name", "name", "common name", "commonname", "cn", "subject", "ho ten", "ho va ten",
        "ten", "ten thue bao", "thue bao", "ten chung thu so", "ten chung thu", "certificatename",
        "certificate name", "ten chu the", "chu the", "subscriber", "ho va ten thue bao",
        "ten nguoi dung", "chu so huu",
    ),
    "kind": (
        "kind", "type", "certificate kind", "loai", "loai chung thu so", "loai chung thu",
        "loai cts", "loai thue bao",
    ),
    "organization_code": (
        "organization code", "org code", "organization", "organ id", "organid", "unit code",
        "ma don vi", "ma co quan", "ma dinh danh", "ma dinh danh co quan", "ma dinh danh don vi",
        "ma to chuc",
    ),
    "organization_name": (
        "organization name", "unit", "unit name", "unitname", "agency", "don vi", "ten don vi",
        "co quan", "ten co quan", "don vi cong tac", "co quan cong tac", "co quan don vi",
        "co quan to chuc", "ten co quan to chuc", "to chuc", "noi cong tac",
    ),
    "national_id": (
        "national id", "identity number", "cccd", "so cccd", "cmnd", "so cmnd", "cccd cmnd",
        "cmnd cccd", "so cccd cmnd", "so cmnd cccd", "can cuoc", "so can cuoc", "so dinh danh",
        "so dinh danh ca nhan", "can cuoc cong dan",
    ),
    "email": (
        "email", "e mail", "mail", "thu dien tu", "dia chi thu dien tu", "hop thu",
        "hop thu cong vu", "email cong vu",
    ),
    "post": ("post", "title", "position", "chuc vu", "chuc danh"),
    "not_before": (
        "not before", "notbefore", "valid from", "ngay hieu luc", "hieu luc tu", "tu ngay",
        "hieu luc tu ngay", "ngay bat dau", "ngay bat dau hieu luc", "ngay co hieu luc",
    ),
    "not_after": (
        "not after", "notafter", "valid to", "valid until", "expires", "expiry date", "expirydate",
        "expiration date", "ngay het han", "het han", "ngay het hieu luc", "het hieu luc",
        "den ngay", "hieu luc den", "hieu luc den ngay", "han su dung", "het han ngay",
    ),
    "issued_at": ("issued at", "issued", "issue date", "ngay cap", "ngay cap phat"),
    "status": ("status", "trang thai", "tinh trang", "hien trang"),
    "revoked_at": (
        "revoked at", "revocation date", "revoked", "ngay thu hoi", "thoi diem thu hoi",
        "ngay tam dung", "thu hoi ngay",
    ),
    "revocation_reason": ("revocation reason", "reason", "ly do", "ly do thu hoi"),
    "issuer": (
        "issuer", "ca", "issued by", "to chuc cap", "don vi cap", "co quan cap", "nha cung cap",
        "co quan chung thuc", "to chuc cung cap", "to chuc chung thuc", "to chuc cap chung thu so",
    ),
    "device_serial": (
        "device serial", "device", "token", "token serial", "usb token", "thiet bi",
        "serial thiet bi", "so serial thiet bi", "so hieu thiet bi", "serial token", "so token",
        "so seri thiet bi", "ma thiet bi",
    ),
    "msisdn": (
        "msisdn", "phone", "phone number", "dien thoai", "so dien thoai", "sdt", "so sim",
        "so thue bao", "so di dong",
    ),
    "iccid": ("iccid", "so iccid"),
    "operator": ("operator", "nha mang", "mang"),
    "certificate": ("certificate", "pem", "chung thu so", "noi dung chung thu so", "tep chung thu"),
}  # fmt: skip
"""Our name of each column, and the folded words that head it in the lists that offices keep."""

_MEANING: Final = {alias: column for column, names in ALIASES.items() for alias in names}
_NEEDED: Final = ("serial_number", "full_name", "not_after")


class Header:
    """Which cell of a row is which column; cells under unknown words are left alone."""

    def __init__(self, cells: Iterable[str]) -> None:
        self._columns = [meaning(cell) for cell in cells]
        known = [column for column in self._columns if column is not None]
        twice = sorted({column for column in known if known.count(column) > 1})
        if twice:
            raise ImportUnreadable("column_twice", ", ".join(twice))
        missing = [column for column in _NEEDED if column not in known]
        if not {"not_before", "issued_at"} & set(known):
            missing.append("not_before")
        if missing and "certificate" not in known:
            raise ImportUnreadable("columns_missing", ", ".join(missing))

    def cells(self, row: list[str]) -> dict[str, str]:
        """Return the cells that have a meaning and a value."""
        pairs = zip(self._columns, row, strict=False)
        return {column: cell for column, cell in pairs if column is not None and cell}

    def too_short_for(self, row: list[str]) -> bool:
        """Whether a row has values beyond the last column."""
        return any(row[len(self._columns) :])


def meaning(heading: str) -> str | None:
    """Return our name of the column with this heading, or None."""
    return _MEANING.get(fold(_ASIDE.sub(" ", heading)))


def looks_like_a_header(cells: list[str]) -> bool:
    """Whether a row names columns, and not the title of a list."""
    known = {meaning(cell) for cell in cells} - {None}
    return len(known) >= 3 or "certificate" in known  # noqa: PLR2004 -- a title has one cell or two
