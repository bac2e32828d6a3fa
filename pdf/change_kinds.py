"""What can be changed after signing: the kinds, their levels, and where a change is seen.

Levels are ordered: a signature that permits one permits all below it. What makes a change belong
to a kind is decided in `changes`; how it is put into words is the matter of `change_words`.
"""

from dataclasses import dataclass
from enum import StrEnum

Box = tuple[float, float, float, float]
"""Left, bottom, right, top in points of the page."""


def overlap(one: Box, other: Box) -> bool:
    """Tell whether two rectangles have a part in common."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


class ChangeLevel(StrEnum):
    """How far a later revision goes; the report's `changes_after`."""

    NONE = "NONE"
    LTA_UPDATES = "LTA_UPDATES"
    FORM_FILLING = "FORM_FILLING"
    ANNOTATIONS = "ANNOTATIONS"
    OTHER = "OTHER"

    @property
    def rank(self) -> int:
        """Position in the order of levels."""
        return _RANKS[self]


_RANKS = {level: rank for rank, level in enumerate(ChangeLevel)}


@dataclass(frozen=True)
class Place:
    """A rectangle of a page that a change may show in.

    `number` is the annotation's object, `page` the object of the page that it names (neither needs
    to be there), `says` what must be read there when the drawing alone did not tell.
    """

    box: Box
    number: int | None = None
    page: int | None = None
    says: str | None = None


@dataclass(frozen=True)
class Seen:
    """Which object a change is about, and where on pages it can be seen."""

    number: int | None = None
    places: tuple[Place, ...] = ()


NOWHERE = Seen()


@dataclass(frozen=True, kw_only=True)
class Change:
    """One change: what, where, and which rule permits it (None: forbidden).

    `where` says which part of an object or of the document; `pages` are numbers from 1.
    """

    what: str
    where: str
    level: ChangeLevel
    permitted_by: str | None = None
    forbidden_by: str | None = None
    field_name: str | None = None
    seen: Seen = NOWHERE
    pages: tuple[int, ...] = ()
