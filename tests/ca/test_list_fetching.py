"""Trusted lists fetched from their operators: a good one stays until a better one is there."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from ca import publication_watch, trusted_lists
from ca.guarded_fetch import Fetcher, FetchLimits
from ca.list_fetching import ACTOR, Fetched, ListAddress, Outcome, fetch_lists
from ca.models_trust import TrustedListRow
from tests.ca.hierarchy import NOW, Entity, root
from tests.ca.house import CHIEF, House
from tests.ca.publisher import Publisher
from tests.ca.test_revocation_sources import LOOPBACK
from tests.ca.trusted_lists import DAY, List, Service, operator, signed

FILE = "/list.xml"


@pytest.fixture
def listed() -> Entity:
    return root("CA trong danh sách")


def pem(entity: Entity) -> bytes:
    return entity.cert.public_bytes(Encoding.PEM)


def of(listed: Entity, **more: object) -> List:
    return List(services=[Service(entity=listed)], **more)  # type: ignore[arg-type]


def ask(
    house: House,
    publisher: Publisher,
    *,
    at: datetime = NOW,
    signers: tuple[Entity, ...] = (),
    limits: FetchLimits | None = None,
) -> Outcome:
    named = tuple(pem(one) for one in signers or (operator(),))
    address = ListAddress(f"{publisher.url}{FILE}", "VN", named)
    fetcher = Fetcher(limits or FetchLimits(allowed=LOOPBACK))
    (outcome,) = fetch_lists(house.sessions, [address], fetcher=fetcher, at=at)
    return outcome


def stored(house: House) -> list[TrustedListRow]:
    with house.sessions() as session:
        return trusted_lists.list_lists(session)


def alarms(house: House) -> list[str]:
    with house.sessions() as session:
        return [
            one.kind
            for one in publication_watch.open_alarms(session)
            if one.kind in publication_watch.OF_FETCHING
        ]


def test_a_list_is_fetched_imported_and_renewed(
    house: House, publisher: Publisher, listed: Entity
) -> None:
    publisher.files[FILE] = signed(of(listed))
    assert ask(house, publisher).fetched is Fetched.IMPORTED
    (row,) = stored(house)
    assert (row.sequence_number, row.added_by) == (1, ACTOR)
    assert ask(house, publisher, at=NOW + DAY).fetched is Fetched.UNCHANGED
    publisher.files[FILE] = signed(of(listed, sequence=2, update=NOW + 60 * DAY))
    assert ask(house, publisher, at=NOW + 2 * DAY).fetched is Fetched.IMPORTED
    (row,) = stored(house)
    assert (row.sequence_number, row.next_update) == (2, NOW + 60 * DAY)
    assert alarms(house) == []


def worse(listed: Entity) -> Iterator[tuple[str, bytes, Fetched]]:
    stranger = root("Operator", key=rsa.generate_private_key(65537, 2048))
    good = signed(of(listed, sequence=9))
    yield "of another signer", signed(of(listed, sequence=9), by=stranger), Fetched.REFUSED
    yield "altered", good.replace(b"granted", b"granteD", 1), Fetched.REFUSED
    yield "unsigned", of(listed, sequence=9).xml(), Fetched.REFUSED
    yield "a page of apology", b"<html>under maintenance</html>", Fetched.REFUSED
    yield "cut off", good[: len(good) // 2], Fetched.REFUSED
    yield "nothing", b"", Fetched.REFUSED
    yield "another country's", signed(of(listed, sequence=9, territory="VX")), Fetched.REFUSED
    future = of(listed, sequence=9, issued=NOW + DAY)
    yield "of tomorrow", signed(future), Fetched.REFUSED
    yield "of a lower number", signed(of(listed, sequence=4)), Fetched.OLDER
    yield "of the same number", signed(of(listed, sequence=5, update=NOW + DAY)), Fetched.OLDER
    earlier = of(listed, sequence=9, issued=NOW - 2 * DAY)
    yield "of a higher number, issued before", signed(earlier), Fetched.OLDER
    past = of(listed, sequence=9, update=NOW - timedelta(seconds=1))
    yield "past its end", signed(past), Fetched.OLDER
    yield "closed", signed(of(listed, sequence=9, update=None)), Fetched.OLDER


def test_a_good_list_is_never_replaced_by_a_worse_one(
    house: House, publisher: Publisher, listed: Entity
) -> None:
    publisher.files[FILE] = signed(of(listed, sequence=5))
    assert ask(house, publisher).fetched is Fetched.IMPORTED
    before = [(row.sha256, row.next_update, row.added_at) for row in stored(house)]
    for what, data, expected in worse(listed):
        publisher.files[FILE] = data
        assert ask(house, publisher).fetched is expected, what
        kept = [(row.sha256, row.next_update, row.added_at) for row in stored(house)]
        assert kept == before, what
        refused = ["trusted_list_refused"] if expected is Fetched.REFUSED else []
        assert alarms(house) == refused, what


def test_what_cannot_be_had_leaves_the_list_that_is_there(
    house: House, publisher: Publisher, listed: Entity
) -> None:
    assert ask(house, publisher).fetched is Fetched.UNREACHABLE
    assert alarms(house) == ["trusted_list_missing"]
    publisher.files[FILE] = signed(of(listed))
    ask(house, publisher)
    assert alarms(house) == []
    publisher.files[FILE] += b" " * 4096
    small = FetchLimits(max_bytes=len(publisher.files[FILE]) - 1, allowed=LOOPBACK)
    assert ask(house, publisher, limits=small).detail == "too large"
    publisher.files.clear()
    assert ask(house, publisher).fetched is Fetched.UNREACHABLE
    assert alarms(house) == []
    assert len(stored(house)) == 1
    assert ask(house, publisher, at=NOW + 31 * DAY).fetched is Fetched.UNREACHABLE
    assert alarms(house) == ["trusted_list_missing"]


def test_a_private_address_is_not_asked_unless_it_is_permitted(
    house: House, publisher: Publisher, listed: Entity
) -> None:
    publisher.files[FILE] = signed(of(listed))
    outcome = ask(house, publisher, limits=FetchLimits())
    assert (outcome.fetched, outcome.detail) == (Fetched.UNREACHABLE, "address not allowed")
    assert publisher.asked == []


def test_an_operator_may_pass_to_its_next_key(
    house: House, publisher: Publisher, listed: Entity
) -> None:
    heir = root("Cơ quan quản lý", key=rsa.generate_private_key(65537, 2048))
    publisher.files[FILE] = signed(of(listed))
    both = (operator(), heir)
    assert ask(house, publisher, signers=both).fetched is Fetched.IMPORTED
    publisher.files[FILE] = signed(of(listed, sequence=2), by=heir)
    assert ask(house, publisher).fetched is Fetched.REFUSED
    assert ask(house, publisher, signers=both).fetched is Fetched.IMPORTED


def test_alarms_about_fetching_are_left_alone_by_the_watch_and_end_with_the_address(
    house: House, publisher: Publisher
) -> None:
    publisher.files[FILE] = b"no list"
    ask(house, publisher)
    with house.sessions.begin() as session:
        publication_watch.watch(session, at=NOW, actor=CHIEF)
    assert sorted(alarms(house)) == ["trusted_list_missing", "trusted_list_refused"]
    assert fetch_lists(house.sessions, [], fetcher=Fetcher(), at=NOW) == []
    assert alarms(house) == []
