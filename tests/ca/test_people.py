"""Posts over time, delegations by the rules, former names, custody step by step."""

from datetime import timedelta

import pytest

from ca import custody, delegations, devices, import_files, imports, organizations, posts
from ca.custody import CustodyNote
from ca.delegations import DelegationDetails
from ca.devices import DeviceDetails, DeviceFilters
from ca.errors import TransitionNotAllowed
from ca.errors_registry import (
    CustodyInvalid,
    DelegationInvalid,
    DelegationNotFound,
    PostInvalid,
    PostNotFound,
)
from ca.imports import ImportOptions, Source
from ca.models import DeviceKind, DeviceState, Organization, Subscriber
from ca.models_imports import RowState
from ca.models_people import DelegationForm
from ca.posts import PostDetails
from db.base import uuid7
from tests.ca.elsewhere import table
from tests.ca.house import AT, CHIEF, CLERK, House

YEAR = timedelta(days=365)
Form = DelegationForm


def appointed(
    house: House, person: Subscriber, unit: Organization, title: str, **more: object
) -> None:
    values = {"began_at": AT, "document_reference": "12/QĐ-UBND"} | more
    with house.sessions.begin() as session:
        posts.appoint(
            session,
            person.id,
            details=PostDetails(unit.id, title, **values),  # type: ignore[arg-type]
            at=AT + YEAR,
            actor=CLERK,
            keeps_others=True,
        )


def test_a_transfer_ends_the_old_post_and_moves_the_person(house: House) -> None:
    person = house.person()
    there = house.organization("Sở Tài chính")
    moved = AT + YEAR
    with house.sessions.begin() as session:
        details = PostDetails(there.id, "Phó Giám đốc", moved, document_reference="7/QĐ-UBND")
        posts.appoint(session, person.id, details=details, at=moved, actor=CLERK)
    with house.sessions() as session:
        stored = session.get_one(Subscriber, person.id)
        assert (stored.organization_id, stored.post) == (there.id, "Phó Giám đốc")
        for at, title in ((moved - timedelta(1), "Giám đốc"), (moved, "Phó Giám đốc")):
            assert [one.title for one in posts.holding(session, person.id, at=at)] == [title]
        assert [one.ended_at for one in posts.history(session, person.id)] == [None, moved]


def test_a_post_that_begins_later_changes_nothing_yet_and_a_retirement_can_be_told_before(
    house: House,
) -> None:
    person = house.person()
    later = AT + YEAR
    with house.sessions.begin() as session:
        (present,) = posts.history(session, person.id)
        posts.end(session, present.id, ended_at=later, at=AT, actor=CLERK)
        assert session.get_one(Subscriber, person.id).post == "Giám đốc"
        assert posts.holding(session, person.id, at=later) == []
        posts.end(session, present.id, ended_at=AT + timedelta(1), at=later, actor=CLERK)
        assert session.get_one(Subscriber, person.id).post is None


def test_a_post_that_contradicts_itself_is_refused(house: House) -> None:
    person, agency, unit = house.person(), house.agency(), house.organization("X")
    with house.sessions.begin() as session:
        organizations.close(session, unit.id, at=AT, actor=CLERK)
    with house.sessions() as session:
        for who, details in (
            (person, PostDetails(person.organization_id, "Giám đốc", AT, AT)),
            (person, PostDetails(person.organization_id, "", AT)),
            (person, PostDetails(person.organization_id, "x" * 65, AT)),
            (person, PostDetails(unit.id, "Giám đốc", AT + YEAR)),
            (person, PostDetails(person.organization_id, "Cũ", AT - YEAR)),
            (agency, PostDetails(agency.organization_id, "Giám đốc", AT)),
        ):
            with pytest.raises(PostInvalid):
                posts.appoint(session, who.id, details=details, at=AT, actor=CLERK)
        with pytest.raises(PostNotFound):
            posts.end(session, uuid7(), ended_at=AT, at=AT, actor=CLERK)


