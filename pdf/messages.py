"""What the report says in words: message codes with English and Vietnamese text.

The codes are stable and fit for a machine; the words are for the clerk and the signer. Terms are
those of the glossary (`chữ ký số`, `chứng thư số`, `dấu thời gian`).
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from pdf.path_messages import PATH_MESSAGES
from pdf.reason_messages import REASONS
from pdf.rule_messages import RULE_MESSAGES

Level: TypeAlias = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class Message:
    """One message of the report."""

    code: str
    level: Level
    en: str
    vi: str

    def to_dict(self) -> dict[str, str]:
        """Give the JSON of the report."""
        return {"code": self.code, "level": self.level, "en": self.en, "vi": self.vi}


_CATALOGUE: dict[str, tuple[Level, str, str]] = {
    # Structure of the file
    "NOT_A_PDF": ("error", "The file is not a readable PDF.", "Tệp không phải là PDF đọc được."),
    "FILE_REPAIRED": (
        "warning",
        "The file is damaged; it was read by searching for its objects.",
        "Tệp bị hỏng; nội dung được đọc bằng cách dò tìm các đối tượng.",
    ),
    "LIMIT_EXCEEDED": (
        "error",
        "The file goes beyond what a document may demand of the verifier.",
        "Tệp vượt quá giới hạn xử lý cho phép đối với một văn bản.",
    ),
    "PASSWORD_REQUIRED": (
        "error",
        "The file is encrypted; give the password to have later changes examined.",
        "Tệp được mã hóa; cần mật khẩu để kiểm tra các thay đổi sau khi ký.",
    ),
    "INTERNAL_FAILURE": (
        "error",
        "The signature could not be examined because its structure is broken.",
        "Không kiểm tra được chữ ký số vì cấu trúc bị hỏng.",
    ),
    # ByteRange
    "BYTE_RANGE_MISSING": (
        "error",
        "The signature does not say which bytes it covers.",
        "Chữ ký số không nêu phạm vi dữ liệu được ký.",
    ),
    "BYTE_RANGE_MALFORMED": (
        "error",
        "The list of covered bytes is malformed.",
        "Phạm vi dữ liệu được ký sai định dạng.",
    ),
    "BYTE_RANGE_OUTSIDE_FILE": (
        "error",
        "The signature claims bytes beyond the end of the file.",
        "Phạm vi dữ liệu được ký vượt ra ngoài tệp.",
    ),
    "BYTE_RANGE_NOT_TWO_PARTS": (
        "error",
        "The covered bytes are not the two parts around the signature.",
        "Phạm vi dữ liệu được ký không gồm đúng hai phần trước và sau chữ ký.",
    ),
    "BYTE_RANGE_NOT_FROM_START": (
        "error",
        "The beginning of the file is not covered by the signature.",
        "Phần đầu tệp không được chữ ký số bảo vệ.",
    ),
    "BYTE_RANGE_OVERLAP": (
        "error",
        "The covered parts overlap or leave no room for the signature.",
        "Các phần được ký chồng lên nhau.",
    ),
    "BYTE_RANGE_GAP_WRONG": (
        "error",
        "The bytes left out are not exactly the signature value: content may hide there.",
        "Phần không được ký không đúng là giá trị chữ ký: có thể có nội dung bị giấu.",
    ),
    "BYTE_RANGE_ENDS_INSIDE_REVISION": (
        "error",
        "The signature ends in the middle of a revision.",
        "Phạm vi được ký kết thúc giữa chừng một phiên bản của tệp.",
    ),
    "CONTENTS_NOT_HEXADECIMAL": (
        "error",
        "The signature value is missing or is not a hexadecimal string in the file.",
        "Thiếu giá trị chữ ký hoặc giá trị không ở dạng chuỗi thập lục phân trong tệp.",
    ),
    "SIGNATURE_KEY_REPEATED": (
        "error",
        "The signature dictionary gives an entry twice.",
        "Từ điển chữ ký khai báo một mục hai lần.",
    ),
    "SIGNATURE_NOT_IN_ITS_REVISION": (
        "error",
        "The revision that the signature covers does not contain this signature.",
        "Phiên bản được ký không chứa chữ ký này.",
    ),
    "SIGNATURE_ORPHANED": (
        "error",
        "No form field of the document leads to this signature: removed, replaced or hidden.",
        "Không có trường nào của văn bản dẫn tới chữ ký này: đã bị gỡ, thay thế hoặc che giấu.",
    ),
    "SUB_FILTER_UNSUPPORTED": (
        "error",
        "The kind of signature (/SubFilter) is missing or not supported.",
        "Loại chữ ký (/SubFilter) bị thiếu hoặc không được hỗ trợ.",
    ),
    # CMS
    "CMS_MALFORMED": (
        "error",
        "The signature value is not a readable CMS structure.",
        "Giá trị chữ ký không phải là cấu trúc CMS đọc được.",
    ),
    "CMS_NO_SIGNER": ("error", "The signature has no signer.", "Chữ ký không có người ký."),
    "CMS_SEVERAL_SIGNERS": (
        "warning",
        "The signature value holds several signers; all were checked.",
        "Giá trị chữ ký có nhiều người ký; đã kiểm tra tất cả.",
    ),
    "CMS_ENCAPSULATES_CONTENT": (
        "error",
        "A detached signature carries content of its own.",
        "Chữ ký tách rời lại chứa nội dung riêng.",
    ),
    "CONTENT_READS_AS_ATTRIBUTES": (
        "error",
        "The content is the inner part of another signature, passed off as a document.",
        "Nội dung là phần bên trong của một chữ ký khác, bị đưa ra như một văn bản.",
    ),
    "CMS_CONTENT_EMPTY": (
        "info",
        "The signature value has an empty content field, which readers accept.",
        "Giá trị chữ ký có trường nội dung rỗng, các phần mềm đọc chấp nhận điều này.",
    ),
    "CONTENT_MISSING": (
        "error",
        "The signature is detached and the signed file was not given.",
        "Chữ ký tách rời nhưng không có tệp được ký kèm theo.",
    ),
    "CMS_PADDING_NOT_ZERO": (
        "warning",
        "Bytes other than zero follow the signature value.",
        "Sau giá trị chữ ký còn có dữ liệu khác không.",
    ),
    "SIGNED_ATTRIBUTES_NOT_DER": (
        "warning",
        "The signed attributes are not in the order that RFC 5652 demands.",
        "Các thuộc tính được ký không theo thứ tự mà RFC 5652 yêu cầu.",
    ),
    "SIGNED_ATTRIBUTE_REPEATED": (
        "error",
        "A signed attribute is given twice.",
        "Một thuộc tính được ký xuất hiện hai lần.",
    ),
    "NO_SIGNED_ATTRIBUTES": (
        "info",
        "The signature has no signed attributes; it covers the document directly.",
        "Chữ ký không có thuộc tính được ký; ký trực tiếp lên văn bản.",
    ),
    "CONTENT_TYPE_ATTRIBUTE_MISSING": (
        "warning",
        "The content-type attribute is missing.",
        "Thiếu thuộc tính kiểu nội dung.",
    ),
    "CONTENT_TYPE_ATTRIBUTE_WRONG": (
        "error",
        "The content-type attribute does not fit the signed content.",
        "Thuộc tính kiểu nội dung không khớp với nội dung được ký.",
    ),
    "MESSAGE_DIGEST_MISSING": (
        "error",
        "The message-digest attribute is missing.",
        "Thiếu thuộc tính giá trị băm.",
    ),
    "ALGORITHM_UNSUPPORTED": (
        "error",
        "An algorithm of the signature is not supported.",
        "Thuật toán của chữ ký không được hỗ trợ.",
    ),
    "ALGORITHMS_DISAGREE": (
        "error",
        "Digest and signature algorithm do not belong together.",
        "Thuật toán băm và thuật toán ký không phù hợp với nhau.",
    ),
    "ALGORITHM_WEAK": (
        "warning",
        "A digest algorithm that is no longer safe was used, without proof of an early time.",
        "Sử dụng thuật toán băm không còn an toàn mà không có bằng chứng về thời điểm ký.",
    ),
    "EXPERIMENTAL_ALGORITHM": (
        "warning",
        "The signature uses a post-quantum algorithm; its verification is experimental.",
        "Chữ ký dùng thuật toán hậu lượng tử; việc kiểm tra còn ở mức thử nghiệm.",
    ),
    "SIGNER_CERTIFICATE_MISSING": (
        "error",
        "The signer's certificate is not in the signature.",
        "Chữ ký không kèm chứng thư số của người ký.",
    ),
    "SIGNING_CERTIFICATE_ATTRIBUTE_WRONG": (
        "warning",
        "The signed reference to the signer's certificate does not match it.",
        "Tham chiếu tới chứng thư số của người ký không khớp.",
    ),
    "HASH_MISMATCH": (
        "error",
        "The document was changed: its digest is not the signed one.",
        "Văn bản đã bị thay đổi: giá trị băm không khớp với giá trị được ký.",
    ),
    "SIGNATURE_MISMATCH": (
        "error",
        "The signature value was not made with the key of the signer's certificate.",
        "Chữ ký không được tạo bởi khóa tương ứng với chứng thư số của người ký.",
    ),
    # Time-stamps
    "TIMESTAMP_MALFORMED": (
        "error",
        "The time-stamp is not readable.",
        "Không đọc được dấu thời gian.",
    ),
    "TIMESTAMP_IMPRINT_MISMATCH": (
        "error",
        "The time-stamp belongs to other data.",
        "Dấu thời gian không thuộc về dữ liệu này.",
    ),
    "ARCHIVE_INDEX_WRONG": (
        "error",
        "The archive time-stamp does not say, or says wrongly, what it is over.",
        "Dấu thời gian lưu trữ không nêu hoặc nêu sai phạm vi dữ liệu được bảo vệ.",
    ),
    "TIMESTAMP_BROKEN": (
        "warning",
        "A time-stamp of this signature is broken and proves nothing.",
        "Một dấu thời gian của chữ ký bị hỏng và không có giá trị chứng minh.",
    ),
    "TIMESTAMP_NOT_TRUSTED": (
        "info",
        "A time-stamp is intact, but its authority could not be confirmed.",
        "Dấu thời gian nguyên vẹn nhưng chưa xác nhận được tổ chức cấp.",
    ),
    "TIME_ONLY_CLAIMED": (
        "info",
        "The signing time is the signer's claim; no trusted time-stamp proves it.",
        "Thời điểm ký do người ký khai; không có dấu thời gian tin cậy chứng minh.",
    ),
    # Certificate
    "CERTIFICATE_NOT_TRUSTED": (
        "warning",
        "The certificate could not be traced to a trusted authority.",
        "Không xác lập được đường dẫn tin cậy cho chứng thư số.",
    ),
    "CERTIFICATE_REVOKED": (
        "error",
        "The certificate is revoked and nothing proves that the signature is older.",
        "Chứng thư số đã bị thu hồi và không có bằng chứng chữ ký được tạo trước đó.",
    ),
    "CERTIFICATE_REVOKED_LATER": (
        "info",
        "The certificate was revoked after the proven time of the signature.",
        "Chứng thư số bị thu hồi sau thời điểm ký đã được chứng minh.",
    ),
    "CERTIFICATE_EXPIRED": (
        "warning",
        "The certificate is outside its validity period and no trusted time proves the signature.",
        "Chứng thư số ngoài thời hạn hiệu lực và không có thời điểm tin cậy chứng minh chữ ký.",
    ),
    "REVOCATION_UNKNOWN": (
        "warning",
        "The status of the certificate could not be established.",
        "Không xác định được trạng thái của chứng thư số.",
    ),
    "VALIDATOR_FAILED": (
        "error",
        "The certificate path could not be examined.",
        "Không kiểm tra được đường dẫn chứng thực.",
    ),
    # Later changes
    "CHANGES_FORBIDDEN": (
        "error",
        "The document was changed after signing in a way that the signature does not allow.",
        "Văn bản bị thay đổi sau khi ký theo cách chữ ký không cho phép.",
    ),
    "CHANGES_PERMITTED": (
        "info",
        "The document was supplemented after signing in a permitted way.",
        "Văn bản được bổ sung sau khi ký theo cách được phép.",
    ),
    "CHANGES_UNKNOWN": (
        "error",
        "What was changed after signing could not be established.",
        "Không xác định được những thay đổi sau khi ký.",
    ),
    "CHANGES_NOT_COMPARED": (
        "warning",
        "Pages that were supplemented after signing could not be compared with what was signed.",
        "Không so sánh được các trang được bổ sung sau khi ký với nội dung đã ký.",
    ),
    "FIELD_COVERS_CONTENT": (
        "warning",
        "A field that was there at signing now covers content that was visible; compare the pages.",
        "Trường có sẵn khi ký nay che nội dung đã hiển thị; cần so sánh các trang.",
    ),
    "FILLED_FIELD_COVERS_CONTENT": (
        "warning",
        "A form field that was filled in after signing covers content that was signed.",
        "Trường biểu mẫu được điền sau khi ký che nội dung đã ký.",
    ),
    "SIGNED_CONTENT_AMBIGUOUS": (
        "warning",
        "The file defines signed content twice; programs differ in which one they show.",
        "Tệp định nghĩa nội dung đã ký hai lần; các phần mềm có thể hiển thị khác nhau.",
    ),
    "FIELD_SHOWS_OTHER_VALUE": (
        "warning",
        "A form field shows something else than its value; programs read what people do not see.",
        "Có trường biểu mẫu hiển thị khác với giá trị lưu trong trường.",
    ),
}

REASON_CODES = frozenset(REASONS)


def message(code: str) -> Message:
    """Give the message with this code; an unknown code is shown as it is, never lost."""
    known = _CATALOGUE.get(code) or PATH_MESSAGES.get(code) or RULE_MESSAGES.get(code)
    level, en, vi = known or ("warning", code, code)
    return Message(code, level, en, vi)


def reason(code: str) -> dict[str, str]:
    """Give a reason of the decision: {code, en, vi}."""
    known = message(code)
    en, vi = REASONS.get(code, (known.en, known.vi))
    return {"code": code, "en": en, "vi": vi}
