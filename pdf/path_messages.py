"""The words for what a certificate path's validator says: codes, level, English and Vietnamese.

The validator is handed in from outside and names its findings by these codes; a code that is not
here is shown as it is.
"""

from typing import Final, Literal

PATH_MESSAGES: Final[dict[str, tuple[Literal["error", "warning", "info"], str, str]]] = {
    "no_chain_to_anchor": (
        "warning",
        "No path leads from the certificate to a trusted authority.",
        "Không có đường dẫn chứng thực tới tổ chức được tin cậy.",
    ),
    "certificate_unreadable": (
        "error",
        "The certificate cannot be read.",
        "Không đọc được chứng thư số.",
    ),
    "chain_unreadable": (
        "error",
        "A certificate of the path cannot be read.",
        "Không đọc được một chứng thư số trong đường dẫn chứng thực.",
    ),
    "path_building_effort_exceeded": (
        "warning",
        "The search for a certificate path was given up: it would have cost too much.",
        "Dừng tìm đường dẫn chứng thực vì tốn quá nhiều thời gian xử lý.",
    ),
    "certificate_expired": (
        "warning",
        "The certificate had expired at the time that is judged for.",
        "Chứng thư số đã hết hạn tại thời điểm xét.",
    ),
    "certificate_not_yet_valid": (
        "warning",
        "The certificate was not yet valid at the time that is judged for.",
        "Chứng thư số chưa có hiệu lực tại thời điểm xét.",
    ),
    "ca_expired": (
        "warning",
        "The certificate of an authority had expired.",
        "Chứng thư số của tổ chức cấp đã hết hạn.",
    ),
    "ca_not_yet_valid": (
        "warning",
        "The certificate of an authority was not yet valid.",
        "Chứng thư số của tổ chức cấp chưa có hiệu lực.",
    ),
    "certificate_revoked": (
        "error",
        "The certificate is revoked.",
        "Chứng thư số đã bị thu hồi.",
    ),
    "ca_revoked": (
        "error",
        "The certificate of an authority is revoked.",
        "Chứng thư số của tổ chức cấp đã bị thu hồi.",
    ),
    "certificate_suspended": (
        "warning",
        "The certificate was suspended at that time.",
        "Chứng thư số đang bị tạm dừng tại thời điểm đó.",
    ),
    "ca_suspended": (
        "warning",
        "The certificate of an authority was suspended at that time.",
        "Chứng thư số của tổ chức cấp đang bị tạm dừng tại thời điểm đó.",
    ),
    "revocation_status_unknown": (
        "warning",
        "Neither CRL nor OCSP tells the status of the certificate.",
        "Không có CRL hoặc OCSP cho biết trạng thái của chứng thư số.",
    ),
    "ca_revocation_status_unknown": (
        "warning",
        "Neither CRL nor OCSP tells the status of an authority's certificate.",
        "Không có CRL hoặc OCSP cho biết trạng thái chứng thư số của tổ chức cấp.",
    ),
    "revocation_not_offered": (
        "warning",
        "The certificate names neither a CRL nor an OCSP server: its status cannot be checked.",
        "Chứng thư số không nêu CRL hay máy chủ OCSP nào: không kiểm tra được trạng thái.",
    ),
    "algorithm_too_weak": (
        "warning",
        "A certificate of the path is signed with an algorithm or key that is too weak.",
        "Một chứng thư số trong đường dẫn dùng thuật toán hoặc khóa không đủ an toàn.",
    ),
    "sha1_accepted_for_legacy_anchor": (
        "warning",
        "SHA-1 was accepted, because the policy allows it below this trust anchor at this time.",
        "Chấp nhận SHA-1 vì chính sách cho phép đối với tổ chức gốc này tại thời điểm xét.",
    ),
    "anchor_outside_validity": (
        "warning",
        "The trusted certificate itself is outside its validity period.",
        "Chứng thư số gốc được tin cậy đã ngoài thời hạn hiệu lực.",
    ),
    "critical_extension_unknown": (
        "error",
        "A certificate of the path has a critical extension that is not understood.",
        "Chứng thư số có phần mở rộng bắt buộc không xử lý được.",
    ),
    "issuer_is_no_ca": (
        "error",
        "A certificate of the path was issued by one that is no authority.",
        "Chứng thư số được cấp bởi chủ thể không phải tổ chức chứng thực.",
    ),
    "issuer_may_not_certify": (
        "error",
        "The key of an authority is not meant for signing certificates.",
        "Khóa của tổ chức cấp không được dùng để ký chứng thư số.",
    ),
    "path_too_long": (
        "error",
        "The path has more authorities than one of them allows.",
        "Đường dẫn chứng thực dài hơn mức cho phép.",
    ),
    "name_not_permitted": (
        "error",
        "A name in the path is outside what its authority may certify.",
        "Tên trong chứng thư số nằm ngoài phạm vi được chứng thực.",
    ),
    "name_constraints_too_many": (
        "error",
        "The path holds more names and constraints on names than can be checked.",
        "Đường dẫn chứng thực có quá nhiều tên và ràng buộc tên để kiểm tra.",
    ),
    "policy_not_accepted": (
        "error",
        "The path does not hold a certificate policy that is required.",
        "Đường dẫn không thuộc chính sách chứng thư được yêu cầu.",
    ),
    "key_usage_not_for_signing": (
        "error",
        "The certificate is not meant for digital signatures.",
        "Chứng thư số không dùng để ký số.",
    ),
    "key_usage_not_for_crl": (
        "error",
        "The certificate is not meant for signing revocation lists.",
        "Chứng thư số không dùng để ký danh sách thu hồi.",
    ),
    "extended_key_usage_not_for_signing": (
        "error",
        "The certificate is meant for another purpose than signing documents.",
        "Chứng thư số dùng cho mục đích khác, không phải ký văn bản.",
    ),
    "extended_key_usage_not_for_timestamping": (
        "error",
        "The certificate is not meant for time-stamps.",
        "Chứng thư số không dùng để cấp dấu thời gian.",
    ),
    "timestamping_usage_not_critical": (
        "info",
        "The time-stamp certificate does not mark its purpose as critical.",
        "Chứng thư số cấp dấu thời gian không đánh dấu mục đích là bắt buộc.",
    ),
    "anchor_trusted_then": (
        "warning",
        "The authority is not trusted at that time, but it was at another.",
        "Tổ chức chứng thực không được tin cậy tại thời điểm xét, nhưng đã từng được tin cậy.",
    ),
    "anchor_not_for_purpose": (
        "warning",
        "The authority is listed as trusted for another service than this one.",
        "Tổ chức chứng thực được tin cậy cho dịch vụ khác, không phải dịch vụ này.",
    ),
    "revocation_signer_expired": (
        "warning",
        "Who vouched for the status has an expired certificate; no proof says that it was before.",
        "Bên trả lời trạng thái có chứng thư số hết hạn, không rõ đã trả lời trước đó hay chưa.",
    ),
}
