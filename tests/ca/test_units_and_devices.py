import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca import devices, organizations, subscribers
from ca.devices import DeviceDetails
from ca.errors import (
    DeviceInvalid,
    DeviceTaken,
    OrganizationCodeTaken,
    OrganizationInvalid,
    OrganizationNotFound,
    SubscriberInvalid,
    SubscriberNotFound,
    SubscriberTaken,
    TransitionNotAllowed,
)
from ca.models import DeviceKind, DeviceState, SubscriberKind
from ca.subjects import organization_identifier
from ca.subscribers import SubscriberDetails
from tests.ca.house import AT, CLERK, House, with_check_digit


def test_a_subtree_holds_a_unit_and_everything_below_it(house: House) -> None:
    province = house.organization("Tỉnh", level="province")
    commune = house.organization("Xã", level="commune", parent_id=province.id)
    unit = house.organization("Văn phòng", level="unit", parent_id=commune.id)
    house.organization("Nơi khác")
    with house.sessions() as session:
        below = set(session.scalars(organizations.subtree(province.id)))
        assert below == {province.id, commune.id, unit.id}
        assert set(session.scalars(organizations.subtree(unit.id))) == {unit.id}
        path = organizations.ancestors(session, unit.id)
        assert [o.id for o in path] == [unit.id, commune.id, province.id]
        listed = organizations.listing(session, under=province.id, limit=2, after=None)
        rest = organizations.listing(session, under=province.id, limit=9, after=listed[-1].code)
        assert {o.id for o in listed + rest} == below


def test_a_code_belongs_to_one_organisation(house: House) -> None:
    house.organization(code="000.00.14.H10")
    with pytest.raises(OrganizationCodeTaken):
        house.organization(code="000.00.14.H10")


@pytest.mark.parametrize(
    "details",
    [
        {"code": ""},
        {"code": "000 00"},
        {"code": "x" * 65},
        {"code": "H10\n"},
        {"identifier": "Đ1"},
        {"level": " "},
    ],
)
def test_a_unit_with_a_bad_code_identifier_or_level_is_refused(
    house: House, details: dict[str, str]
) -> None:
    with pytest.raises(OrganizationInvalid):
        house.organization(**details)


def test_a_unit_hangs_on_a_parent_that_is_there_and_open(house: House) -> None:
    with pytest.raises(OrganizationNotFound):
        house.organization(parent_id=uuid.uuid4())
    closed = house.organization("Huyện")
    with house.sessions.begin() as session:
        organizations.close(session, closed.id, at=AT, actor=CLERK)
    with pytest.raises(OrganizationInvalid, match="closed"):
        house.organization(parent_id=closed.id)
    with pytest.raises(OrganizationInvalid, match="closed"):
        house.person(organization=closed)


def test_a_unit_with_open_units_below_it_is_not_closed(house: House) -> None:
    province = house.organization("Tỉnh")
    house.organization("Xã", parent_id=province.id)
    with house.sessions.begin() as session, pytest.raises(OrganizationInvalid, match="below"):
        organizations.close(session, province.id, at=AT, actor=CLERK)


def test_a_renamed_unit_is_found_by_its_new_name(house: House) -> None:
    unit = house.organization("Sở Thông tin và Truyền thông")
    with house.sessions.begin() as session:
        organizations.rename(session, unit.id, name="Sở Khoa học và Công nghệ", at=AT, actor=CLERK)
    with house.sessions() as session:
        found = organizations.by_code(session, unit.code)
        assert found.search_name.startswith("so khoa hoc va cong nghe")


def test_an_agency_without_a_tax_code_is_named_by_its_agency_code(house: House) -> None:
    assert organization_identifier(house.organization(identifier="3800100000")) == (
        "VATVN-3800100000"
    )
    assert organization_identifier(house.organization(code="000.00.77.H10")) == (
        "MD:VN-000.00.77.H10"
    )


def test_a_persons_name_is_taken_apart_surname_first(house: House) -> None:
    person = house.person("Trần Lê Ánh Nguyệt")
    assert (person.surname, person.given_name) == ("Trần", "Lê Ánh Nguyệt")


def test_a_national_id_belongs_to_one_subscriber(house: House) -> None:
    unit = house.organization()
    details = SubscriberDetails(
        kind=SubscriberKind.PERSON,
        organization_id=unit.id,
        full_name="Lê Văn An",
        national_id="093012345678",
    )
    with house.sessions.begin() as session:
        subscribers.create(session, details=details, at=AT, actor=CLERK)
        with pytest.raises(SubscriberTaken):
            subscribers.create(session, details=details, at=AT, actor=CLERK)


