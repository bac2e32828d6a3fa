"""The report on certificates as a PDF for people: totals, a chart of bars, and a table."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

from pdf.paper import GREY, Colour, Face, Paper
from pdf.typeface import Style

if TYPE_CHECKING:
    from api.schemas.reports import ReportOut, TotalsOut

VIETNAM: Final = timezone(timedelta(hours=7))
MAX_BARS: Final = 40
"""Groups in the chart, the largest first; the table has them all."""

_PARTS: Final[tuple[tuple[str, str, Colour], ...]] = (
    ("in_force", "Còn hiệu lực", (0.13, 0.45, 0.27)),
    ("suspended", "Tạm dừng", (0.85, 0.6, 0.1)),
    ("revoked", "Đã thu hồi", (0.68, 0.13, 0.13)),
    ("expired", "Hết hạn", (0.55, 0.55, 0.58)),
)
_DIMENSIONS: Final = {
    "kind": "loại chứng thư số",
    "status": "trạng thái",
    "organization": "cơ quan",
    "level": "cấp",
    "issuer": "tổ chức cấp",
    "profile": "mẫu chứng thư số",
    "month": "tháng cấp",
}
_WORDS: Final = {
    "personal": "Cá nhân",
    "organizational": "Cơ quan, tổ chức",
    "sim": "SIM",
    "in_force": "Còn hiệu lực",
    "suspended": "Tạm dừng",
    "revoked": "Đã thu hồi",
    "expired": "Hết hạn",
}


def report_pdf(report: ReportOut, *, made_at: datetime, part: str = "") -> bytes:
    """Write the report; `part` names the organisation it is about, "" for everything."""
    paper = Paper()
    title = "BÁO CÁO TÌNH HÌNH QUẢN LÝ, SỬ DỤNG CHỨNG THƯ SỐ"
    paper.paragraph(title, Face(14.0, Style.BOLD), centred=True)
    paper.space(4)
    moment = report.as_of.astimezone(VIETNAM)
    paper.paragraph(f"Số liệu đến {moment:%H:%M:%S ngày %d/%m/%Y} (+07:00)", centred=True)
    if part:
        paper.paragraph(part, centred=True)
    paper.space(10)
    label, plain = Face(10.5, colour=GREY), Face(10.5)
    paper.row("Đã cấp", [str(report.totals.issued)], label_face=label, face=plain)
    for name, word, colour in _PARTS:
        face = Face(10.5, Style.BOLD, colour)
        paper.row(word, [str(getattr(report.totals, name))], label_face=label, face=face)
    paper.paragraph(
        "Đã cấp = còn hiệu lực + tạm dừng + đã thu hồi + hết hạn", Face(9.5, colour=GREY)
    )
    if report.rows and report.by:
        by = ", ".join(_DIMENSIONS.get(name, name) for name in report.by)
        _chart(paper, report, by)
        _table(paper, report, by)
    return paper.finish(title=title, language="vi", footer="Trang", made_at=made_at)


def _chart(paper: Paper, report: ReportOut, by: str) -> None:
    _heading(paper, f"Biểu đồ theo {by}")
    largest = sorted(report.rows, key=lambda row: -row.issued)[:MAX_BARS]
    most = max(row.issued for row in largest) or 1
    legend = "   ".join(f"{word}: {_sum(report.totals, name)}" for name, word, _ in _PARTS)
    paper.paragraph(legend, Face(9.5, colour=GREY))
    for row in largest:
        shares = [(getattr(row, name) / most, colour) for name, _, colour in _PARTS]
        paper.bar(f"{_called(row.group)} ({row.issued})", shares, face=Face(9.5))


def _table(paper: Paper, report: ReportOut, by: str) -> None:
    _heading(paper, f"Số liệu theo {by}")
    for row in report.rows:
        if paper.full:
            return
        numbers = "; ".join(
            f"{word.lower()} {getattr(row, name)}" for name, word, _ in _PARTS if getattr(row, name)
        )
        texts = [f"đã cấp {row.issued}" + (f": {numbers}" if numbers else "")]
        paper.row(_called(row.group), texts, label_face=Face(10.0), face=Face(10.0))


def _heading(paper: Paper, text: str) -> None:
    paper.keep(80)
    paper.space(14)
    paper.paragraph(text, Face(12.5, Style.BOLD))
    paper.rule(colour=(0.54, 0.11, 0.11), thickness=1.0)
    paper.space(4)


def _called(group: dict[str, str]) -> str:
    return ", ".join(_WORDS.get(value, value) for value in group.values())


def _sum(totals: TotalsOut, name: str) -> int:
    return int(getattr(totals, name))
