"""What a paper for people is made of: rows, sections, the sheet; and parts of a report's JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias, cast

from pdf.report import JSON
from pdf.report_pictures import Picture
from pdf.report_words import Language

Report: TypeAlias = Mapping[str, JSON]
Part: TypeAlias = Mapping[str, JSON]


class Tone(StrEnum):
    """How a line is to be taken; drawn as a colour beside the words, never instead of them."""

    GOOD = "good"
    BAD = "bad"
    OPEN = "open"
    PLAIN = "plain"


@dataclass(frozen=True)
class Row:
    """A label and what stands beside it, one line for each text."""

    label: str
    texts: tuple[str, ...]
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading with a list, rows and pictures below it.

    `minor` ones belong to the section before; a list is numbered where its order counts.
    """

    heading: str
    items: tuple[str, ...] = ()
    numbered: bool = False
    rows: tuple[Row, ...] = ()
    minor: bool = False
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A whole paper: title, the verdict as a banner, sections."""

    language: Language
    title: str
    banner: str
    tone: Tone
    sections: tuple[Section, ...]
    intro: tuple[str, ...] = ()
    closing: tuple[str, ...] = ()
    signed_by: tuple[str, ...] = ()
    name: str = ""


def part(whole: Part, key: str) -> Part:
    """Give an object inside a report; empty where there is none."""
    found = whole.get(key)
    return cast("Part", found) if isinstance(found, dict) else {}


def parts(whole: Part, key: str) -> Sequence[Part]:
    """Give a list of objects inside a report."""
    found = whole.get(key)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
