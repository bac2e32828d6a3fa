"""What happened to the PIN of a device, in its custody: changed, set anew, locked.

The device is the one with the token's own serial number. Its state follows: a locked PIN locks it,
a new one unlocks it. What a token says about itself is written down whatever its state is, so that
the record is whole even where nobody noted a hand-over.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select

from ca import custody, devices
from ca.custody import CustodyNote
from ca.models import Device, DeviceState
from ca.names import storable
from db import audit

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session


class PinEvent(StrEnum):
    """What happened to a PIN."""

    CHANGED = "pin_changed"
    """By the holder, who knows the old one."""
    SET_ANEW = "pin_set_anew"
    """By whoever holds the SO PIN or the PUK."""
    LOCKED = "pin_locked"
    """After too many wrong tries."""


_NOTES: Final = {
    PinEvent.CHANGED: "Đã đổi PIN",
    PinEvent.SET_ANEW: "Đã mở khóa, đặt lại PIN",
    PinEvent.LOCKED: "Thiết bị báo PIN đã khóa",
}
_FOLLOWS: Final = {
    (PinEvent.LOCKED, DeviceState.HANDED_OVER): DeviceState.PIN_LOCKED,
    (PinEvent.SET_ANEW, DeviceState.PIN_LOCKED): DeviceState.HANDED_OVER,
    (PinEvent.CHANGED, DeviceState.PIN_LOCKED): DeviceState.HANDED_OVER,
}


def note(
    session: Session, serial_number: str, event: PinEvent, *, at: datetime, actor: str
) -> Device | None:
    """Write down what happened to the token of that serial number; None: no device of ours."""
    device = _find(session, serial_number)
    if device is None:
        return None
    about = CustodyNote(note=_NOTES[event])
    follows = _FOLLOWS.get((event, device.state))
    if follows is not None:
        return devices.move(session, device.id, state=follows, at=at, actor=actor, note=about)
    custody.write(
        session,
        device,
        came_from=device.state,
        holder_id=device.subscriber_id,
        note=about,
        when_and_who=(at, actor),
    )
    audit.record(
        session,
        at=at,
        actor=actor,
        action=f"device.{event.value}",
        object_type="device",
        object_id=str(device.id),
        after={"state": device.state.value},
    )
    return device


def _find(session: Session, serial_number: str) -> Device | None:
    """Tokens write their numbers in either case; two devices that differ in it alone are none."""
    if not storable(serial_number):
        return None
    query = select(Device).where(func.lower(Device.serial_number) == serial_number.lower())
    found = session.scalars(query.with_for_update()).all()
    return found[0] if len(found) == 1 else None