class Office:
    """A head, a deputy, a clerk of a unit below, and somebody from elsewhere."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.unit = house.organization("Ủy ban nhân dân tỉnh")
        self.below = house.organization("Văn phòng", parent_id=self.unit.id)
        self.head = house.person("Nguyễn Văn Chủ", organization=self.unit)
        self.deputy = house.person("Trần Thị Phó", organization=self.unit)
        self.clerk = house.person("Lê Văn Thư", organization=self.below)
        self.stranger = house.person("Phạm Văn Xa")

    def give(self, form: Form, taker: Subscriber, **more: object) -> object:
        values: dict[str, object] = {
            "giver_id": self.head.id,
            "scope": "Ký giấy mời họp",
            "began_at": AT,
            "ended_at": AT + YEAR,
            "document_reference": "15/UQ-UBND",
        } | more
        details = DelegationDetails(form, self.unit.id, taker.id, **values)  # type: ignore[arg-type]
        with self.house.sessions.begin() as session:
            return delegations.give(session, details=details, at=AT, actor=CLERK)


@pytest.fixture
def office(house: House) -> Office:
    return Office(house)


def test_the_four_forms_are_in_force_for_their_time(office: Office) -> None:
    office.give(Form.KT, office.deputy, ended_at=None, document_reference=None)
    office.give(Form.TL, office.clerk, ended_at=None, document_reference=None)
    office.give(Form.TM, office.head, giver_id=None, ended_at=None, document_reference=None)
    made = office.give(Form.TUQ, office.stranger)
    with office.house.sessions.begin() as session:
        for at, count in ((AT - timedelta(1), 0), (AT, 1), (AT + YEAR, 0)):
            found = delegations.in_force(session, taker_id=office.stranger.id, at=at)
            assert len(found) == count
        assert len(delegations.listing(session, under=office.unit.id, limit=9)) == 4
        delegations.withdraw(session, made.id, at=AT + timedelta(1), actor=CHIEF)  # type: ignore[attr-defined]
        later = AT + timedelta(2)
        assert delegations.in_force(session, taker_id=office.stranger.id, at=later) == []
        with pytest.raises(DelegationInvalid):
            delegations.withdraw(session, made.id, at=later, actor=CHIEF)  # type: ignore[attr-defined]
        with pytest.raises(DelegationNotFound):
            delegations.withdraw(session, uuid7(), at=later, actor=CHIEF)


def test_what_was_received_tuq_is_not_passed_on(office: Office) -> None:
    office.give(Form.TUQ, office.stranger)
    for form in (Form.TUQ, Form.TL):
        with pytest.raises(DelegationInvalid) as caught:
            office.give(form, office.clerk, giver_id=office.stranger.id)
        assert caught.value.reason == "sub_delegation"
    office.give(Form.TUQ, office.deputy)
    with pytest.raises(DelegationInvalid) as caught:
        office.give(Form.TUQ, office.clerk, giver_id=office.deputy.id)
    assert caught.value.reason == "sub_delegation"


@pytest.mark.parametrize(
    ("form", "taker", "more", "reason"),
    [
        (Form.TUQ, "deputy", {"ended_at": None}, "period"),
        (Form.TUQ, "deputy", {"document_reference": None}, "document_reference"),
        (Form.TUQ, "deputy", {"scope": " "}, "scope"),
        (Form.TUQ, "deputy", {"ended_at": AT}, "period"),
        (Form.TUQ, "head", {}, "self"),
        (Form.KT, "deputy", {"giver_id": None}, "self"),
        (Form.KT, "clerk", {}, "not_in_post"),
        (Form.KT, "stranger", {}, "not_in_post"),
        (Form.TL, "stranger", {}, "same_unit"),
        (Form.TM, "stranger", {"giver_id": None}, "not_in_post"),
        (Form.TUQ, "deputy", {"began_at": AT - YEAR}, "not_in_post"),
    ],
)
def test_a_delegation_that_breaks_a_rule_is_refused_with_the_rule(
    office: Office, form: Form, taker: str, more: dict[str, object], reason: str
) -> None:
    with pytest.raises(DelegationInvalid) as caught:
        office.give(form, getattr(office, taker), **more)
    assert caught.value.reason == reason


def test_a_unit_is_found_by_its_former_name_and_called_what_it_was_called(house: House) -> None:
    unit = house.organization("Sở Thông tin và Truyền thông")
    renamed = AT + YEAR
    with house.sessions.begin() as session:
        organizations.rename(
            session, unit.id, name="Sở Khoa học và Công nghệ", at=renamed, actor=CLERK
        )
    with house.sessions() as session:
        for words in ("truyen thong", "khoa hoc cong nghe"):
            found = organizations.search(session, name=words, limit=5)
            assert [one.id for one in found] == [unit.id]
        (former,) = organizations.former_names(session, unit.id)
        assert (former.name, former.used_until) == ("Sở Thông tin và Truyền thông", renamed)
        assert organizations.get(session, unit.id).name == "Sở Khoa học và Công nghệ"
        early = organizations.search(session, name="so", valid_at=AT - YEAR, limit=5)
        assert early == []
    row = [
        "1",
        "aa",
        "Nguyễn Thị Đức",
        "Sở Thông tin và Truyền thông",
        "01/02/2024",
        "01/02/2029",
        "",
    ]
    _, rows = import_files.read(table([row]))
    with house.sessions.begin() as session:
        made = imports.submit(
            session,
            source=Source("x", "csv", ""),
            rows=rows,
            options=ImportOptions(issuer="X-CA"),
            at=AT,
            actor=CLERK,
        )
    imports.run(house.sessions, made.id, at=AT)
    with house.sessions() as session:
        assert imports.progress(session, made.id).counts == {RowState.CREATED: 1}


def test_every_step_of_a_device_is_written_down_with_its_minutes(house: House) -> None:
    person = house.person()
    with house.sessions.begin() as session:
        details = DeviceDetails(DeviceKind.USB_TOKEN, "VGCA-0001")
        device = devices.register(session, details=details, at=AT, actor=CLERK)
        note = CustodyNote("05/BB-BG", "Lê Văn Thư", "Nguyễn Thị Đức", "kèm dây đeo")
        devices.hand_over(
            session, device.id, subscriber_id=person.id, at=AT, actor=CLERK, note=note
        )
        steps = ("pin_locked", "handed_over", "lost", "returned", "broken", "destroyed")
        for place, state in enumerate(steps, start=1):
            devices.move(
                session,
                device.id,
                state=DeviceState(state),
                at=AT + place * timedelta(days=1),
                actor=CHIEF,
                note=CustodyNote(note=f"bước {place}"),
            )
        with pytest.raises(TransitionNotAllowed):
            devices.move(session, device.id, state=DeviceState.IN_STOCK, at=AT, actor=CLERK)
    with house.sessions() as session:
        found = custody.history(session, device.id)[::-1]
        assert [one.state.value for one in found] == ["handed_over", *steps]
        assert [one.came_from for one in found] == ["in_stock", "handed_over", *steps[:-1]]
        assert (found[0].minutes, found[0].subscriber_id) == ("05/BB-BG", person.id)
        assert found[4].subscriber_id == person.id
        assert found[6].subscriber_id is None
        filters = DeviceFilters(state=DeviceState.DESTROYED)
        assert [one.id for one in devices.listing(session, filters=filters, limit=5)] == [device.id]
        with pytest.raises(CustodyInvalid):
            CustodyNote(minutes=" ").check()
        with pytest.raises(CustodyInvalid):
            CustodyNote().check(hand_over=True)
