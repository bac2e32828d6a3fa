"""The report on an exchange message arranged for people: the message, then each attachment."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from pdf.report import JSON
from pdf.report_sheet import Row, Section, Sheet, parts, report_sheet
from pdf.report_words import Language, shown

_WORDS: Final = {
    "message": (
        "Gói tin văn bản điện tử (nội dung do nơi gửi khai)",
        "Message, as its sender says",
    ),
    "attachment": ("Tệp kèm theo", "Attachment"),
    "organ_id": ("Mã định danh nơi gửi", "Sender's code"),
    "organ_name": ("Nơi gửi", "Sender"),
    "document_id": ("Mã định danh văn bản", "Document id"),
    "code_number": ("Số", "Number"),
    "code_notation": ("Ký hiệu", "Symbol"),
    "promulgation_date": ("Ngày ban hành", "Date of issue"),
    "subject": ("Trích yếu", "Abstract"),
    "signer": ("Người ký", "Signer"),
}


def edoc_sheet(report: Mapping[str, JSON], language: Language) -> Sheet:
    """Arrange a report of `edoc_report`."""
    place = 0 if language is Language.VI else 1
    whole = report_sheet(
        {**report, "signatures": [], "revisions": "-", "encrypted": False}, language
    )
    said = report["message"]
    rows = tuple(
        Row(_WORDS[key][place], (shown(value),))
        for key, value in (said.items() if isinstance(said, dict) else ())
        if value and key in _WORDS
    )
    sections = [whole.sections[0], replace(whole.sections[1], rows=whole.sections[1].rows[:5])]
    if rows:
        sections.append(Section(heading=_WORDS["message"][place], rows=rows))
    for number, one in enumerate(parts(report, "attachments"), start=1):
        heading = f"{_WORDS['attachment'][place]} {number}: {shown(one['name'])}"
        judged = one["report"]
        if isinstance(judged, dict):
            inner = report_sheet(judged, language)
            sections.append(Section(heading=heading, rows=(Row("", (inner.banner,), inner.tone),)))
            sections += [replace(section, minor=True) for section in inner.sections]
        else:
            sections.append(Section(heading=heading, rows=(Row("", (str(one["problem"]),)),)))
    return replace(whole, sections=tuple(sections))
