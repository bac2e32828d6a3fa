"""The words of a change after signing: what, on which page, at which object, by which permission.

In Vietnamese and English, for people who have to accept or return a document. The report's JSON
carries them beside the code.
"""

from pdf.change_kinds import Change
from pdf.plain_text import plain

MOST_PAGES_NAMED = 8

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
    "content_hidden": (
        "What was added later covers content that was visible at signing",
        "Phần thêm sau che mất nội dung hiển thị khi ký",
    ),
    "content_covered": (
        "A field that was filled in covers content of its page",
        "Trường được điền che nội dung của trang",
    ),
    "picture_changed": (
        "The page shows something else where nothing may have changed",
        "Trang hiển thị khác đi ở chỗ không được phép thay đổi",
    ),
    "unknown": ("A change could not be examined", "Có thay đổi không kiểm tra được"),
}

_RULES: dict[str, tuple[str, str]] = {
    "long-term validation data": (
        "evidence for later checks may always be added",
        "luôn được bổ sung dữ liệu phục vụ kiểm tra lâu dài",
    ),
    "approval signature": (
        "an ordinary signature leaves filling in forms, signing and comments open",
        "chữ ký thông thường cho phép điền biểu mẫu, ký tiếp và ghi chú",
    ),
    "DocMDP P=1": (
        "the certification permits no changes",
        "chứng nhận không cho phép thay đổi nào",
    ),
    "DocMDP P=2": (
        "the certification permits filling in forms and signing, nothing else",
        "chứng nhận chỉ cho phép điền biểu mẫu và ký",
    ),
    "DocMDP P=3": (
        "the certification permits filling in forms, signing and comments, nothing else",
        "chứng nhận chỉ cho phép điền biểu mẫu, ký và ghi chú",
    ),
    "field lock": (
        "the signature locks this field",
        "chữ ký đã khóa trường này",
    ),
    "signed content": (
        "no permission covers it, signed content has to stay as it was",
        "không quyền nào cho phép, nội dung đã ký phải giữ nguyên",
    ),
}

_PARTS: dict[str, str] = {
    "box": "khung",
    "catalogue": "danh mục",
    "cross-references": "bảng tham chiếu",
    "document": "văn bản",
    "document information": "thông tin văn bản",
    "form": "biểu mẫu",
    "revision chain": "chuỗi phiên bản",
    "security store": "kho bằng chứng",
    "structure tree": "cây cấu trúc",
    "trailer": "phần cuối tệp",
}


def to_dict(change: Change) -> dict[str, str | None]:
    """Give the JSON of the report."""
    return {
        "what": change.what,
        "where": where(change),
        "permitted_by": change.permitted_by,
        "en": _sentence(change, english=True),
        "vi": _sentence(change, english=False),
    }


def where(change: Change, *, english: bool = True) -> str:
    """Say page, object and part, as far as they are known."""
    said: list[str] = []
    if change.pages:
        named = ", ".join(map(str, change.pages[:MOST_PAGES_NAMED]))
        more = ", …" if len(change.pages) > MOST_PAGES_NAMED else ""
        page = ("pages" if len(change.pages) > 1 else "page") if english else "trang"
        said.append(f"{page} {named}{more}")
    if change.seen.number is not None:
        said.append(f"{'object' if english else 'đối tượng'} {change.seen.number}")
    if change.where:
        part = plain(change.where)
        said.append(part if english else _part(part))
    return ", ".join(said) or ("document" if english else "văn bản")


def _part(words: str) -> str:
    """Translate the first words of a place; names and keys stay as the file has them."""
    for known, vietnamese in sorted(_PARTS.items(), key=lambda item: -len(item[0])):
        if words == known or words.startswith((f"{known} /", f"{known} ")):
            return vietnamese + words[len(known) :]
    return words


def _sentence(change: Change, *, english: bool) -> str:
    language = 0 if english else 1
    what = _WORDS.get(change.what, (change.what, change.what))[language]
    rule = change.permitted_by or change.forbidden_by
    words = f"{what} ({where(change, english=english)})"
    if rule is None:
        return words
    reason = _RULES.get(rule, (rule, rule))[language]
    if change.permitted_by is not None:
        return f"{words}; {'permitted' if english else 'được phép'}: {reason}"
    return f"{words}; {'not permitted' if english else 'không được phép'}: {reason}"
