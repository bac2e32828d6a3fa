"""What posts and delegations have in common: a beginning, perhaps an end, a paper that says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import ColumnElement, and_, or_

from ca.names import storable

if TYPE_CHECKING:
    from datetime import datetime

    from ca.models_people import Delegation, Post

MAX_REFERENCE: Final = 100
"""Characters of a document's number and date."""


def running_at(row: type[Post | Delegation], at: datetime) -> ColumnElement[bool]:
    """Select those that have begun at a time and not ended; the end itself is outside."""
    return and_(row.began_at <= at, or_(row.ended_at.is_(None), row.ended_at > at))


def reference_fits(reference: str | None) -> bool:
    """Whether a document's reference can be kept, or none is given."""
    return reference is None or (0 < len(reference) <= MAX_REFERENCE and storable(reference))
