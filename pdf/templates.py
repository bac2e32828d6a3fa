"""Stamp templates of an installation's own, read from JSON or TOML and held to limits.

The entries are those of a preset:

    name = "so-noi-vu.chuyen"        # letters, digits, . _ -
    title_vi = "…"  title_en = "…"   # optional
    lines = ["{organization}", "Chuyển: {forward_to}", "{time}"]
    lines_with_image = […]           # instead of `lines` when there is an image
    words = ["forward_to"]           # own words, or {name, default, choices}
    image = "none" | "beside" | "above" | "real-size" | "real-size-beside" | "real-size-after"
    image_required = false
    image_height_mm = 20.0
    align = "left" | "centre" | "right"
    font_size = 10.0
    frame = false
    page = 1                         # 1 the first, -1 the last
    corner = "top-left" | …          margin_mm = [15, 10]
    in_force_from = "2026-01-01"     source = "…"

A template is data from outside: nothing in it is executed, and what breaks a rule is
TemplateInvalid with the name of the entry.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from datetime import date
from enum import Enum
from typing import TypeVar

from pdf.appearance import IMAGE_HEIGHT_MM, LARGEST_FONT, MAX_LINE_LENGTH, MAX_LINES, SMALLEST_FONT
from pdf.errors import PlacementInvalid, TemplateInvalid
from pdf.placement import POINTS_PER_MM, Habit
from pdf.presets import COMMON_WORDS, PRESETS, Align, ImageRole, Preset, Word
from pdf.spot import Corner, CornerSpot
from pdf.typeface import normalised

MAX_TEMPLATE_BYTES = 64 * 1024
MAX_OWN_WORDS = 20
MAX_TITLE = 200
_MAX_CHOICES = 50
_MAX_PAGE = 100_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_WORD_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_NAMED = re.compile(r"\{(\w+)\}")
_ENTRIES = frozenset(
    {
        *("name", "title_vi", "title_en", "in_force_from", "source", "lines", "lines_with_image"),
        *("words", "image", "image_required", "image_height_mm", "align", "font_size", "frame"),
        *("page", "corner", "margin_mm"),
    }
)
_Choice = TypeVar("_Choice", bound=Enum)


def read_template(data: bytes) -> Preset:
    """Read one template from a JSON or TOML file; raises TemplateInvalid."""
    return template_from(read_entries(data))


def read_entries(data: bytes) -> dict[str, object]:
    """Read the entries of a JSON or TOML file, their rules unchecked; raises TemplateInvalid."""
    if len(data) > MAX_TEMPLATE_BYTES:
        raise TemplateInvalid("file", f"more than {MAX_TEMPLATE_BYTES} bytes")
    try:
        text = data.decode("utf-8-sig")
        parsed = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise TemplateInvalid("file", "neither JSON nor TOML in UTF-8") from error
    if not isinstance(parsed, dict):
        raise TemplateInvalid("template", "a table of entries is expected")
    return parsed


def template_from(entries: object) -> Preset:
    """Make a preset of a template's entries; raises TemplateInvalid naming the first wrong one."""
    if not isinstance(entries, Mapping) or not all(isinstance(key, str) for key in entries):
        raise TemplateInvalid("template", "a table of entries is expected")
    unknown = entries.keys() - _ENTRIES
    if unknown:
        raise TemplateInvalid(min(unknown), "there is no such entry")
    words = _words(entries.get("words", []))
    known = COMMON_WORDS | {word.name for word in words}
    name = _text(entries, "name", "")
    if not _NAME.fullmatch(name) or name in PRESETS:
        raise TemplateInvalid("name", "1 to 64 letters, digits, . _ -, and no built-in preset's")
    lines = _lines(entries, "lines", known)
    image = _one_of(entries, "image", ImageRole.NONE)
    if not lines and image is ImageRole.NONE:
        raise TemplateInvalid("lines", "a stamp has text or an image")
    page = _whole(entries, "page", -1)
    if page == 0 or abs(page) > _MAX_PAGE:
        raise TemplateInvalid("page", "pages are counted from 1, or from the end with -1")
    return Preset(
        name=name,
        title_vi=_text(entries, "title_vi", name),
        title_en=_text(entries, "title_en", name),
        in_force_from=_date(entries.get("in_force_from", date(2026, 1, 1))),
        source=_text(entries, "source", "own template"),
        lines=lines,
        lines_with_image=_lines(entries, "lines_with_image", known) or lines,
        image=image,
        image_required=_switch(entries, "image_required"),
        image_height=_number(entries, "image_height_mm", 20.0, IMAGE_HEIGHT_MM) * POINTS_PER_MM,
        align=_one_of(entries, "align", Align.LEFT),
        font_size=_number(entries, "font_size", 10.0, (SMALLEST_FONT, LARGEST_FONT)),
        page=page,
        habit=_habit(entries),
        frame=_switch(entries, "frame"),
        words=words,
    )


