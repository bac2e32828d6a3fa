"""USB tokens, SIMs and HSM slots: what they are, who holds them, and what has become of them."""

import re
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from ca import custody, organizations, subscribers
from ca.custody import CustodyNote
from ca.errors import DeviceInvalid, DeviceNotFound, DeviceTaken, TransitionNotAllowed
from ca.models import Device, DeviceKind, DeviceState, Subscriber
from ca.names import storable
from db import audit
from db.base import uuid7

TRANSITIONS: Final = {
    DeviceState.IN_STOCK: {DeviceState.HANDED_OVER, DeviceState.BROKEN, DeviceState.DESTROYED},
    DeviceState.HANDED_OVER: {
        DeviceState.PIN_LOCKED,
        DeviceState.LOST,
        DeviceState.BROKEN,
        DeviceState.RETURNED,
    },
    DeviceState.PIN_LOCKED: {
        DeviceState.HANDED_OVER,
        DeviceState.LOST,
        DeviceState.BROKEN,
        DeviceState.RETURNED,
    },
    DeviceState.LOST: {DeviceState.RETURNED},
    DeviceState.BROKEN: {DeviceState.RETURNED, DeviceState.DESTROYED},
    DeviceState.RETURNED: {DeviceState.IN_STOCK, DeviceState.BROKEN, DeviceState.DESTROYED},
    DeviceState.DESTROYED: set[DeviceState](),
}
"""From each state, where a device can go; `pin_locked -> handed_over` is the unlocking."""

NO_NOTE: Final = CustodyNote()

_HELD: Final = frozenset({DeviceState.HANDED_OVER, DeviceState.PIN_LOCKED, DeviceState.LOST})
_SERIAL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:/\-]{0,63}")
_MSISDN: Final = re.compile(r"\+[1-9][0-9]{6,14}")
"""ITU-T E.164: a plus sign, the country code, at most 15 digits."""
_ICCID: Final = re.compile(r"89[0-9]{16,18}")
"""ITU-T E.118: 89 for telecommunication, then up to 20 digits with the check digit."""
_OPERATOR_LENGTH: Final = 60


@dataclass(frozen=True)
class DeviceDetails:
    """What is printed on a device; the three last are for SIMs."""

    kind: DeviceKind
    serial_number: str
    msisdn: str | None = None
    iccid: str | None = None
    operator: str | None = None


@dataclass(frozen=True)
class DeviceFilters:
    """Which devices to list; None means any."""

    state: DeviceState | None = None
    kind: DeviceKind | None = None
    subscriber_id: uuid.UUID | None = None
    under: uuid.UUID | None = None


def register(session: Session, *, details: DeviceDetails, at: datetime, actor: str) -> Device:
    """Take a device into stock; raise DeviceInvalid or DeviceTaken."""
    check(details)
    made = session.scalars(
        insert(Device)
        .values(id=uuid7(), state=DeviceState.IN_STOCK, created_at=at, **vars(details))
        .on_conflict_do_nothing()
        .returning(Device)
    ).one_or_none()
    if made is None:
        raise DeviceTaken("another device has this serial number or ICCID")
    audit.record(
        session,
        at=at,
        actor=actor,
        action="device.register",
        object_type="device",
        object_id=str(made.id),
        after={"kind": made.kind.value, "serial_number": made.serial_number},
    )
    return made


def hand_over(
    session: Session,
    device_id: uuid.UUID,
    *,
    subscriber_id: uuid.UUID,
    at: datetime,
    actor: str,
    note: CustodyNote = NO_NOTE,
) -> Device:
    """Give a device from stock to its holder, by the minutes in `note`."""
    note.check()
    holder = subscribers.get(session, subscriber_id)
    device = _locked(session, device_id)
    if device.state is not DeviceState.IN_STOCK:
        raise TransitionNotAllowed(device.state.value, DeviceState.HANDED_OVER.value)
    return _move(session, device, DeviceState.HANDED_OVER, holder.id, _Step(at, actor, note))


def move(
    session: Session,
    device_id: uuid.UUID,
    *,
    state: DeviceState,
    at: datetime,
    actor: str,
    note: CustodyNote = NO_NOTE,
) -> Device:
    """Note what became of a device; raise TransitionNotAllowed where the table has no such step.

    The holder stays noted while the device is out, also when it is lost, and ends with its return.
    """
    note.check()
    device = _locked(session, device_id)
    handing_out = device.state is DeviceState.IN_STOCK and state is DeviceState.HANDED_OVER
    if handing_out or state not in TRANSITIONS[device.state]:
        raise TransitionNotAllowed(device.state.value, state.value)
    keeps_holder = state in _HELD or state is DeviceState.BROKEN
    holder = device.subscriber_id if keeps_holder else None
    return _move(session, device, state, holder, _Step(at, actor, note))


