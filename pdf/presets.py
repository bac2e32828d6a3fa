"""Stamp presets: what visible signatures look like and where they stand, as dated data.

A preset says what a rule book or a house style asks for, since when, and how sure we are of the
reading. Changing practice means a new entry, not new code. `{name}` and the other words in braces
are filled from the signer and the request; a line whose word is unknown is left out. Templates of
an installation's own have the same shape and are read by `templates`.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from pdf.errors import StampUnreadable
from pdf.placement import POINTS_PER_MM, Habit
from pdf.spot import Corner


class ImageRole(StrEnum):
    """What an image is in a stamp."""

    NONE = "none"
    BESIDE = "beside"
    ABOVE = "above"
    REAL_SIZE = "real-size"
    """The image alone, in its real height."""
    REAL_SIZE_BESIDE = "real-size-beside"
    """In its real height, with text on its right."""
    REAL_SIZE_AFTER = "real-size-after"
    """In its real height, with text on its left: for a corner on the right of a page."""


class Align(StrEnum):
    """How the lines of a stamp are set."""

    LEFT = "left"
    CENTRE = "centre"
    RIGHT = "right"


_LOWER_RIGHT = Habit(corner=Corner.BOTTOM_RIGHT, margin=(56.7, 113.4))


# Words that every stamp may name: filled from the certificate, the request and the signing time.
COMMON_WORDS = frozenset(
    {
        *("name", "organization", "position", "number", "reason", "location"),
        *("time", "time_iso", "date"),
    }
)


@dataclass(frozen=True, kw_only=True)
class Word:
    """A word of a preset's own: what it is unless the caller says, and what it may be."""

    name: str
    default: str | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Preset:
    """One look. Sizes in points unless the name says mm; `page` is 1-based, -1 the last."""

    name: str
    title_vi: str
    title_en: str
    in_force_from: date
    source: str
    lines: tuple[str, ...] = ()
    lines_with_image: tuple[str, ...] = ()
    image: ImageRole = ImageRole.NONE
    image_required: bool = False
    image_height: float = 60.0
    align: Align = Align.LEFT
    font_size: float = 10.0
    page: int = -1
    habit: Habit = _LOWER_RIGHT
    frame: bool = False
    widest: float = 260.0
    after_person: bool = False
    """An organisation's certificate uses it only where a person has signed (see `precedence`)."""
    words: tuple[Word, ...] = ()

    def word(self, name: str) -> Word | None:
        """Give the word of this preset with that name."""
        return next((word for word in self.words if word.name == name), None)


_ND30 = date(2020, 3, 5)
_APPENDIX_I = "Decree 30/2020/ND-CP, Appendix I, as paraphrased in office guides"
_CAPTION = ("{name}", "{position}", "{time}")
_COPY = ("{form}", "{organization}", "{time}")

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            name="standard",
            title_vi="Mặc định: người ký, cơ quan, thời gian ký",
            title_en="Default: signer, organisation, signing time",
            in_force_from=date(2026, 1, 1),
            source="house style",
            lines=("Ký bởi: {name}", "Cơ quan: {organization}", "Thời gian ký: {time}"),
            lines_with_image=("Ký bởi: {name}", "Cơ quan: {organization}", "Thời gian ký: {time}"),
            image=ImageRole.BESIDE,
        ),
        Preset(
            name="nd30.personal",
            title_vi="Chữ ký số của người có thẩm quyền",
            title_en="Signature of the competent person",
            in_force_from=_ND30,
            source=_APPENDIX_I + "; whether a caption goes with the image is unsettled: none here",
            lines=_CAPTION,
            image=ImageRole.ABOVE,
            align=Align.CENTRE,
            habit=Habit(corner=Corner.BOTTOM_RIGHT, margin=(70.9, 113.4)),
        ),
        Preset(
            name="nd30.agency",
            title_vi="Chữ ký số của cơ quan, tổ chức (hình con dấu)",
            title_en="Signature of the agency (image of the seal)",
            in_force_from=_ND30,
            source=_APPENDIX_I
            + "; seal in real size over the left third of the personal signature; "
            "Art 32: only after the competent person, or on the agency's own copies",
            after_person=True,
            image=ImageRole.REAL_SIZE,
            image_required=True,
            # diameter of a seal where the request does not give one; unverified, so a default only
            image_height=36 * POINTS_PER_MM,
            habit=Habit(corner=Corner.BOTTOM_RIGHT, margin=(155.9, 113.4), covers=1 / 3),
        ),
        Preset(
            name="nd30.attachment",
            title_vi="Chữ ký số trên văn bản kèm theo",
            title_en="Signature on an attachment in a file of its own",
            in_force_from=_ND30,
            source=_APPENDIX_I + "; text only, Times upright 10, first page, top right",
            lines=("{number}", "{time}"),
            align=Align.RIGHT,
            page=1,
            habit=Habit(corner=Corner.TOP_RIGHT, margin=(42.5, 28.3)),
        ),
        Preset(
            name="nd30.copy",
            title_vi="Sao y, sao lục, trích sao: chữ ký số của cơ quan sao văn bản",
            title_en="Copy, copy of a copy, extract: signature of the agency that made it",
            in_force_from=_ND30,
            source="Decree 30/2020/ND-CP, Appendix I, part on copies, from memory: unverified; "
            "seal in real size, form of copy, agency and time beside it, Times upright 10, black",
            lines=_COPY,
            lines_with_image=_COPY,
            image=ImageRole.REAL_SIZE_AFTER,
            align=Align.RIGHT,
            image_height=36 * POINTS_PER_MM,
            page=1,
            # A seal is higher than the margin of a page: it stands in the very corner, beside the
            # name of the state rather than over it, and its words in the margin above.
            habit=Habit(corner=Corner.TOP_RIGHT, margin=(8.5, 8.5)),
            words=(Word(name="form", default="SAO Y", choices=("SAO Y", "SAO LỤC", "TRÍCH SAO")),),
        ),
        Preset(
            name="incoming",
            title_vi="Dấu đến: số đến, ngày đến, chuyển",
            title_en="Incoming: number and date of arrival, forwarded to",
            in_force_from=_ND30,
            source="Decree 30/2020/ND-CP, Art 22, stamp of arrival in its usual form; "
            "where it stands in an e-document is house style",
            lines=(
                "{organization}",
                "ĐẾN",
                "Số: {number}",
                "Ngày: {arrived}",
                "Chuyển: {forward_to}",
                "Số và ký hiệu HS: {file_code}",
            ),
            align=Align.CENTRE,
            page=1,
            font_size=9.0,
            habit=Habit(corner=Corner.TOP_LEFT, margin=(28.3, 119.1)),
            frame=True,
            # 45 mm with the frame: beside the title of a document, not over it
            widest=45 * POINTS_PER_MM - 10,
            words=(
                Word(name="arrived", default="{date}"),
                Word(name="forward_to"),
                Word(name="file_code"),
            ),
        ),
    )
}


def preset_named(name: str) -> Preset:
    """Give the preset; raises StampUnreadable listing the ones there are."""
    try:
        return PRESETS[name]
    except KeyError:
        known = ", ".join(sorted(PRESETS))
        raise StampUnreadable(f"there is no stamp preset {name!r}; there are {known}") from None
