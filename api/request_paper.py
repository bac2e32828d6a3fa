"""The request form as a PDF, filled from the registry: ready to be printed or signed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta, timezone
from typing import TYPE_CHECKING, Final

from ca.models import CertificateKind, RequestKind, SubscriberKind
from pdf.paper import GREY, Face, Paper
from pdf.typeface import Style

if TYPE_CHECKING:
    from datetime import datetime

    from ca.models import Certificate, CertificateRequest, Device, Organization, Subscriber
    from ca.models_requests import RequestRouting

VIETNAM: Final = timezone(timedelta(hours=7))
_TITLES: Final = {
    RequestKind.NEW: "ĐỀ NGHỊ CẤP MỚI CHỨNG THƯ SỐ",
    RequestKind.RENEW: "ĐỀ NGHỊ GIA HẠN CHỨNG THƯ SỐ",
    RequestKind.CHANGE: "ĐỀ NGHỊ THAY ĐỔI NỘI DUNG THÔNG TIN CHỨNG THƯ SỐ",
    RequestKind.REVOKE: "ĐỀ NGHỊ THU HỒI CHỨNG THƯ SỐ",
    RequestKind.UNLOCK: "ĐỀ NGHỊ KHÔI PHỤC THIẾT BỊ LƯU KHÓA BÍ MẬT",
}
_KINDS: Final = {
    CertificateKind.PERSONAL: "Chứng thư số cá nhân",
    CertificateKind.ORGANIZATIONAL: "Chứng thư số cơ quan, tổ chức",
    CertificateKind.SIM: "Chứng thư số trên SIM",
}


@dataclass(frozen=True)
class RequestFile:
    """Everything that the form names."""

    request: CertificateRequest
    subscriber: Subscriber
    organization: Organization
    device: Device | None = None
    certificate: Certificate | None = None
    routing: RequestRouting | None = None


def request_pdf(file: RequestFile, *, made_at: datetime) -> bytes:
    """Write the form; fields that are not known are left to be filled in by hand."""
    request, title = file.request, _TITLES[file.request.kind]
    paper = Paper()
    paper.paragraph("CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", Face(12, Style.BOLD), centred=True)
    paper.paragraph("Độc lập - Tự do - Hạnh phúc", Face(12, Style.BOLD), centred=True)
    paper.space(14)
    paper.paragraph(title, Face(14, Style.BOLD), centred=True)
    paper.space(10)
    _section(paper, "Cơ quan, tổ chức", _agency(file))
    _section(paper, "Thuê bao", _person(file.subscriber))
    _section(paper, "Nội dung đề nghị", _matter(file))
    paper.space(18)
    paper.keep(120)
    day = request.requested_at.astimezone(VIETNAM)
    paper.paragraph(f"Ngày {day:%d} tháng {day:%m} năm {day:%Y}", centred=True, aside=True)
    paper.paragraph("THỦ TRƯỞNG CƠ QUAN", Face(11, Style.BOLD), centred=True, aside=True)
    paper.paragraph("(Ký số hoặc ký, đóng dấu)", Face(10, Style.ITALIC), centred=True, aside=True)
    return paper.finish(
        title=title, language="vi", footer=f"Mã đề nghị {request.id} -", made_at=made_at
    )


def _agency(file: RequestFile) -> list[tuple[str, str]]:
    return [
        ("Tên cơ quan", file.organization.name),
        ("Mã định danh", file.organization.code),
        ("Mã số thuế", file.organization.identifier or ""),
        ("Văn bản đề nghị", file.request.document_reference or ""),
    ]


def _person(subscriber: Subscriber) -> list[tuple[str, str]]:
    if subscriber.kind is SubscriberKind.ORGANIZATION:
        return [("Tên thuê bao", subscriber.full_name), ("Thư điện tử", subscriber.email or "")]
    return [
        ("Họ và tên", subscriber.full_name),
        ("Số định danh cá nhân", subscriber.national_id or ""),
        ("Chức vụ", subscriber.post or ""),
        ("Thư điện tử", subscriber.email or ""),
    ]


def _matter(file: RequestFile) -> list[tuple[str, str]]:
    request, rows = file.request, [("Loại", _KINDS[file.request.certificate_kind])]
    if file.certificate is not None:
        old = file.certificate
        rows += [
            ("Số serial chứng thư số", old.serial_number),
            ("Hiệu lực đến", _day(old.not_after)),
        ]
    if file.device is not None:
        rows.append(("Thiết bị lưu khóa", f"{file.device.kind.value} {file.device.serial_number}"))
        if file.device.msisdn:
            rows.append(("Số điện thoại", file.device.msisdn))
    rows.append(("Lý do", request.reason or ""))
    rows.append(("Người lập đề nghị", request.requested_by))
    if file.routing is not None:
        rows.append(("Ngày tiếp nhận", _day(file.routing.received_at)))
        rows.append(("Hạn giải quyết", _day(file.routing.due_at)))
    return rows


def _section(paper: Paper, heading: str, rows: list[tuple[str, str]]) -> None:
    paper.keep(60)
    paper.space(10)
    paper.paragraph(heading, Face(12, Style.BOLD))
    for label, value in rows:
        paper.row(label, [value or "…" * 24], label_face=Face(10.5, colour=GREY), face=Face(11))


def _day(moment: datetime) -> str:
    return f"{moment.astimezone(VIETNAM):%d/%m/%Y}"
