"""Documents signed together: each is signed as it would be alone, and fails alone."""

import asyncio
import io
import uuid
from collections.abc import Sequence
from dataclasses import replace
from threading import Event
from typing import BinaryIO

import pytest
from psycopg import DataError

from ca import revoke
from ca.errors import CertificateNotFound, CertificateNotUsable
from ca.revocation_reasons import RevocationReason
from db import audit
from db.errors import ValueTaken
from hsm import algorithms
from hsm.errors import DeviceFailure
from hsm.providers import KeyStore
from pdf.options import Level
from pdf.prepared import PreparedSignature
from signing import sign
from signing.at_once import Walk
from signing.errors import SignRequestClosed
from signing.gathering import Gathering
from signing.sign import SignOrder
from signing.together import WORTH_SHARING, Asked, Together
from tests.api.office import Json, Office, empty_pdf
from tests.api.test_at_once import ACTOR, in_file, order, rows

PAGE = empty_pdf()


def asked(office: Office, wanted: SignOrder, document: bytes = PAGE) -> Asked:
    return Asked(io.BytesIO(document), len(document), wanted, office.wiring.clock(), ACTOR)


def signed(office: Office, some: Sequence[Asked]) -> list[bytes | BaseException | None]:
    async def all_of_them() -> list[bytes | BaseException | None]:
        together = office.wiring.together
        return await asyncio.gather(*map(together.signed, some), return_exceptions=True)

    return asyncio.run(all_of_them())


def accepted(office: Office, document: bytes | BaseException | None) -> bool:
    assert isinstance(document, bytes), document
    return bool(office.verify(document)["indication"] == "TOTAL_PASSED")


def test_documents_signed_together_leave_the_rows_of_one_signed_the_long_way(
    office: Office,
) -> None:
    certificate, wiring = office.certificate(), office.wiring
    at = wiring.clock()
    orders = [order(office, certificate) for _ in range(5)]
    some = [replace(asked(office, one), at=at) for one in orders]
    documents = signed(office, some)
    long = order(office, certificate)
    with in_file(office) as source:
        sign.start(wiring.desk, source, long, at=at, actor=ACTOR)
        sign.sign_now(wiring.desk, long.request_id, at=at, actor=ACTOR)
    with wiring.sessions() as session:
        expected = rows(session, long.request_id)
        assert [rows(session, one.request_id) for one in orders] == [expected] * 5
        assert audit.verify(session).intact
    assert all(accepted(office, document) for document in documents)
    kept = [wiring.documents.path(one.request_id).read_bytes() for one in orders]
    assert kept == documents
    assert len(set(kept)) == 5


def test_what_is_wrong_with_one_document_stops_no_other(office: Office) -> None:
    good, revoked = office.certificate(), office.certificate()
    office.made(f"/certificates/{revoked['id']}/revoke", {})
    nobody: Json = {"id": str(uuid.uuid4())}
    orders = [order(office, one) for one in (good, revoked, nobody, good, good)]
    some = [asked(office, one) for one in orders]
    some[3] = asked(office, orders[3], b"no PDF at all")
    first, second, third, fourth, fifth = signed(office, some)
    assert accepted(office, first)
    assert isinstance(second, CertificateNotUsable)
    assert isinstance(third, CertificateNotFound)
    assert fourth is None  # the longer way says what is wrong with it
    assert accepted(office, fifth)
    with office.wiring.sessions() as session:
        for one in orders[1:4]:
            assert rows(session, one.request_id)["sign_requests"] == []
            assert not office.wiring.documents.holds(one.request_id)


