"""The words for what rules, times and signature policies have to say about a signature."""

from typing import Final, Literal

RULE_MESSAGES: Final[dict[str, tuple[Literal["error", "warning", "info"], str, str]]] = {
    "SIGNED_AFTER_REVOCATION": (
        "error",
        "The signature covers a time-stamp that is later than the revocation of its certificate.",
        "Chữ ký được tạo sau khi chứng thư số bị thu hồi: chữ ký bao gồm dấu thời gian muộn hơn.",
    ),
    "SIGNED_AFTER_EXPIRY": (
        "error",
        "The signature covers a time-stamp that is later than the end of its certificate.",
        "Chữ ký được tạo sau khi chứng thư số hết hạn: chữ ký bao gồm dấu thời gian muộn hơn.",
    ),
    "SIGNED_BEFORE_ISSUE": (
        "error",
        "The signature is proven to be older than the certificate it is said to be made with.",
        "Chữ ký được chứng minh có trước khi chứng thư số có hiệu lực.",
    ),
    "STATUS_NOT_PROVEN_THEN": (
        "warning",
        "The signature is old enough, but nothing of that time tells its certificate's status.",
        "Chữ ký đủ cũ nhưng không có dữ liệu cho biết trạng thái chứng thư số tại thời điểm đó.",
    ),
    "TIMESTAMPS_OUT_OF_ORDER": (
        "warning",
        "A time-stamp is older than one that it carries.",
        "Có dấu thời gian sớm hơn dấu thời gian mà nó bao gồm.",
    ),
    "SIGNATURE_POLICY_UNKNOWN": (
        "info",
        "The signature names a signature policy that is not known here.",
        "Chữ ký nêu một chính sách chữ ký không có trong danh mục.",
    ),
    "SIGNATURE_POLICY_UNREADABLE": (
        "warning",
        "The signature policy that the signature names cannot be read.",
        "Không đọc được chính sách chữ ký nêu trong chữ ký.",
    ),
    "SIGNATURE_POLICY_DIFFERS": (
        "error",
        "The signature policy is known, but the signature names another document by its digest.",
        "Chính sách chữ ký đã biết nhưng giá trị băm trong chữ ký không khớp.",
    ),
    "ATTRIBUTE_REQUIRED": (
        "warning",
        "The signature lacks an attribute that the policy requires.",
        "Chữ ký thiếu thuộc tính mà chính sách kiểm tra yêu cầu.",
    ),
    "SHA1_ACCEPTED_BY_POLICY": (
        "warning",
        "The document was digested with SHA-1, which the policy accepts below this trust anchor.",
        "Văn bản được băm bằng SHA-1; chính sách chấp nhận đối với tổ chức gốc này.",
    ),
}
