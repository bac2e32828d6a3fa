"""The shape of every list: up to `limit` items and a cursor for the next page."""

import base64
import binascii
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict

from api.errors import ParameterInvalid

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
MAX_CURSOR_CHARACTERS = 512

T = TypeVar("T")
Row = TypeVar("Row")
Item = TypeVar("Item")

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Items on a page")]
Cursor = Annotated[
    str | None,
    Query(max_length=MAX_CURSOR_CHARACTERS, description="`next_cursor` of the page before"),
]


class Schema(BaseModel):
    """Root of what is taken in: unknown members are refused, because they are misspelt options."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


@dataclass(frozen=True, slots=True)
class Paging:
    """Which part of a short list is asked for, one that is read whole."""

    limit: Limit = MAX_LIMIT
    cursor: Cursor = None

    def page(
        self,
        rows: Sequence[Row],
        *,
        show: Callable[[Row], Item],
        key: Callable[[Row], str],
    ) -> "Page[Item]":
        """Return the part; raises ParameterInvalid for a cursor that is behind no row."""
        position = decode(self.cursor)
        start = 0
        if position is not None:
            keys = [key(row) for row in rows]
            if position not in keys:
                raise ParameterInvalid("cursor", "not a cursor of this list")
            start = keys.index(position) + 1
        return page(rows[start:], limit=self.limit, show=show, key=key)


Paged = Annotated[Paging, Depends()]


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    items: list[T]
    next_cursor: str | None = None


def page(
    rows: Sequence[Row], *, limit: int, show: Callable[[Row], Item], key: Callable[[Row], str]
) -> Page[Item]:
    """Return a page of `limit` items from up to `limit` + 1 rows."""
    more = len(rows) > limit
    kept = rows[:limit]
    return Page(
        items=[show(row) for row in kept],
        next_cursor=encode(key(kept[-1])) if more else None,
    )


def encode(position: str) -> str:
    """Return a position in a list as an opaque cursor."""
    return base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


def decode(cursor: str | None) -> str | None:
    """Return the position that a cursor stands for; raises ParameterInvalid."""
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise ParameterInvalid("cursor", "not a cursor of this list") from error


def decode_id(cursor: str | None) -> uuid.UUID | None:
    """Return the id that a cursor stands for; raises ParameterInvalid."""
    position = decode(cursor)
    try:
        return uuid.UUID(position) if position is not None else None
    except ValueError as error:
        raise ParameterInvalid("cursor", "not a cursor of this list") from error
