"""What the preflight answer says in words: codes with English and Vietnamese text."""

from typing import Final

from pdf.messages import Level, Message

_CATALOGUE: Final[dict[str, tuple[Level, str, str]]] = {
    "JAVASCRIPT": (
        "warning",
        "The document holds scripts; what people see may change after signing.",
        "Văn bản có chứa mã JavaScript; nội dung hiển thị có thể thay đổi sau khi ký.",
    ),
    "LAUNCH_ACTION": (
        "warning",
        "The document can start programs.",
        "Văn bản có thao tác khởi chạy chương trình.",
    ),
    "SUBMIT_ACTION": (
        "warning",
        "The document can send its form to a server.",
        "Văn bản có thao tác gửi dữ liệu biểu mẫu ra máy chủ.",
    ),
    "IMPORT_ACTION": (
        "warning",
        "The document can read data from other files.",
        "Văn bản có thao tác nhập dữ liệu từ tệp khác.",
    ),
    "OPEN_ACTION": (
        "warning",
        "The document acts when it is opened.",
        "Văn bản tự thực hiện thao tác khi được mở.",
    ),
    "ADDITIONAL_ACTIONS": (
        "warning",
        "Pages or fields of the document act by themselves.",
        "Trang hoặc trường của văn bản có thao tác tự động.",
    ),
    "EXTERNAL_STREAM": (
        "warning",
        "A part of what is shown lies outside the file; the signature does not cover it.",
        "Một phần nội dung hiển thị nằm ngoài tệp; chữ ký số không bao gồm phần đó.",
    ),
    "EXTERNAL_LINK": (
        "info",
        "The document links to other documents.",
        "Văn bản có liên kết tới văn bản khác.",
    ),
    "WEB_LINK": (
        "info",
        "The document links to addresses on the web.",
        "Văn bản có liên kết tới địa chỉ mạng.",
    ),
    "MULTIMEDIA": (
        "warning",
        "The document holds sound, video or three-dimensional content.",
        "Văn bản có âm thanh, phim hoặc nội dung ba chiều.",
    ),
    "ATTACHMENT": (
        "info",
        "Other files are attached; the signature covers them as they are.",
        "Có tệp đính kèm bên trong; chữ ký số bao gồm cả các tệp đó.",
    ),
    "PORTFOLIO": (
        "warning",
        "The file is a portfolio: readers show the attached files, the signature its cover.",
        "Tệp là tập hợp (portfolio): trình đọc hiển thị các tệp bên trong, chữ ký nằm ở trang bìa.",
    ),
    "LAYERS": (
        "info",
        "The document has layers that a reader can switch off.",
        "Văn bản có các lớp nội dung mà trình đọc có thể tắt.",
    ),
    "XFA_FORM": (
        "warning",
        "The document holds an XFA form, which shows itself differently from reader to reader.",
        "Văn bản có biểu mẫu XFA, mỗi trình đọc hiển thị một khác.",
    ),
    "NEED_APPEARANCES": (
        "warning",
        "Readers are asked to draw the form anew; signing removes that request.",
        "Văn bản yêu cầu trình đọc vẽ lại biểu mẫu; khi ký, yêu cầu này được bỏ.",
    ),
    "NOT_ALL_INSPECTED": (
        "warning",
        "Not every part of the document could be inspected.",
        "Không kiểm tra được toàn bộ các phần của văn bản.",
    ),
    "FILE_REPAIRED": (
        "warning",
        "The file is damaged; readers may differ in what they show of it.",
        "Tệp bị hỏng; các trình đọc có thể hiển thị khác nhau.",
    ),
    "ENCRYPTED": (
        "info",
        "The file is encrypted; what may be done to it depends on the password.",
        "Tệp được mã hóa; quyền thao tác phụ thuộc vào mật khẩu được cung cấp.",
    ),
    "PDFA_CLAIMED": (
        "info",
        "The document says that it is PDF/A; the signature keeps to its rules.",
        "Văn bản khai báo là PDF/A; chữ ký số tuân theo quy tắc của chuẩn này.",
    ),
    "CERTIFIED": (
        "info",
        "The document is certified; only certain changes are permitted.",
        "Văn bản đã được chứng nhận; chỉ cho phép một số thay đổi.",
    ),
    "EMPTY_FIELDS": (
        "info",
        "The document has empty signature fields that a signature may be meant for.",
        "Văn bản có trường chữ ký còn trống, có thể dành cho chữ ký này.",
    ),
    "EXPERIMENTAL_ALGORITHM": (
        "warning",
        "The key is of a post-quantum kind; hardly any reader can check its signatures yet.",
        "Khóa thuộc loại hậu lượng tử; hầu như chưa trình đọc nào kiểm tra được chữ ký này.",
    ),
    "EARLIER_SIGNATURES": (
        "info",
        "The document is signed already; this signature is added behind.",
        "Văn bản đã có chữ ký số; chữ ký này được thêm vào sau.",
    ),
}


def finding(code: str) -> Message:
    """Return the words for a code."""
    level, en, vi = _CATALOGUE[code]
    return Message(code, level, en, vi)
