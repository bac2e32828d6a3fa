"""What a clerk does next with a document, for every way in which a check can end.

A verdict alone leaves the reader with the question what to do; here is the answer to each reason of
a decision, more particular where the sub-indications of the signatures allow. Like all words for
people, in Vietnamese and English.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeAlias

Words: TypeAlias = tuple[str, str]
"""Vietnamese, English."""

_SIGN_AGAIN: Final = (
    "Trả lại văn bản; đề nghị nơi gửi gửi lại đúng tệp đã ký số, không in, quét hoặc sửa lại.",
    "Return the document; ask for the very file that was signed, not printed, scanned or edited.",
)
_ASK_AN_EXPERT: Final = (
    "Chưa sử dụng văn bản; chuyển tệp cùng báo cáo này cho bộ phận kỹ thuật xem xét.",
    "Do not use the document yet; give the file and this report to the technical staff.",
)
_STATUS_LATER: Final = (
    (
        "Kiểm tra lại khi kết nối được máy chủ trạng thái chứng thư số (CRL, OCSP); nếu vẫn như "
        "vậy, báo quản trị viên."
    ),
    (
        "Check again when the servers that tell the status (CRL, OCSP) can be reached; if nothing "
        "changes, tell the administrator."
    ),
)
_NOT_TRUSTED: Final = (
    (
        "Hỏi nơi gửi chứng thư số do tổ chức nào cấp. Nếu tổ chức đó được công nhận, đề nghị quản "
        "trị viên bổ sung chứng thư số gốc rồi kiểm tra lại; nếu không, trả lại văn bản."
    ),
    (
        "Ask the sender who issued the certificate. If that authority is recognised, have the "
        "administrator add its root certificate and check again; if not, return the document."
    ),
)
_VALID_CERTIFICATE: Final = (
    "Trả lại văn bản; đề nghị nơi gửi ký lại bằng chứng thư số còn hiệu lực.",
    "Return the document; ask the sender to sign again with a certificate that is in force.",
)
_WITH_TIME: Final = (
    (
        "Đề nghị nơi gửi cung cấp bản có dấu thời gian chứng minh đã ký khi chứng thư số còn hiệu "
        "lực, hoặc ký lại bằng chứng thư số còn hiệu lực."
    ),
    (
        "Ask for a copy whose time-stamp proves that it was signed while the certificate was in "
        "force, or for a new signature with a certificate that is in force."
    ),
)
_STRONGER: Final = (
    "Đề nghị nơi gửi ký lại bằng thuật toán hiện hành (SHA-256 trở lên).",
    "Ask the sender to sign again with current algorithms (SHA-256 or stronger).",
)
_LOOK: Final = (
    (
        "Mở văn bản, xem các trang được bổ sung sau khi ký; nếu có phần che nội dung đã ký hoặc "
        "không chắc chắn, trả lại văn bản."
    ),
    (
        "Open the document and look at the pages that were supplemented after signing; if "
        "anything covers signed content, or in doubt, return it."
    ),
)

_BY_REASON: Final[Mapping[str, Words]] = {
    "ALL_PASSED": (
        "Có thể tiếp nhận văn bản; lưu báo cáo này cùng văn bản.",
        "The document may be accepted; keep this report with it.",
    ),
    "NO_SIGNATURE": (
        (
            "Trả lại văn bản, đề nghị nơi gửi ký số. Nếu nơi gửi nói đã ký, đề nghị gửi tệp gốc: "
            "bản in, bản quét hoặc bản lưu lại từ phần mềm khác không còn chữ ký số."
        ),
        (
            "Return the document and ask the sender to sign it. If they say they did, ask for the "
            "original file: prints, scans and exports no longer carry the signature."
        ),
    ),
    "NOT_A_PDF": (
        "Thử mở tệp; nếu không mở được, đề nghị nơi gửi gửi lại tệp PDF.",
        "Try to open the file; if that fails, ask the sender for the PDF again.",
    ),
    "LIMIT_EXCEEDED": _ASK_AN_EXPERT,
    "INTERNAL_FAILURE": _ASK_AN_EXPERT,
    "PASSWORD_REQUIRED": (
        "Xin mật khẩu của nơi gửi, rồi kiểm tra lại cùng mật khẩu đó.",
        "Ask the sender for the password, and check again with it.",
    ),
    "SIGNATURE_FAILED": _SIGN_AGAIN,
    "CHANGED_AFTER_SIGNING": (
        (
            "Không dùng nội dung hiện nay. Xem các thay đổi nêu trong báo cáo, trả lại văn bản và "
            "đề nghị gửi lại đúng tệp đã ký."
        ),
        (
            "Do not rely on what it says now. See the changes that the report lists, return the "
            "document and ask for the very file that was signed."
        ),
    ),
    "CHANGES_NOT_COMPARED": _LOOK,
    "CONTENT_COVERED": _LOOK,
    "CONTENT_AMBIGUOUS": _SIGN_AGAIN,
    "CERTIFICATE_REVOKED": _WITH_TIME,
    "CERTIFICATE_NOT_TRUSTED": _NOT_TRUSTED,
    "STATUS_NOT_CHECKED": _STATUS_LATER,
    "TIMESTAMP_BROKEN": (
        "Đề nghị nơi gửi cung cấp bản có dấu thời gian nguyên vẹn.",
        "Ask the sender for a copy with an intact time-stamp.",
    ),
    "SIGNED_OUT_OF_TIME": _VALID_CERTIFICATE,
}

_BY_SUB_INDICATION: Final[Mapping[str, Words]] = {
    "TRY_LATER": _STATUS_LATER,
    "REVOCATION_OUT_OF_BOUNDS_NO_POE": _STATUS_LATER,
    "OUT_OF_BOUNDS_NO_POE": _WITH_TIME,
    "OUT_OF_BOUNDS_NOT_REVOKED": _WITH_TIME,
    "NO_POE": _WITH_TIME,
    "CRYPTO_CONSTRAINTS_FAILURE": _STRONGER,
    "CRYPTO_CONSTRAINTS_FAILURE_NO_POE": _STRONGER,
    "CHAIN_CONSTRAINTS_FAILURE": _VALID_CERTIFICATE,
    "NO_SIGNING_CERTIFICATE_FOUND": (
        "Trả lại văn bản; đề nghị nơi gửi ký lại, kèm chứng thư số của người ký.",
        "Return the document; ask for a signature that carries the signer's certificate.",
    ),
    "SIG_CONSTRAINTS_FAILURE": (
        "Đề nghị nơi gửi ký lại theo chính sách chữ ký được yêu cầu.",
        "Ask the sender to sign again by the signature policy that is required.",
    ),
    "SIGNATURE_POLICY_NOT_AVAILABLE": _ASK_AN_EXPERT,
    "SIGNED_DATA_NOT_FOUND": (
        "Kiểm tra lại cùng tệp nội dung đã được ký.",
        "Check again together with the file that was signed.",
    ),
}


def next_steps(
    codes: Sequence[str],
    sub_indications: Sequence[str | None] = (),
    *,
    others: Mapping[str, Words] = MappingProxyType({}),
) -> list[Words]:
    """Say what to do, each thing once, for the reasons of a decision.

    The signatures' sub-indications make a general reason particular; `others` are steps for reasons
    that this room does not know.
    """
    found: list[Words] = []
    changed = "CHANGED_AFTER_SIGNING" in codes
    for code in codes:
        if changed and code == "SIGNATURE_FAILED":
            continue  # it failed for the change, which has a step of its own
        known = _BY_REASON.get(code) or others.get(code)
        if code == "NOT_CONFIRMED":
            particular = (_BY_SUB_INDICATION.get(one or "") for one in sub_indications)
            found += [step for step in particular if step] or [_ASK_AN_EXPERT]
        else:
            found.append(known or _ASK_AN_EXPERT)
    return list(dict.fromkeys(found))
