"""What `antin sign` says about the visible signature: preset or template, words, place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeVar

import typer

from pdf.appearance import Stamp
from pdf.errors import StampUnreadable
from pdf.placement import POINTS_PER_MM
from pdf.presets import PRESETS
from pdf.spot import AnchorSpot, Corner, CornerSpot, IfTaken, Side, Spot
from pdf.templates import read_template

if TYPE_CHECKING:
    from pathlib import Path

MAX_IMAGE_BYTES: Final = 16 * 1024 * 1024
TEMPLATES: Final = (".toml", ".json")
STAMPS: Final = f"Visible signature: {', '.join(PRESETS)}; or a template's file (.toml, .json)."
_BOX_NUMBERS: Final = 4
_PAIR: Final = 2
_Kind = TypeVar("_Kind", Side, Corner, IfTaken)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """The options of the command line that are about what is seen, as they were typed."""

    stamp: str | None = None
    image: Path | None = None
    number: str | None = None
    words: tuple[str, ...] = ()
    box: str | None = None
    corner: str | None = None
    margin: str | None = None
    anchor: str | None = None
    side: str = "above"
    if_taken: str = "refuse"

    @property
    def visible(self) -> bool:
        """Whether anything of it asks for a visible signature."""
        asked = (self.stamp, self.image, self.box, self.corner, self.anchor)
        return any(each is not None for each in asked)

    def made(self) -> Stamp | None:
        """Return the stamp; a name that ends in .toml or .json is a template's file."""
        if not self.visible:
            return None
        found = Stamp(
            preset=self.stamp or "standard",
            image=self._picture(),
            number=self.number,
            words=dict(_word(each) for each in self.words),
        )
        if self.stamp is None or not self.stamp.endswith(TEMPLATES):
            return found
        with open(self.stamp, "rb") as file:  # noqa: PTH123 -- a name that was typed
            template = read_template(file.read(MAX_IMAGE_BYTES))
        return replace(found, preset=template.name, template=template)

    def spot(self) -> Spot | None:
        """Return the corner or words at which it stands."""
        if sum(each is not None for each in (self.box, self.corner, self.anchor)) > 1:
            raise typer.BadParameter("give one of --box, --corner and --anchor")
        if self.anchor is not None:
            return AnchorSpot(text=self.anchor, side=_among(Side, self.side, "--anchor-side"))
        if self.corner is None:
            return None
        corner = _among(Corner, self.corner, "--corner")
        if self.margin is None:
            return CornerSpot(corner=corner)
        aside, away = _numbers(self.margin, _PAIR, "--margin", "two lengths in mm A,B")
        return CornerSpot(corner=corner, margin=(aside * POINTS_PER_MM, away * POINTS_PER_MM))

    def placed(self) -> tuple[float, float, float, float] | None:
        """Return the box."""
        if self.box is None:
            return None
        a, b, c, d = _numbers(self.box, _BOX_NUMBERS, "--box", "four numbers X1,Y1,X2,Y2")
        return a, b, c, d

    def taken(self) -> IfTaken:
        """Return what happens when the place is not free."""
        return _among(IfTaken, self.if_taken, "--if-taken")

    def _picture(self) -> bytes | None:
        if self.image is None:
            return None
        if self.image.stat().st_size > MAX_IMAGE_BYTES:
            raise StampUnreadable(f"{self.image} is larger than {MAX_IMAGE_BYTES} bytes")
        return self.image.read_bytes()


def _word(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise typer.BadParameter("NAME=VALUE is expected", param_hint="--word")
    return name, value


def _numbers(text: str, count: int, hint: str, wanted: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        raise typer.BadParameter(f"{wanted} are expected", param_hint=hint)
    return numbers


def _among(kind: type[_Kind], text: str, hint: str) -> _Kind:
    try:
        return kind(text)
    except ValueError as error:
        offered = ", ".join(kind)
        raise typer.BadParameter(f"one of {offered} is expected", param_hint=hint) from error
