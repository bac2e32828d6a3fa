"""What can be changed after signing: the kinds, their levels, and their words.

Levels are ordered: a signature that permits one permits all below it. What makes a change belong
to a kind is decided in `changes`.
"""

from dataclasses import dataclass
from enum import StrEnum


class ChangeLevel(StrEnum):
    """How far a later revision goes; the report's `changes_after`."""

    NONE = "NONE"
    LTA_UPDATES = "LTA_UPDATES"
    FORM_FILLING = "FORM_FILLING"
    ANNOTATIONS = "ANNOTATIONS"
    OTHER = "OTHER"

    @property
    def rank(self) -> int:
        """Position in the order of levels."""
        return list(ChangeLevel).index(self)


@dataclass(frozen=True, kw_only=True)
class Change:
    """One change: what, where, and which rule permits it (None: forbidden)."""

    what: str
    where: str
    level: ChangeLevel
    permitted_by: str | None = None
    field_name: str | None = None

    def to_dict(self) -> dict[str, str | None]:
        """Give the JSON of the report."""
        en, vi = _WORDS.get(self.what, (self.what, self.what))
        return {
            "what": self.what,
            "where": self.where,
            "permitted_by": self.permitted_by,
            "en": f"{en} ({self.where})",
            "vi": f"{vi} ({self.where})",
        }


_WORDS: dict[str, tuple[str, str]] = {
    "evidence_added": ("Validation evidence was added", "Bổ sung bằng chứng xác thực"),
    "timestamp_added": ("A document time-stamp was added", "Bổ sung dấu thời gian văn bản"),
    "metadata_changed": ("Document metadata was updated", "Cập nhật siêu dữ liệu của văn bản"),
    "structure_rewritten": ("Internal structure was rewritten", "Ghi lại cấu trúc nội bộ"),
    "signature_added": ("A signature was added", "Bổ sung chữ ký số"),
    "signature_field_added": ("A signature field was added", "Thêm trường chữ ký"),
    "signature_field_over_content": (
        "A new visible signature field covers signed content",
        "Trường chữ ký mới che nội dung đã ký",
    ),
    "signature_changed": (
        "An existing signature was changed or removed",
        "Chữ ký đã có bị thay đổi hoặc gỡ bỏ",
    ),
    "field_filled": ("A form field was filled in", "Điền giá trị vào trường biểu mẫu"),
    "field_locked": ("A locked form field was changed", "Thay đổi trường biểu mẫu đã khóa"),
    "field_changed": ("A form field was changed in kind", "Thay đổi tính chất trường biểu mẫu"),
    "field_added": ("A form field was added", "Thêm trường biểu mẫu"),
    "field_removed": ("A form field was removed", "Gỡ trường biểu mẫu"),
    "form_changed": ("The form itself was changed", "Thay đổi bản thân biểu mẫu"),
    "appearance_swapped": (
        "What a field shows was replaced without its value",
        "Hình hiển thị của trường bị thay mà giá trị không đổi",
    ),
    "annotation_added": ("An annotation was added", "Thêm ghi chú"),
    "annotation_over_content": (
        "An annotation that can cover signed content was added",
        "Thêm ghi chú có thể che nội dung đã ký",
    ),
    "annotation_changed": ("An annotation was changed or removed", "Ghi chú bị sửa hoặc gỡ"),
    "page_added": ("A page was added", "Thêm trang"),
    "page_removed": ("A page was removed", "Gỡ trang"),
    "page_changed": ("The content of a page was changed", "Thay đổi nội dung trang"),
    "catalog_changed": ("The document catalogue was changed", "Thay đổi danh mục của văn bản"),
    "object_changed": ("A signed object was replaced", "Thay thế đối tượng đã ký"),
    "object_removed": ("A signed object was removed", "Gỡ đối tượng đã ký"),
    "object_activated": (
        "A reference prepared before signing was filled in afterwards",
        "Tham chiếu chuẩn bị trước khi ký được gán nội dung sau khi ký",
    ),
    "hidden_content": (
        "Content outside the cross-references was appended",
        "Nội dung nằm ngoài bảng tham chiếu được thêm vào",
    ),
    "structure_broken": (
        "Data that is no proper revision was appended",
        "Dữ liệu không phải phiên bản hợp lệ được thêm vào",
    ),
    "encryption_changed": ("The encryption was changed", "Thay đổi mã hóa của tệp"),
    "certification_added": (
        "A certification was added after an ordinary signature",
        "Chứng nhận được thêm sau chữ ký thông thường",
    ),
    "tags_changed": ("Accessibility tags were supplemented", "Bổ sung thẻ cấu trúc văn bản"),
    "unknown": ("A change could not be examined", "Có thay đổi không kiểm tra được"),
}
