"""The custody of devices: every step with its minutes, who gave, who took, and why.

Article 32 of Decree 30/2020/ND-CP: an agency's key device is handed over with a written permission
and minutes. The steps themselves are `ca.devices`; this is what is written down about each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from ca.errors_registry import CustodyInvalid
from ca.models_people import CustodyRecord
from ca.names import storable
from db.base import uuid7

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from sqlalchemy.orm import Session

    from ca.models import Device, DeviceState

MAX_TEXT: Final = 500


@dataclass(frozen=True)
class CustodyNote:
    """What is known about a step beside the step itself."""

    minutes: str | None = None
    given_by: str | None = None
    taken_by: str | None = None
    note: str | None = None

    def check(self, *, hand_over: bool = False) -> None:
        """Raise CustodyInvalid for texts that cannot be kept, or a hand-over without minutes."""
        for text in vars(self).values():
            if text is not None and not (0 < len(text.strip()) <= MAX_TEXT and storable(text)):
                raise CustodyInvalid(f"a text has 1 to {MAX_TEXT} characters")
        if hand_over and self.minutes is None:
            raise CustodyInvalid("a hand-over has minutes with a number")


def write(
    session: Session,
    device: Device,
    *,
    came_from: DeviceState,
    holder_id: uuid.UUID | None,
    note: CustodyNote,
    when_and_who: tuple[datetime, str],
) -> None:
    """Write a step down; called by `ca.devices` in the transaction of the step."""
    at, actor = when_and_who
    session.add(
        CustodyRecord(
            id=uuid7(),
            device_id=device.id,
            at=at,
            came_from=came_from.value,
            state=device.state,
            subscriber_id=holder_id,
            minutes=note.minutes,
            given_by=note.given_by,
            taken_by=note.taken_by,
            note=note.note,
            actor=actor,
        )
    )
    session.flush()


def history(session: Session, device_id: uuid.UUID) -> list[CustodyRecord]:
    """Return the steps of a device, the latest first."""
    query = select(CustodyRecord).where(CustodyRecord.device_id == device_id)
    return list(session.scalars(query.order_by(CustodyRecord.id.desc())))
