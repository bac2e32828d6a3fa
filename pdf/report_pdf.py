"""A report or notice as a PDF of A4 pages."""

import contextlib
from datetime import datetime

from pdf.errors import StampUnreadable
from pdf.paper import GREY, Colour, Face, Paper
from pdf.report_rows import Section, Sheet, Tone
from pdf.report_words import term
from pdf.typeface import Style

_COLOURS: dict[Tone, Colour] = {
    Tone.GOOD: (0.04, 0.38, 0.19),
    Tone.BAD: (0.63, 0.07, 0.07),
    Tone.OPEN: (0.48, 0.29, 0.0),
    Tone.PLAIN: (0.1, 0.1, 0.1),
}
_HEADING = Face(13.0, Style.BOLD)
_MINOR = Face(11.0, Style.BOLD)
_ITEM = Face(10.5)
_LABEL = Face(10.5, colour=GREY)


def pdf(sheet: Sheet, *, made_at: datetime) -> bytes:
    """Write the paper; `made_at` is its creation date."""
    paper = Paper()
    paper.paragraph(sheet.title, Face(16.0, Style.BOLD), centred=True)
    paper.space(12)
    if sheet.banner:
        paper.banner(sheet.banner, Face(13.0, Style.BOLD, _COLOURS[sheet.tone]))
    for text in sheet.intro:
        paper.paragraph(text)
        paper.space(4)
    for section in sheet.sections:
        if paper.full:
            break
        _section(paper, section)
    if sheet.closing:
        paper.keep(150)
        paper.space(14)
    for text in sheet.closing:
        paper.paragraph(text)
        paper.space(4)
    for text in sheet.signed_by:
        paper.paragraph(text, centred=True, aside=True)
    return paper.finish(
        title=f"{sheet.title} - {sheet.name}" if sheet.name else sheet.title,
        language=sheet.language.value,
        footer=term("page", sheet.language),
        made_at=made_at,
    )


def _section(paper: Paper, section: Section) -> None:
    paper.keep(80)
    paper.space(8 if section.minor else 16)
    paper.paragraph(section.heading, _MINOR if section.minor else _HEADING)
    if not section.minor:
        paper.rule(colour=(0.54, 0.11, 0.11), thickness=1.0)
    paper.space(2)
    for number, item in enumerate(section.items, start=1):
        paper.paragraph(f"{number}. {item}" if section.numbered else item, _ITEM)
        paper.space(2)
    for row in section.rows:
        if paper.full:
            return
        face = Face(10.5, colour=_COLOURS[row.tone])
        paper.row(row.label, row.texts, label_face=_LABEL, face=face)
    for picture in section.pictures:
        if paper.full:
            return
        with contextlib.suppress(StampUnreadable):  # then the words have to do
            paper.picture(picture.png, picture.alternative)
        paper.paragraph(picture.caption, _LABEL)
        paper.space(8)
