"""The forms that a report is given in: one place, so that every door writes the same bytes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pdf.differences import Difference
from pdf.report import JSON
from pdf.report_html import html
from pdf.report_pdf import pdf
from pdf.report_rows import Sheet
from pdf.report_sheet import report_sheet
from pdf.report_words import Language
from pdf.report_xml import xml
from pdf.return_notice import return_notice
from signing.edoc_sheet import edoc_sheet
from signing.errors import FormNotOffered, NothingToReturn

Report = Mapping[str, JSON]


class Form(StrEnum):
    """How a report can be written."""

    JSON = "json"
    XML = "xml"
    HTML = "html"
    PDF = "pdf"
    NOTICE_HTML = "notice-html"
    NOTICE_PDF = "notice-pdf"


@dataclass(frozen=True)
class Rendered:
    """Finished bytes and their media type."""

    content: bytes
    media_type: str


def encoded(value: object) -> bytes:
    """Write JSON: compact, UTF-8, a line end at its end."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def render(
    report: Report | Sequence[Report],
    form: Form,
    *,
    language: Language = Language.VI,
    differences: Sequence[Difference] = (),
) -> Rendered:
    """Write a report; several at once are possible as JSON only.

    `differences` are pictures of changed pages, for HTML and PDF.
    Raises FormNotOffered, and NothingToReturn for the notice of an acceptable document.
    """
    if form is Form.JSON:
        return Rendered(encoded(report), "application/json")
    if not isinstance(report, Mapping):
        raise FormNotOffered("several reports are written as JSON only")
    if form is Form.XML:
        if "signatures" not in report:
            raise FormNotOffered("a report on an exchange message is JSON, HTML or PDF")
        return Rendered(xml(report), "application/xml")
    sheet = _sheet(report, form, language, differences)
    if form in {Form.HTML, Form.NOTICE_HTML}:
        return Rendered(html(sheet), "text/html; charset=utf-8")
    made_at = datetime.fromisoformat(str(report["checked_at"]))
    return Rendered(pdf(sheet, made_at=made_at), "application/pdf")


def _sheet(
    report: Report, form: Form, language: Language, differences: Sequence[Difference]
) -> Sheet:
    if form in {Form.NOTICE_HTML, Form.NOTICE_PDF}:
        notice = return_notice(report, language)
        if notice is None:
            raise NothingToReturn("the document is acceptable")
        return notice
    if "attachments" in report:
        return edoc_sheet(report, language)
    return report_sheet(report, language, differences=differences)