def test_a_certificate_revoked_while_its_document_is_prepared_is_not_signed_with(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, other = office.certificate(), office.certificate()
    orders = [order(office, certificate), order(office, other)]
    used: list[bool] = []
    real = algorithms.sign
    prepare = office.wiring.documents.create_anew
    revoked = Event()

    def revoked_meanwhile(request_id: uuid.UUID) -> io.BufferedRandom:
        if not revoked.is_set():
            revoked.set()
            office.made(f"/certificates/{certificate['id']}/revoke", {})
        return prepare(request_id)

    def noted(
        key: algorithms.PrivateKey, algorithm: algorithms.SignatureAlgorithm, data: bytes
    ) -> bytes:
        used.append(True)
        return real(key, algorithm, data)

    monkeypatch.setattr(office.wiring.documents, "create_anew", revoked_meanwhile)
    monkeypatch.setattr("signing.at_once.algorithms.sign", noted)
    first, second = signed(office, [asked(office, one) for one in orders])
    assert first is None
    assert accepted(office, second)
    with office.wiring.sessions() as session:
        assert rows(session, orders[0].request_id)["sign_requests"] == []
    assert not office.wiring.documents.holds(orders[0].request_id)
    answer = office.sign(PAGE, certificate_id=certificate["id"])
    assert answer.json()["code"] == "certificate_not_usable"


def test_a_revocation_under_way_holds_nobody_up(office: Office) -> None:
    ending, other = office.certificate(), office.certificate()
    wiring = office.wiring
    both = [order(office, ending), order(office, other)]
    with wiring.sessions.begin() as session:
        revoke.revoke(
            session,
            certificate_id=both[0].certificate_id,
            reason=RevocationReason.SUPERSEDED,
            keys=wiring.keys,
            at=wiring.clock(),
            actor=ACTOR,
        )
        session.flush()
        assert all(
            accepted(office, one) for one in signed(office, [asked(office, one) for one in both])
        )
    again = order(office, ending)
    assert isinstance(signed(office, [asked(office, again)])[0], CertificateNotUsable)


def test_a_key_that_refuses_fails_its_own_request_only(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, good = office.certificate(), office.certificate()
    orders = [order(office, broken), order(office, good)]
    opened = KeyStore.open
    refused: list[object] = []

    def first_is_gone(store: KeyStore, uri: object) -> object:
        if not refused or refused == [uri]:
            refused[:] = [uri]
            raise DeviceFailure("pulled")
        return opened(store, uri)  # type: ignore[arg-type]  # as the walk gives it

    monkeypatch.setattr(KeyStore, "open", first_is_gone)
    told = signed(office, [asked(office, one) for one in orders])
    monkeypatch.undo()
    failed = [isinstance(one, DeviceFailure) for one in told]
    assert sorted(failed) == [False, True]
    assert accepted(office, told[failed.index(False)])
    with office.wiring.sessions() as session:
        left = rows(session, orders[failed.index(True)].request_id)
    assert left["sign_requests"][0][0] == "failed"
    assert left["signatures"] == []


def test_a_request_cancelled_meanwhile_is_not_handed_out(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, wiring = office.certificate(), office.wiring
    orders = [order(office, certificate), order(office, certificate)]
    real = algorithms.sign
    cancelled: list[uuid.UUID] = []

    def cancelled_meanwhile(
        key: algorithms.PrivateKey, algorithm: algorithms.SignatureAlgorithm, data: bytes
    ) -> bytes:
        with wiring.sessions() as session:
            prepared = {one.id for one in sign.open_requests(session, before=wiring.clock())}
        if not cancelled:
            ours = next(one.request_id for one in orders if one.request_id in prepared)
            cancelled.append(ours)
            sign.cancel(wiring.desk, ours, at=wiring.clock(), actor=ACTOR)
        return real(key, algorithm, data)

    monkeypatch.setattr("signing.at_once.algorithms.sign", cancelled_meanwhile)
    told = signed(office, [asked(office, one) for one in orders])
    closed = [isinstance(one, SignRequestClosed) for one in told]
    assert sorted(closed) == [False, True]
    assert accepted(office, told[closed.index(False)])
    with wiring.sessions() as session:
        left = rows(session, cancelled[0])
    assert left["sign_requests"][0][0] == "cancelled"
    assert left["signatures"] == []


def test_what_cannot_be_written_down_stops_no_other(office: Office) -> None:
    certificate = office.certificate()
    unwritable = replace(order(office, certificate), file_name="một\udc80nửa.pdf")
    first, second = signed(
        office, [asked(office, unwritable), asked(office, order(office, certificate))]
    )
    assert isinstance(first, DataError)
    assert accepted(office, second)
    assert not office.wiring.documents.holds(unwritable.request_id)


def test_nobody_waits_for_work_that_ended_with_an_error(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = office.certificate()

    def broken(*_: object) -> None:
        raise LookupError

    for method in ("_intended", "_signed"):
        with monkeypatch.context() as patched:
            patched.setattr(Together, method, broken)
            told = signed(office, [asked(office, order(office, certificate)) for _ in range(2)])
        assert [type(one) for one in told] == [LookupError, LookupError]
    assert accepted(office, signed(office, [asked(office, order(office, certificate))])[0])


def test_an_end_of_iteration_reaches_its_caller_and_stops_no_other(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = office.certificate()
    prepared = Walk.prepared_here
    orders = [replace(order(office, certificate), file_name=name) for name in ("a.pdf", "b.pdf")]

    def ended(walk: Walk, source: BinaryIO) -> PreparedSignature | None:
        return next(iter(())) if walk.order.file_name == "a.pdf" else prepared(walk, source)

    monkeypatch.setattr(Walk, "prepared_here", ended)
    first, second = signed(office, [asked(office, one) for one in orders])
    assert isinstance(first, RuntimeError)
    assert accepted(office, second)


def test_an_id_that_is_there_already_stops_no_other(office: Office) -> None:
    certificate = office.certificate()
    orders = [order(office, certificate) for _ in range(3)]
    assert accepted(office, signed(office, [asked(office, orders[1])])[0])
    first, again, third = signed(office, [asked(office, one) for one in orders])
    assert accepted(office, first)
    assert isinstance(again, ValueTaken)
    assert accepted(office, third)
    with office.wiring.sessions() as session:
        assert len(rows(session, orders[1].request_id)["signatures"]) == 1


def test_callers_in_threads_and_in_an_event_loop_are_served_alike(office: Office) -> None:
    certificate, together = office.certificate(), office.wiring.together
    some = [asked(office, order(office, certificate)) for _ in range(4)]

    async def both() -> list[bytes | None]:
        threads = (asyncio.to_thread(together.sign, one) for one in some[:2])
        return await asyncio.gather(*threads, *map(together.signed, some[2:]))

    assert all(accepted(office, document) for document in asyncio.run(both()))


def test_levels_that_need_a_time_stamp_are_signed_together_too(office: Office) -> None:
    certificate = office.certificate()
    orders = [
        replace(order(office, certificate), level=level) for level in (Level.B_T, Level.B_B) * 2
    ]
    documents = signed(office, [asked(office, one) for one in orders])
    levels = [
        office.verify(document)["signatures"][0]["level"]
        for document in documents
        if isinstance(document, bytes)
    ]
    assert levels == ["B-T", "B-B"] * 2


def test_a_large_document_goes_the_longer_way(office: Office) -> None:
    one = asked(office, order(office, office.certificate()), PAGE + bytes(WORTH_SHARING))
    assert signed(office, [one]) == [None]


def test_what_was_begun_is_ended_before_the_threads_are(office: Office) -> None:
    certificate = office.certificate()
    own = Together(office.wiring.at_once, keys=2)

    async def begun() -> bytes | None:
        waiting = asyncio.create_task(own.signed(asked(office, order(office, certificate))))
        await asyncio.sleep(0)
        await asyncio.to_thread(own.close)
        return await waiting

    assert accepted(office, asyncio.run(begun()))


def test_what_comes_while_a_group_is_at_work_is_the_next_group() -> None:
    began, go, groups = Event(), Event(), list[list[int]]()

    def work(group: Sequence[int]) -> None:
        groups.append(list(group))
        began.set()
        go.wait()

    gathering = Gathering(work, name="test", most=3)
    gathering.put(0)
    began.wait()
    gathering.put(1, 2)
    gathering.put(3, 4)
    gathering.put(5)
    go.set()
    gathering.close()
    assert groups == [[0], [1, 2, 3, 4], [5]]


def test_who_comes_after_the_end_is_not_left_waiting(office: Office) -> None:
    own = Together(office.wiring.at_once, keys=1)
    own.close()
    one = asked(office, order(office, office.certificate()))
    with pytest.raises(RuntimeError, match="service ends"):
        own.sign(one)
    with pytest.raises(RuntimeError, match="service ends"):
        asyncio.run(own.signed(one))
