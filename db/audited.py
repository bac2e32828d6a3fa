"""Kinds of rows in the audit log: what a kind is called, and what an entry tells of one row.

A room says both once for each kind, beside the functions that change such rows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from sqlalchemy.orm import Session

from db import audit


class Identified(Protocol):
    """A row of a table with one key."""

    @property
    def id(self) -> object:
        """What the audit log knows the row by."""
        ...


Row = TypeVar("Row", bound=Identified)


@dataclass(frozen=True, slots=True)
class Audited(Generic[Row]):
    """One kind of row: its object type, and its telling fields, which are never secrets."""

    object_type: str
    facts: Callable[[Row], dict[str, object]]

    def record(
        self,
        session: Session,
        row: Row,
        action: str,
        *,
        at: datetime,
        actor: str,
        before: Mapping[str, object] | None = None,
    ) -> None:
        """Record what a row is now; `before` are the `facts` of it before it was changed."""
        audit.record(
            session,
            at=at,
            actor=actor,
            action=action,
            object_type=self.object_type,
            object_id=str(row.id),
            before=before,
            after=self.facts(row),
        )

    def record_removal(
        self, session: Session, row: Row, action: str, *, at: datetime, actor: str
    ) -> None:
        """Record what a row was that is about to go."""
        audit.record(
            session,
            at=at,
            actor=actor,
            action=action,
            object_type=self.object_type,
            object_id=str(row.id),
            before=self.facts(row),
        )
