"""The words of a report on an exchange message: its reasons, and what to do next about each."""

from collections.abc import Mapping
from typing import Final

from pdf.next_steps import Words

EDOC_REASONS: Final[Mapping[str, Words]] = {
    "ALL_PASSED": (
        "Every attachment is signed and every signature is valid.",
        "Mọi tệp kèm theo đều có chữ ký số hợp lệ.",
    ),
    "EDXML_MALFORMED": (
        "The file is no readable edXML message.",
        "Tệp không phải là gói tin edXML đọc được.",
    ),
    "EDXML_FORBIDDEN_CONSTRUCT": (
        "The XML declares a document type or entities, which are not accepted.",
        "Tệp XML khai báo kiểu tài liệu hoặc thực thể, không được chấp nhận.",
    ),
    "LIMIT_EXCEEDED": (
        "The message goes beyond what the verifier accepts.",
        "Gói tin vượt quá giới hạn xử lý cho phép.",
    ),
    "NO_ATTACHMENT": ("The message has no attachment.", "Gói tin không có tệp kèm theo."),
    "ATTACHMENT_EMPTY": ("An attachment has no content.", "Có tệp kèm theo không có nội dung."),
    "ATTACHMENT_DAMAGED": (
        "An attachment cannot be unpacked.",
        "Không giải nén được một tệp kèm theo.",
    ),
    "ATTACHMENT_NOT_ONE_FILE": (
        "The archive of an attachment does not hold exactly one file.",
        "Tệp nén kèm theo không chứa đúng một tệp.",
    ),
    "ATTACHMENT_MISSING": (
        "An attachment that the message lists is missing.",
        "Thiếu tệp kèm theo đã nêu trong gói tin.",
    ),
    "ATTACHMENT_UNLISTED": (
        "An attachment is not listed in the message.",
        "Có tệp kèm theo không nêu trong danh mục của gói tin.",
    ),
    "ATTACHMENT_NOT_ACCEPTED": (
        "An attachment is not to be accepted; its own report says why.",
        "Có tệp kèm theo không được chấp nhận; xem báo cáo của tệp đó.",
    ),
}
"""English, Vietnamese."""

_ATTACH_AGAIN: Final = (
    "Trả lại gói tin, đề nghị nơi gửi đính kèm lại tệp.",
    "Return the message and ask the sender to attach the file again.",
)

EDOC_STEPS: Final[Mapping[str, Words]] = {
    "EDXML_MALFORMED": (
        "Đề nghị nơi gửi gửi lại văn bản qua trục liên thông.",
        "Ask the sender to send the message again over the exchange.",
    ),
    "NO_ATTACHMENT": (
        "Trả lại gói tin, đề nghị nơi gửi gửi lại kèm văn bản.",
        "Return the message and ask for it with the document attached.",
    ),
    "ATTACHMENT_EMPTY": _ATTACH_AGAIN,
    "ATTACHMENT_DAMAGED": _ATTACH_AGAIN,
    "ATTACHMENT_NOT_ONE_FILE": _ATTACH_AGAIN,
    "ATTACHMENT_MISSING": (
        "Trả lại gói tin, đề nghị nơi gửi gửi đủ các tệp đã nêu trong danh mục.",
        "Return the message and ask for every file that it lists.",
    ),
    "ATTACHMENT_UNLISTED": (
        "Hỏi nơi gửi tệp không nêu trong danh mục có thuộc văn bản hay không; chưa sử dụng tệp đó.",
        "Ask the sender whether the file that is not listed belongs to it; do not use it yet.",
    ),
    "ATTACHMENT_NOT_ACCEPTED": (
        "Xem kết quả và việc cần làm của từng tệp kèm theo dưới đây.",
        "See the result and what to do for each attachment below.",
    ),
}
