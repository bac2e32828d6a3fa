"""The words of a report for people: Vietnamese and English for every fixed term.

Texts that come from codes (messages, reasons, changes) carry their own words; here are the labels
around them. Terms are those that users of Vietnamese signing tools know.
"""

import unicodedata
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

from pdf.appearance import local_time


class Language(StrEnum):
    """The languages that reports are written in."""

    VI = "vi"
    EN = "en"


_TERMS: Final[Mapping[str, tuple[str, str]]] = {
    "title": ("Báo cáo kiểm tra chữ ký số", "Report on digital signatures"),
    "accept": ("CHẤP NHẬN văn bản", "ACCEPT the document"),
    "return": ("TRẢ LẠI văn bản", "RETURN the document"),
    "wait": ("CHƯA CHẤP NHẬN văn bản", "DO NOT ACCEPT the document yet"),
    "to_do": ("Việc cần làm", "What to do"),
    "decision": ("Kết luận", "Decision"),
    "reasons": ("Lý do", "Reasons"),
    "reason_code": ("Mã lý do", "Reason code"),
    "document": ("Văn bản được kiểm tra", "The document"),
    "file": ("Tên tệp", "File name"),
    "sha256": ("Giá trị băm SHA-256", "SHA-256 digest"),
    "size": ("Kích thước", "Size"),
    "bytes": ("byte", "bytes"),
    "checked_at": ("Thời điểm kiểm tra", "Checked at"),
    "validation_time": ("Xét hiệu lực tại thời điểm", "Judged for the time"),
    "revisions": ("Số phiên bản trong tệp", "Revisions in the file"),
    "encrypted": ("Tệp được mã hóa", "Encrypted"),
    "signature": ("Chữ ký số", "Signature"),
    "signature_kind": ("Chữ ký số", "Digital signature"),
    "document_timestamp": ("Dấu thời gian tài liệu", "Document time-stamp"),
    "result": ("Kết quả", "Result"),
    "signer": ("Người ký", "Signer"),
    "organization": ("Cơ quan, tổ chức", "Organisation"),
    "authority": ("Tổ chức cấp dấu thời gian", "Time-stamp authority"),
    "other_particulars": ("Thông tin khác trong chứng thư số", "Other particulars"),
    "issuer": ("Nơi cấp chứng thư số", "Certificate issued by"),
    "serial_number": ("Số hiệu chứng thư số", "Certificate serial number"),
    "from": ("từ", "from"),
    "until": ("đến", "until"),
    "certificate_validity": ("Hiệu lực chứng thư số", "Certificate validity"),
    "signing_time": ("Thời điểm ký", "Signing time"),
    "claimed_time": ("do người ký khai", "claimed by the signer"),
    "proven_time": ("có dấu thời gian chứng minh", "proven by a time-stamp"),
    "unconfirmed_time": ("chưa xác nhận được", "not confirmed"),
    "stamped_time": ("Thời điểm được đóng dấu", "Stamped time"),
    "later_timestamps": ("Dấu thời gian muộn hơn", "Later time-stamps"),
    "integrity": ("Tính toàn vẹn", "Integrity"),
    "revocation": ("Trạng thái chứng thư số", "Certificate status"),
    "since": ("từ", "since"),
    "source": ("nguồn", "source"),
    "level": ("Mức chữ ký", "Level"),
    "field": ("Trường chữ ký", "Field"),
    "timestamps": ("Dấu thời gian", "Time-stamps"),
    "stamp_signature": ("của chữ ký", "of the signature"),
    "stamp_document": ("của tài liệu", "of the document"),
    "no_timestamp": ("Không có", "None"),
    "changes": ("Thay đổi sau khi ký", "Changes after signing"),
    "permitted": ("Được phép", "Permitted"),
    "forbidden": ("Không được phép", "Forbidden"),
    "criteria": ("Tiêu chí kiểm tra", "Criteria"),
    "messages": ("Ghi chú", "Notes"),
    "registry": ("Theo sổ đăng ký chứng thư số", "According to the registry"),
    "post": ("Chức vụ", "Post"),
    "unit": ("Đơn vị", "Unit"),
    "history": ("Quá trình trạng thái", "Status history"),
    "delegations": ("Ủy quyền", "Delegations"),
    "none": ("Không có", "None"),
    "yes": ("Có", "Yes"),
    "no": ("Không", "No"),
    "unknown": ("Không rõ", "Unknown"),
    "missing": ("Tệp kèm theo còn thiếu", "Missing attachments"),
    "page": ("Trang", "Page"),
    "differences": ("Hình so sánh trang", "Pages before and after"),
    "difference_caption": (
        "bên trái là trang khi ký, bên phải là trang hiện nay; khung đỏ là chỗ khác nhau",
        "left as it was signed, right as it is now; what differs is framed in red",
    ),
    "difference_shown": (
        "Trang khi ký và trang hiện nay đặt cạnh nhau.",
        "The page as it was signed beside the page as it is now.",
    ),
    "differs_at": ("Khác nhau ở", "They differ at"),
    "at_top": ("phía trên", "top"),
    "at_middle": ("giữa trang", "middle"),
    "at_bottom": ("phía dưới", "bottom"),
    "at_left": ("bên trái", "left"),
    "at_centre": ("chính giữa", "centre"),
    "at_right": ("bên phải", "right"),
    "notice_title": ("PHIẾU TRẢ LẠI VĂN BẢN", "NOTICE OF RETURN"),
    "notice_to": ("Kính gửi", "To"),
    "notice_from": ("Cơ quan, đơn vị tiếp nhận", "Received by"),
    "notice_number": ("Số", "Number"),
    "notice_text": (
        (
            "Văn bản điện tử dưới đây đã được tiếp nhận và kiểm tra chữ ký số. Do không đáp ứng "
            "yêu cầu về tính xác thực, tính toàn vẹn, văn bản được trả lại nơi gửi."
        ),
        (
            "The electronic document below was received and its digital signatures were checked. "
            "Since authenticity and integrity could not be confirmed, it is returned to its sender."
        ),
    ),
    "notice_request": (
        "Đề nghị nơi gửi kiểm tra, ký số lại và gửi lại văn bản.",
        "The sender is asked to check the document, sign it again and send it again.",
    ),
    "notice_clerk": ("Văn thư cơ quan", "Clerk"),
    "notice_sign_here": ("(Ký, ghi rõ họ tên)", "(Signature and full name)"),
    # Indications
    "TOTAL_PASSED": ("Hợp lệ", "Valid"),
    "TOTAL_FAILED": ("Không hợp lệ", "Invalid"),
    "INDETERMINATE": ("Chưa kết luận được", "Not confirmed"),
    "NO_SIGNATURE": ("Không có chữ ký số", "No signature"),
    "NOT_A_PDF": ("Không phải PDF đọc được", "Not a readable PDF"),
    # Integrity
    "unchanged": ("Văn bản không bị thay đổi sau khi ký", "Unchanged since signing"),
    "supplemented": (
        "Nội dung được ký không thay đổi; sau đó có bổ sung ghi chú, chữ ký hoặc dữ liệu biểu mẫu",
        "The signed content is unchanged; notes, signatures or form entries were added later",
    ),
    "changed": ("Văn bản ĐÃ BỊ thay đổi sau khi ký", "The document WAS CHANGED after signing"),
    "integrity_unconfirmed": (
        "Không xác nhận được tính toàn vẹn của văn bản",
        "The integrity of the document could not be confirmed",
    ),
    # How grave a note is
    "error": ("Lỗi", "Error"),
    "warning": ("Cảnh báo", "Warning"),
    "info": ("Thông tin", "Information"),
    # Parts of a name in a certificate
    "attribute_C": ("Quốc gia", "Country"),
    "attribute_ST": ("Tỉnh, thành phố", "State or province"),
    "attribute_L": ("Địa phương", "Locality"),
    "attribute_STREET": ("Địa chỉ", "Street"),
    "attribute_postalCode": ("Mã bưu chính", "Postal code"),
    "attribute_DC": ("Tên miền", "Domain"),
    "attribute_UID": ("Mã định danh", "Identifier"),
    "attribute_serialNumber": ("Mã số", "Number"),
    "attribute_organizationIdentifier": ("Mã định danh cơ quan", "Organisation identifier"),
    "attribute_emailAddress": ("Thư điện tử", "E-mail"),
    "attribute_surname": ("Họ", "Surname"),
    "attribute_givenName": ("Tên", "Given name"),
    "attribute_name": ("Họ và tên", "Name"),
    "attribute_telephoneNumber": ("Điện thoại", "Telephone"),
    "attribute_pseudonym": ("Bí danh", "Pseudonym"),
    "attribute_businessCategory": ("Loại hình", "Business category"),
    # Revocation
    "GOOD": ("Còn hiệu lực, không bị thu hồi", "Good, not revoked"),
    "REVOKED": ("Đã bị thu hồi", "Revoked"),
    "SUSPENDED": ("Đang tạm dừng", "Suspended"),
    "UNKNOWN": ("Không xác định được", "Unknown"),
    "NOT_CHECKED": ("Chưa kiểm tra", "Not checked"),
    # What the registry says: status, reason of a revocation, and the name of the source
    "active": ("còn hiệu lực", "active"),
    "suspended": ("tạm dừng", "suspended"),
    "revoked": ("thu hồi", "revoked"),
    "unspecified": ("không nêu lý do", "unspecified"),
    "key_compromise": ("lộ khóa bí mật", "key compromise"),
    "ca_compromise": ("lộ khóa của tổ chức cấp", "CA compromise"),
    "affiliation_changed": ("thay đổi thông tin, nơi công tác", "affiliation changed"),
    "superseded": ("đã có chứng thư số thay thế", "superseded"),
    "cessation_of_operation": ("ngừng hoạt động", "cessation of operation"),
    "certificate_hold": ("tạm dừng", "certificate hold"),
    "privilege_withdrawn": ("thu hồi quyền", "privilege withdrawn"),
    "source_registry": ("sổ đăng ký chứng thư số", "registry"),
    # Criteria
    "passed": ("Đạt", "Passed"),
    "failed": ("Không đạt", "Failed"),
    "not_checked": ("Chưa kiểm tra", "Not checked"),
    "C1.1": ("Thời hạn hiệu lực của chứng thư số", "Validity period of the certificate"),
    "C1.2": (
        "Trạng thái chứng thư số tại thời điểm ký (CRL hoặc OCSP)",
        "Certificate status at signing time (CRL or OCSP)",
    ),
    "C1.3": ("Thuật toán mật mã được phép dùng", "Permitted cryptographic algorithms"),
    "C1.4": ("Mục đích, phạm vi sử dụng chứng thư số", "Purpose and scope of the certificate"),
    "C1.5": (
        "Nội dung quy chế chứng thực (khuyến nghị)",
        "Certification practice statement (recommended)",
    ),
    "C2.1": ("Thông tin về người ký", "Information on the signer"),
    "C2.2": ("Chữ ký được tạo bởi khóa tương ứng", "Signature made with the matching key"),
    "C2.3": (
        "Chứng thư số kèm theo có hiệu lực tại thời điểm ký",
        "Attached certificate valid at signing time",
    ),
    "C2.4": ("Giá trị băm của văn bản khớp", "Digest of the document matches"),
}


def term(key: str, language: Language) -> str:
    """Give a term; an unknown key is shown as it is."""
    words = _TERMS.get(key)
    return key if words is None else words[0 if language is Language.VI else 1]


def when(text: str | None, language: Language) -> str:
    """Show a time of the report's JSON as offices write it, in Vietnam's zone."""
    if text is None:
        return term("unknown", language)
    return local_time(datetime.fromisoformat(text))


def shown(text: object) -> str:
    """Show text from a document or certificate: composed, no control or direction characters.

    Characters that reverse or hide others could make a name look like another one.
    """
    composed = unicodedata.normalize("NFC", str(text))
    return "".join(
        c if unicodedata.category(c) not in {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"} else " "
        for c in composed
    ).strip()