@pytest.mark.parametrize(
    "details",
    [
        {"full_name": "An"},
        {"national_id": "12345"},
        {"email": "an@"},
        {"email": "a b@c"},
        {"kind": SubscriberKind.ORGANIZATION, "national_id": "093012345678"},
    ],
)
def test_details_that_do_not_fit_are_refused(house: House, details: dict[str, str]) -> None:
    values = {
        "kind": SubscriberKind.PERSON,
        "organization_id": house.organization().id,
        "full_name": "Lê Văn An",
    }
    made = SubscriberDetails(**(values | details))  # type: ignore[arg-type]
    with house.sessions.begin() as session, pytest.raises(SubscriberInvalid):
        subscribers.create(session, details=made, at=AT, actor=CLERK)


def test_people_are_found_by_the_beginnings_of_their_names(house: House) -> None:
    unit = house.organization()
    duc, dung = (house.person(name, organization=unit) for name in ("Đỗ Đức", "Đỗ Dũng"))
    house.person("Trần Đức")
    with house.sessions() as session:
        found = subscribers.search(session, name="do du", limit=9)
        assert [p.id for p in found] == [duc.id, dung.id]
        found = subscribers.search(session, name="ĐỨC", under=unit.id, limit=9)
        assert [p.id for p in found] == [duc.id]
        with pytest.raises(SubscriberNotFound):
            subscribers.get(session, uuid.uuid4())


SIM = {
    "kind": DeviceKind.SIM,
    "serial_number": "S1",
    "msisdn": "+84912345678",
    "iccid": with_check_digit("898402000000000000"),
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"msisdn": None},
        {"msisdn": "0912345678"},
        {"msisdn": "+0912345678"},
        {"msisdn": "+8491234567890123"},
        {"iccid": None},
        {"iccid": "898402000000000000"},
        {"iccid": "12" + with_check_digit("898402000000000000")[2:]},
        {"serial_number": ""},
        {"serial_number": "a b"},
        {"operator": ""},
        {"kind": DeviceKind.USB_TOKEN},
    ],
)
def test_a_sim_with_bad_numbers_is_refused(house: House, wrong: dict[str, str]) -> None:
    details = DeviceDetails(**(SIM | wrong))  # type: ignore[arg-type]
    with house.sessions.begin() as session, pytest.raises(DeviceInvalid):
        devices.register(session, details=details, at=AT, actor=CLERK)


@given(st.integers(0, 17), st.integers(1, 9))
def test_one_wrong_digit_of_an_iccid_never_passes(position: int, change: int) -> None:
    digits = [int(d) for d in with_check_digit("898402123456789012")]
    assert devices._luhn_holds("".join(map(str, digits)))
    digits[position] = (digits[position] + change) % 10
    assert not devices._luhn_holds("".join(map(str, digits)))


def test_a_device_is_registered_once(house: House) -> None:
    device = house.sim()
    details = DeviceDetails(kind=DeviceKind.USB_TOKEN, serial_number=device.serial_number)
    with house.sessions.begin() as session, pytest.raises(DeviceTaken):
        devices.register(session, details=details, at=AT, actor=CLERK)


def test_a_device_has_a_holder_from_hand_over_to_return(house: House) -> None:
    device, holder = house.sim(), house.person()
    with house.sessions.begin() as session:
        devices.hand_over(session, device.id, subscriber_id=holder.id, at=AT, actor=CLERK)
        for state in (DeviceState.PIN_LOCKED, DeviceState.HANDED_OVER, DeviceState.LOST):
            moved = devices.move(session, device.id, state=state, at=AT, actor=CLERK)
            assert moved.subscriber_id == holder.id
        moved = devices.move(session, device.id, state=DeviceState.RETURNED, at=AT, actor=CLERK)
        assert moved.subscriber_id is None
        with pytest.raises(TransitionNotAllowed):
            devices.move(session, device.id, state=DeviceState.LOST, at=AT, actor=CLERK)


def test_a_device_leaves_the_stock_only_to_a_holder(house: House) -> None:
    device = house.sim()
    with house.sessions.begin() as session, pytest.raises(TransitionNotAllowed):
        devices.move(session, device.id, state=DeviceState.HANDED_OVER, at=AT, actor=CLERK)


def test_every_state_of_a_device_is_in_the_table() -> None:
    assert set(devices.TRANSITIONS) == set(DeviceState)
    assert devices.TRANSITIONS[DeviceState.DESTROYED] == set()
