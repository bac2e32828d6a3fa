"""The report on an exchange message arranged for people: the message, then each attachment."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from pdf.report import JSON
from pdf.report_rows import Row, Section, Sheet, Tone, parts
from pdf.report_sheet import report_sheet
from pdf.report_words import Language, shown, term
from signing.edoc_words import EDOC_REASONS, EDOC_STEPS

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
        {**report, "signatures": [], "revisions": "-", "encrypted": False},
        language,
        steps=EDOC_STEPS,
    )
    said = report["message"]
    rows = tuple(
        Row(_WORDS[key][place], (shown(value),))
        for key, value in (said.items() if isinstance(said, dict) else ())
        if value and key in _WORDS
    )
    reasons, to_do, file = whole.sections
    sections = [reasons, to_do, replace(file, rows=file.rows[:5])]
    if rows:
        sections.append(Section(heading=_WORDS["message"][place], rows=rows))
    absent = report.get("missing")
    if isinstance(absent, list) and absent:
        names = tuple(map(shown, absent))
        sections.append(Section(heading=term("missing", language), items=names))
    for number, one in enumerate(parts(report, "attachments"), start=1):
        heading = f"{_WORDS['attachment'][place]} {number}: {shown(one['name'])}"
        judged = one["report"]
        if isinstance(judged, dict):
            inner = report_sheet(judged, language)
            row = Row(term("result", language), (inner.banner,), inner.tone)
            sections.append(Section(heading=heading, rows=(row,)))
            sections += [replace(section, minor=True) for section in inner.sections]
        else:
            problem = str(one["problem"])
            words = EDOC_REASONS.get(problem, (problem, problem))[1 - place]
            row = Row(term("result", language), (f"{words} ({problem})",), Tone.BAD)
            sections.append(Section(heading=heading, rows=(row,)))
    return replace(whole, sections=tuple(sections))
