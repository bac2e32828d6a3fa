"""What `/sign/preflight` and `/sign/presets` show."""

from datetime import date
from typing import Self

from pydantic import BaseModel, JsonValue, TypeAdapter

from api.problem_words import RoomError, problem
from pdf.presets import Preset
from pdf.report import JSON
from signing.preflight import SignPreflight


class FindingOut(BaseModel):
    """Something a signer should know; `error` keeps the document from being signed."""

    code: str
    level: str
    en: str
    vi: str
    what_to_do_en: str | None = None
    what_to_do_vi: str | None = None


class PreflightOut(BaseModel):
    """What would happen, and every reason why it would not."""

    would_sign: bool
    problems: list[FindingOut]
    findings: list[FindingOut]
    certificate: dict[str, JsonValue]
    key: dict[str, JsonValue]
    level: str | None
    document: dict[str, JsonValue]
    place: dict[str, JsonValue] | None

    @classmethod
    def of(cls, found: SignPreflight) -> Self:
        """Show an answer."""
        return cls(
            would_sign=found.would_sign,
            problems=[refused(error) for error in found.problems],
            findings=[FindingOut(**message.to_dict()) for message in found.findings],
            certificate=_plain(found.certificate),
            key=_plain(found.key),
            level=found.level,
            document=_plain(found.document),
            place=_plain(found.place) if found.place is not None else None,
        )


def refused(error: RoomError) -> FindingOut:
    """Show what keeps a document from being signed, in both languages."""
    english, vietnamese = problem(error, "en"), problem(error, "vi")
    return FindingOut(
        code=error.code,
        level="error",
        en=str(english["detail"]),
        vi=str(vietnamese["detail"]),
        what_to_do_en=str(english["what_to_do"]),
        what_to_do_vi=str(vietnamese["what_to_do"]),
    )


def _plain(values: dict[str, JSON]) -> dict[str, JsonValue]:
    return TypeAdapter(dict[str, JsonValue]).validate_python(values)


class PresetOut(BaseModel):
    """One look of a visible signature."""

    name: str
    title_vi: str
    title_en: str
    in_force_from: date
    source: str
    image: str
    image_required: bool
    page: int
    words: list[str]

    @classmethod
    def of(cls, preset: Preset) -> Self:
        """Show a preset."""
        return cls(
            name=preset.name,
            title_vi=preset.title_vi,
            title_en=preset.title_en,
            in_force_from=preset.in_force_from,
            source=preset.source,
            image=preset.image.value,
            image_required=preset.image_required,
            page=preset.page,
            words=[word.name for word in preset.words],
        )
