"""What is wrong with one row of an import, in words for the clerk who has the file open.

Codes are stable; texts name the value as it stands in the file. The row's number is the row's own.
"""

from dataclasses import dataclass
from typing import Final

MAX_SHOWN: Final = 80
"""Characters of a value that are shown again."""


@dataclass(frozen=True, slots=True)
class RowProblem:
    """One thing that keeps a row out; `column` is our name of the column, "" for the whole row."""

    code: str
    column: str = ""
    value: str = ""

    def to_dict(self) -> dict[str, str]:
        """Render it with both texts."""
        english, vietnamese = TEXTS[self.code]
        shown = self.value if len(self.value) <= MAX_SHOWN else f"{self.value[:MAX_SHOWN]}…"
        return {
            "code": self.code,
            "column": self.column,
            "en": english.format(column=self.column, value=shown),
            "vi": vietnamese.format(column=VIETNAMESE.get(self.column, self.column), value=shown),
        }


class RowRefused(Exception):
    """A row that is kept out, with everything that was found; stays inside this room."""

    def __init__(self, *problems: RowProblem) -> None:
        super().__init__(", ".join(problem.code for problem in problems))
        self.problems = problems


VIETNAMESE: Final = {
    "serial_number": "số serial",
    "full_name": "tên thuê bao",
    "kind": "loại chứng thư số",
    "organization_code": "mã cơ quan",
    "organization_name": "tên cơ quan",
    "national_id": "số định danh cá nhân",
    "email": "thư điện tử",
    "post": "chức vụ",
    "not_before": "ngày hiệu lực",
    "not_after": "ngày hết hạn",
    "issued_at": "ngày cấp",
    "status": "trạng thái",
    "revoked_at": "ngày thu hồi",
    "revocation_reason": "lý do thu hồi",
    "issuer": "tổ chức cấp",
    "device_serial": "số serial thiết bị",
    "msisdn": "số điện thoại",
    "iccid": "ICCID",
    "operator": "nhà mạng",
    "certificate": "chứng thư số",
    "csr": "yêu cầu chứng thực (CSR)",
}
"""Our names of the columns as a Vietnamese clerk calls them."""

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "missing_value": ("{column} is empty", "thiếu {column}"),
    "too_many_cells": (
        "the row has more cells than the header",
        "dòng có nhiều ô hơn dòng tiêu đề",
    ),
    "text_invalid": (
        "{column} is too long or holds characters that cannot be kept: {value}",
        "{column} quá dài hoặc chứa ký tự không lưu được: {value}",
    ),
    "serial_invalid": (
        "“{value}” is no serial number: 1 to 40 hexadecimal digits are expected",
        "“{value}” không phải số serial: cần từ 1 đến 40 chữ số thập lục phân",
    ),
    "serial_mangled": (
        "a spreadsheet has rounded the number to “{value}”: make the column text, enter it again",
        "bảng tính đã làm tròn số thành “{value}”: hãy đổi cột thành văn bản rồi nhập lại",
    ),
    "date_unreadable": (
        "{column} “{value}” is no date; day/month/year is expected, or year-month-day",
        "{column} “{value}” không phải ngày tháng; cần dạng ngày/tháng/năm hoặc năm-tháng-ngày",
    ),
    "dates_reversed": (
        "the end of validity “{value}” does not come after its beginning",
        "ngày hết hạn “{value}” không sau ngày hiệu lực",
    ),
    "date_out_of_range": (
        "{column} “{value}” does not fit the time of the certificate",
        "{column} “{value}” không phù hợp với thời hạn của chứng thư số",
    ),
    "kind_unknown": (
        "“{value}” is none of the kinds: personal, organizational, SIM",
        "“{value}” không phải loại chứng thư số: cá nhân, cơ quan/tổ chức, SIM",
    ),
    "status_unknown": (
        "“{value}” is no status: in force, suspended, revoked or expired is expected",
        "“{value}” không phải trạng thái: còn hiệu lực, tạm dừng, thu hồi hoặc hết hạn",
    ),
    "status_contradicts": (
        "the status “{value}” contradicts the dates of the row",
        "trạng thái “{value}” mâu thuẫn với ngày tháng trên dòng",
    ),
    "national_id_invalid": (
        "“{value}” is no national id: 9 or 12 digits are expected",
        "“{value}” không phải số định danh cá nhân: cần 9 hoặc 12 chữ số",
    ),
    "subscriber_invalid": (
        "the subscriber cannot be accepted: {value}",
        "không chấp nhận được thuê bao: {value}",
    ),
    "subscriber_differs": (
        "the national id belongs to another person, {value}",
        "số định danh cá nhân thuộc về người khác, {value}",
    ),
    "organization_missing": (
        "the row names no organisation, and none was given for the whole file",
        "dòng không nêu cơ quan và cũng không chọn cơ quan chung cho cả tệp",
    ),
    "organization_unknown": (
        "no organisation “{value}” in the registry",
        "không có cơ quan “{value}” trong sổ đăng ký",
    ),
    "organization_ambiguous": (
        "more than one organisation is named “{value}”: give its code",
        "có nhiều cơ quan cùng tên “{value}”: hãy dùng mã cơ quan",
    ),
    "organization_closed": (
        "the organisation “{value}” no longer exists",
        "cơ quan “{value}” không còn hoạt động",
    ),
    "not_permitted": (
        "your role does not cover the organisation “{value}”",
        "vai trò của bạn không bao gồm cơ quan “{value}”",
    ),
    "issuer_missing": (
        "the row names no issuer, and none was given for the whole file",
        "dòng không nêu tổ chức cấp và cũng không chọn tổ chức cấp chung cho cả tệp",
    ),
    "issuer_ours": (
        "“{value}” is an authority of this installation, and it never issued this certificate",
        "“{value}” là cơ quan chứng thực của chính hệ thống này và chưa từng cấp chứng thư số đó",
    ),
    "issuer_invalid": (
        "“{value}” cannot be the name of an issuer",
        "“{value}” không thể là tên tổ chức cấp",
    ),
    "duplicate_row": (
        "the same certificate stands in row {value}",
        "trùng chứng thư số với dòng {value}",
    ),
    "known_differently": (
        "the registry has this certificate with another {column}: {value}",
        "sổ đăng ký đã có chứng thư số này với {column} khác: {value}",
    ),
    "revoked_before": (
        "the registry has this certificate as revoked, and revoked is final",
        "sổ đăng ký ghi chứng thư số này đã bị thu hồi, không thể khôi phục",
    ),
    "certificate_unreadable": (
        "these bytes are no certificate that can be read",
        "dữ liệu không phải chứng thư số đọc được",
    ),
    "certificate_is_ca": (
        "this is the certificate of a CA; add it as an issuer instead",
        "đây là chứng thư số của tổ chức chứng thực; hãy thêm ở mục tổ chức cấp",
    ),
    "device_invalid": (
        "the device cannot be accepted: {value}",
        "không chấp nhận được thiết bị: {value}",
    ),
    "device_elsewhere": (
        "the device {value} is held by another subscriber",
        "thiết bị {value} đang do thuê bao khác giữ",
    ),
    "csr_unacceptable": (
        "the certification request cannot be accepted: {value}",
        "không chấp nhận được yêu cầu chứng thực (CSR): {value}",
    ),
    "key_unacceptable": (
        "the public key cannot be certified: {value}",
        "không cấp được chứng thư số cho khóa công khai này: {value}",
    ),
    "key_twice": (
        "the same key stands in row {value}",
        "trùng khóa với dòng {value}",
    ),
    "key_known": (
        "this key was certified before, or is blocked",
        "khóa này đã được cấp chứng thư số hoặc đã bị chặn",
    ),
    "asked_before": (
        "this request was put in before and is not done yet",
        "yêu cầu này đã được nộp và chưa xử lý xong",
    ),
    "kind_needs_device": (
        "a certificate of kind “{value}” names a device; ask for it singly",
        "chứng thư số loại “{value}” gắn với thiết bị; hãy nộp từng yêu cầu",
    ),
    "subscriber_elsewhere": (
        "the person belongs to another organisation in the registry",
        "thuê bao thuộc cơ quan khác trong sổ đăng ký",
    ),
    "stored_meanwhile": (
        "somebody stored the same just now: import the file again",
        "dữ liệu trùng vừa được lưu bởi người khác: hãy nhập lại tệp",
    ),
}
"""From code to the English and the Vietnamese text."""