def get(session: Session, device_id: uuid.UUID) -> Device:
    """Return the device of that id."""
    found = session.get(Device, device_id)
    if found is None:
        raise DeviceNotFound(f"no device {device_id}")
    return found


def by_serial_number(session: Session, serial_number: str) -> Device:
    """Return the device with that printed serial number."""
    if not _SERIAL.fullmatch(serial_number):
        raise DeviceNotFound("the serial number is not well-formed")
    query = select(Device).where(Device.serial_number == serial_number)
    found = session.scalars(query).one_or_none()
    if found is None:
        raise DeviceNotFound(f"no device with serial number {serial_number}")
    return found


def listing(
    session: Session, *, filters: DeviceFilters, limit: int, before: uuid.UUID | None = None
) -> list[Device]:
    """Return up to `limit` devices, newest first; `under` means held by people of a subtree."""
    query = select(Device).order_by(Device.id.desc()).limit(limit)
    for column, wanted in (
        (Device.state, filters.state),
        (Device.kind, filters.kind),
        (Device.subscriber_id, filters.subscriber_id),
    ):
        if wanted is not None:
            query = query.where(column == wanted)
    if before is not None:
        query = query.where(Device.id < before)
    if filters.under is not None:
        holders = select(Subscriber.id).where(
            Subscriber.organization_id.in_(organizations.subtree(filters.under))
        )
        query = query.where(Device.subscriber_id.in_(holders))
    return list(session.scalars(query))


def check(details: DeviceDetails) -> None:
    """Raise DeviceInvalid unless the numbers are well-formed and belong to such a device."""
    if not _SERIAL.fullmatch(details.serial_number):
        raise DeviceInvalid(
            f"the serial number {details.serial_number!r} is not well-formed",
            reason="serial_number",
        )
    if details.kind is not DeviceKind.SIM:
        if details.msisdn or details.iccid or details.operator:
            raise DeviceInvalid(
                "only a SIM has a phone number, an ICCID and an operator", reason="not_a_sim"
            )
        return
    if details.msisdn is None or not _MSISDN.fullmatch(details.msisdn):
        raise DeviceInvalid(
            "a SIM has a phone number in E.164 form, such as +84912345678", reason="phone_number"
        )
    if details.iccid is None or not _ICCID.fullmatch(details.iccid):
        raise DeviceInvalid("a SIM has an ICCID: 89 and 16 to 18 more digits", reason="iccid")
    if not _luhn_holds(details.iccid):
        raise DeviceInvalid("the check digit of the ICCID is wrong", reason="iccid_check_digit")
    operator = details.operator
    if operator is not None and not (0 < len(operator) <= _OPERATOR_LENGTH and storable(operator)):
        raise DeviceInvalid(
            f"an operator's name has at most {_OPERATOR_LENGTH} characters", reason="operator"
        )


def _luhn_holds(digits: str) -> bool:
    """ISO/IEC 7812-1 annex B, which ITU-T E.118 takes over for the ICCID."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + position % 2)
        total += value - 9 if value > 9 else value  # noqa: PLR2004 -- cross sum of two digits
    return total % 10 == 0


def _locked(session: Session, device_id: uuid.UUID) -> Device:
    found = session.get(Device, device_id, with_for_update=True, populate_existing=True)
    if found is None:
        raise DeviceNotFound(f"no device {device_id}")
    return found


@dataclass(frozen=True, slots=True)
class _Step:
    at: datetime
    actor: str
    note: CustodyNote


def _move(
    session: Session,
    device: Device,
    state: DeviceState,
    subscriber_id: uuid.UUID | None,
    step: _Step,
) -> Device:
    at, actor = step.at, step.actor
    before, came_from = _facts(device), device.state
    holder_id = subscriber_id or device.subscriber_id
    device.state, device.subscriber_id = state, subscriber_id
    session.flush()
    custody.write(
        session,
        device,
        came_from=came_from,
        holder_id=holder_id,
        note=step.note,
        when_and_who=(at, actor),
    )
    audit.record(
        session,
        at=at,
        actor=actor,
        action=f"device.{state.value}",
        object_type="device",
        object_id=str(device.id),
        before=before,
        after=_facts(device),
    )
    return device


def _facts(device: Device) -> dict[str, object]:
    return {
        "state": device.state.value,
        "subscriber_id": str(device.subscriber_id) if device.subscriber_id else None,
    }