def _habit(entries: Mapping[str, object]) -> Habit:
    corner = _one_of(entries, "corner", Corner.BOTTOM_RIGHT)
    match entries.get("margin_mm", [15.0, 15.0]):
        case [int() | float() as aside, int() | float() as away]:
            margin = (aside * POINTS_PER_MM, away * POINTS_PER_MM)
        case _:
            raise TemplateInvalid("margin_mm", "two numbers are expected: aside, above or below")
    try:
        spot = CornerSpot(corner=corner, margin=margin)
    except PlacementInvalid as error:
        raise TemplateInvalid("margin_mm", str(error)) from error
    return Habit(corner=spot.corner, margin=spot.margin)


def _words(found: object) -> tuple[Word, ...]:
    if not isinstance(found, list) or len(found) > MAX_OWN_WORDS:
        raise TemplateInvalid("words", f"a list of at most {MAX_OWN_WORDS} words is expected")
    words = tuple(_word(each) for each in found)
    names = [word.name for word in words]
    if len(set(names)) < len(names) or COMMON_WORDS & set(names):
        raise TemplateInvalid("words", "a word is there twice, or is one that every stamp has")
    return words


def _word(found: object) -> Word:
    entries = {"name": found} if isinstance(found, str) else found
    if not isinstance(entries, Mapping) or entries.keys() - {"name", "default", "choices"}:
        raise TemplateInvalid("words", "a word is a name, or name, default and choices")
    name, default = entries.get("name"), entries.get("default")
    choices = entries.get("choices", [])
    if not isinstance(name, str) or not _WORD_NAME.fullmatch(name):
        raise TemplateInvalid("words", "the name of a word has small letters, digits and _")
    if not isinstance(choices, list) or len(choices) > _MAX_CHOICES:
        raise TemplateInvalid("words", f"the choices of {name} are a list of texts")
    texts = [*choices, default or ""]
    if not all(isinstance(each, str) and len(each) <= MAX_TITLE for each in texts):
        raise TemplateInvalid("words", f"{name} has a text that is none, or too long")
    if default is not None and _NAMED.search(str(default)):
        raise TemplateInvalid("words", f"the default of {name} names another word")
    return Word(
        name=name,
        default=None if default is None else str(default),
        choices=tuple(normalised(str(each)) for each in choices),
    )


def _lines(entries: Mapping[str, object], key: str, known: frozenset[str]) -> tuple[str, ...]:
    found = entries.get(key, [])
    if not isinstance(found, list) or len(found) > MAX_LINES:
        raise TemplateInvalid(key, f"a list of at most {MAX_LINES} lines is expected")
    for line in found:
        if not isinstance(line, str) or len(line) > MAX_LINE_LENGTH:
            raise TemplateInvalid(key, f"a line is a text of at most {MAX_LINE_LENGTH} letters")
        strange = set(_NAMED.findall(line)) - known
        if strange:
            raise TemplateInvalid(key, f"there is no word {{{min(strange)}}}")
    return tuple(found)


def _text(entries: Mapping[str, object], key: str, default: str) -> str:
    found = entries.get(key, default)
    if not isinstance(found, str) or len(found) > MAX_TITLE:
        raise TemplateInvalid(key, f"a text of at most {MAX_TITLE} letters is expected")
    return found


def _switch(entries: Mapping[str, object], key: str) -> bool:
    found = entries.get(key, False)
    if not isinstance(found, bool):
        raise TemplateInvalid(key, "true or false is expected")
    return found


def _whole(entries: Mapping[str, object], key: str, default: int) -> int:
    found = entries.get(key, default)
    if not isinstance(found, int) or isinstance(found, bool):
        raise TemplateInvalid(key, "a whole number is expected")
    return found


def _number(
    entries: Mapping[str, object], key: str, default: float, limits: tuple[float, float]
) -> float:
    found = entries.get(key, default)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise TemplateInvalid(key, "a number is expected")
    if not limits[0] <= found <= limits[1]:
        raise TemplateInvalid(key, f"between {limits[0]:g} and {limits[1]:g} is expected")
    return float(found)


def _one_of(entries: Mapping[str, object], key: str, default: _Choice) -> _Choice:
    try:
        return type(default)(entries.get(key, default.value))
    except ValueError as error:
        offered = ", ".join(str(each.value) for each in type(default))
        raise TemplateInvalid(key, f"one of {offered} is expected") from error


def _date(found: object) -> date:
    try:
        return found if isinstance(found, date) else date.fromisoformat(str(found))
    except ValueError as error:
        raise TemplateInvalid("in_force_from", "a date as 2026-01-31 is expected") from error
