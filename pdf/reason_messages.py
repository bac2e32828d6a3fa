"""The words for why a document is accepted or returned: reason code -> English, Vietnamese."""

from typing import Final

REASONS: Final[dict[str, tuple[str, str]]] = {
    "ALL_PASSED": (
        "Every signature is valid.",
        "Tất cả chữ ký số đều hợp lệ.",
    ),
    "NO_SIGNATURE": (
        "The document has no digital signature.",
        "Văn bản không có chữ ký số.",
    ),
    "NOT_A_PDF": (
        "The file is not a readable PDF.",
        "Tệp không phải là PDF đọc được.",
    ),
    "SIGNATURE_FAILED": (
        "At least one signature is invalid.",
        "Có ít nhất một chữ ký số không hợp lệ.",
    ),
    "CHANGED_AFTER_SIGNING": (
        "The document was changed after signing.",
        "Văn bản đã bị thay đổi sau khi ký.",
    ),
    "CHANGES_NOT_COMPARED": (
        "Pages that were supplemented after signing have to be looked at.",
        "Cần xem lại bằng mắt các trang được bổ sung sau khi ký.",
    ),
    "CONTENT_COVERED": (
        "A form field that was filled in after signing covers signed content.",
        "Trường biểu mẫu được điền sau khi ký che nội dung đã ký.",
    ),
    "CONTENT_AMBIGUOUS": (
        "Programs may show different contents of the signed document.",
        "Các phần mềm có thể hiển thị nội dung văn bản đã ký khác nhau.",
    ),
    "CERTIFICATE_REVOKED": (
        "A signer's certificate is revoked.",
        "Chứng thư số của người ký đã bị thu hồi.",
    ),
    "CERTIFICATE_NOT_TRUSTED": (
        "A signer's certificate is not from a trusted authority.",
        "Chứng thư số của người ký không thuộc đường dẫn tin cậy.",
    ),
    "STATUS_NOT_CHECKED": (
        "Whether a signer's certificate was revoked could not be checked.",
        "Không kiểm tra được chứng thư số của người ký có bị thu hồi hay không.",
    ),
    "TIMESTAMP_BROKEN": (
        "A time-stamp is broken.",
        "Có dấu thời gian bị hỏng.",
    ),
    "SIGNED_OUT_OF_TIME": (
        "A signature was made before its certificate counted or after it had ceased to count.",
        "Có chữ ký được tạo khi chứng thư số chưa có hoặc không còn hiệu lực.",
    ),
    "NOT_CONFIRMED": (
        "At least one signature could not be confirmed.",
        "Có ít nhất một chữ ký số chưa xác nhận được.",
    ),
}
