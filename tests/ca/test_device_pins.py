import pytest
from sqlalchemy import select

from ca import custody, device_pins, devices
from ca.custody import CustodyNote
from ca.device_pins import PinEvent
from ca.devices import DeviceDetails
from ca.models import Device, DeviceKind, DeviceState
from db.models import AuditEntry
from tests.ca.house import AT, CLERK, House


def handed_over(house: House, serial_number: str = "VGCA-00ff") -> Device:
    details = DeviceDetails(DeviceKind.USB_TOKEN, serial_number)
    with house.sessions.begin() as session:
        device = devices.register(session, details=details, at=AT, actor=CLERK)
        return devices.hand_over(
            session,
            device.id,
            subscriber_id=house.person().id,
            at=AT,
            actor=CLERK,
            note=CustodyNote(minutes="1/BB"),
        )


def told(house: House, event: PinEvent, serial_number: str = "vgca-00FF") -> DeviceState | None:
    with house.sessions.begin() as session:
        found = device_pins.note(session, serial_number, event, at=AT, actor=CLERK)
        return found.state if found is not None else None


def test_a_device_follows_what_its_token_says(house: House) -> None:
    device = handed_over(house)
    steps = [
        (PinEvent.CHANGED, DeviceState.HANDED_OVER),
        (PinEvent.LOCKED, DeviceState.PIN_LOCKED),
        (PinEvent.LOCKED, DeviceState.PIN_LOCKED),
        (PinEvent.SET_ANEW, DeviceState.HANDED_OVER),
        (PinEvent.SET_ANEW, DeviceState.HANDED_OVER),
        (PinEvent.LOCKED, DeviceState.PIN_LOCKED),
        (PinEvent.CHANGED, DeviceState.HANDED_OVER),
    ]
    for event, state in steps:
        assert told(house, event) is state
    with house.sessions() as session:
        written = custody.history(session, device.id)
        assert [one.state for one in written][::-1][1:] == [state for _, state in steps]
        assert len({one.note for one in written if one.note}) == 3
        assert {one.subscriber_id for one in written} == {device.subscriber_id}
        said = select(AuditEntry).where(AuditEntry.object_id == str(device.id))
        assert len(session.scalars(said).all()) == len(steps) + 2


@pytest.mark.parametrize("serial_number", ["VGCA-00fe", "", "\x00", "VGCA-00ff "])
def test_a_token_that_is_no_device_of_ours_is_left_alone(house: House, serial_number: str) -> None:
    handed_over(house)
    assert told(house, PinEvent.LOCKED, serial_number) is None


def test_numbers_that_differ_in_case_alone_name_none(house: House) -> None:
    handed_over(house)
    handed_over(house, "VGCA-00FF")
    assert told(house, PinEvent.LOCKED) is None


def test_a_device_in_stock_stays_there_whoever_sets_its_pin(house: House) -> None:
    details = DeviceDetails(DeviceKind.USB_TOKEN, "VGCA-1")
    with house.sessions.begin() as session:
        devices.register(session, details=details, at=AT, actor=CLERK)
    assert told(house, PinEvent.SET_ANEW, "VGCA-1") is DeviceState.IN_STOCK
