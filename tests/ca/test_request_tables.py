"""Many requests from one table: everything or nothing, with every row's problem by its number."""

import base64
import csv
import io
from collections.abc import Sequence

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import func, select

from ca import issue_batch, public_keys, request_tables, requests
from ca.errors_registry import ImportUnreadable
from ca.issue_intents import Asked, Context
from ca.models import CertificateRequest, RequestState, Subscriber
from ca.models_requests import RequestRouting
from ca.request_tables import RowOutcome
from db import audit
from tests.ca.house import AT, CHIEF, CLERK, House, csr_for, ec_key

HEADER = ["Mã đơn vị", "Họ và tên", "Số CCCD", "Chức vụ", "Loại chứng thư số", "CSR"]
Cells = list[str]


def table(rows: Sequence[Cells], *, header: Cells = HEADER, mark: bytes = b"\xef\xbb\xbf") -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=";").writerows([["DANH SÁCH ĐỀ NGHỊ"], header, *rows])
    return mark + text.getvalue().encode()


def person(code: str, number: int, name: str = "Trần Thị Hồng Đức") -> Cells:
    encoded = base64.b64encode(csr_for(ec_key())).decode()
    return [code, name, f"0930{number:08d}", "Chuyên viên", "cá nhân", encoded]


def submit(house: House, data: bytes) -> list[RowOutcome]:
    with house.sessions.begin() as session:
        return request_tables.submit(session, request_tables.read(data), at=AT, actor=CLERK)


def counted(house: House) -> tuple[int, int]:
    with house.sessions() as session:
        found = [
            session.scalar(select(func.count()).select_from(model))
            for model in (Subscriber, CertificateRequest)
        ]
    return found[0] or 0, found[1] or 0


def test_a_table_becomes_requests_that_a_second_person_has_issued(house: House) -> None:
    code = house.organization().code
    agency = [code, "Sở Nội vụ", "", "", "cơ quan", csr_for_pem()]
    data = table([*(person(code, n) for n in range(1, 4)), agency])
    outcomes = submit(house, data)
    assert [outcome.row.number for outcome in outcomes] == [3, 4, 5, 6]
    ids = [outcome.request_id for outcome in outcomes if outcome.request_id]
    assert counted(house) == (4, 4)
    own = [Asked(request_id=one, actor=CLERK, approve=True) for one in ids]
    context = Context(house.keys, AT)
    refused = issue_batch.issue_batch(house.sessions, own, context=context)
    assert {type(one.error).__name__ for one in refused} == {"SelfApproval"}
    asked = [Asked(request_id=one, actor=CHIEF, approve=True) for one in ids]
    done = issue_batch.issue_batch(house.sessions, asked, context=context)
    names = {outcome.certificate.common_name for outcome in done}
    assert names == {"Trần Thị Hồng Đức", "Sở Nội vụ"}
    with house.sessions() as session:
        assert audit.verify(session).broken == ()


def csr_for_pem() -> str:
    encoded = base64.b64encode(csr_for(ec_key())).decode()
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{encoded}\n-----END CERTIFICATE REQUEST-----\n"


def test_the_rows_are_those_of_single_requests(house: House) -> None:
    unit = house.organization()
    submit(house, table([person(unit.code, 1)]))
    single = house.received(house.person(organization=unit))
    with house.sessions() as session:
        together, alone = session.scalars(
            select(CertificateRequest).order_by(CertificateRequest.id)
        ).all()
        assert alone.id == single.id
        for name in (
            "kind",
            "state",
            "profile",
            "certificate_kind",
            "organization_id",
            "device_id",
        ):
            assert getattr(together, name) == getattr(alone, name), name
        routings = [session.get_one(RequestRouting, one.id) for one in (together, alone)]
        assert routings[0].due_at == routings[1].due_at
        assert routings[0].decider_id == routings[1].decider_id
        steps = [
            [(entry.action, entry.actor, sorted(entry.after or {})) for entry in found]
            for found in (
                audit.list_entries(session, where=audit.AuditFilter(object_id=str(one.id)))
                for one in (together, alone)
            )
        ]
        assert steps[0] == steps[1]


def test_one_wrong_row_keeps_all_out_and_every_row_says_what_is_wrong(house: House) -> None:
    code = house.organization().code
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 -- refused
    twice = person(code, 4)
    forged = bytearray(csr_for(ec_key()))
    forged[-1] ^= 1
    rows = {
        "": person(code, 1),
        "organization_unknown": ["000.99", *person(code, 2)[1:]],
        "missing_value": [code, "", *person(code, 3)[2:]],
        "key_twice": [*person(code, 5)[:5], twice[5]],
        "key_unacceptable": [*person(code, 6)[:5], base64.b64encode(csr_for(weak)).decode()],
        "csr_unacceptable": [*person(code, 7)[:5], base64.b64encode(bytes(forged)).decode()],
        "national_id_invalid": [code, "Lê Văn Bình", "12", "", "", person(code, 8)[5]],
        "kind_unknown": [*person(code, 9)[:4], "lạ", person(code, 9)[5]],
        "kind_needs_device": [*person(code, 10)[:4], "SIM", person(code, 10)[5]],
        "subscriber_invalid": [code, "ự" * 65 + " An", *person(code, 11)[2:]],
    }
    outcomes = submit(house, table([twice, *rows.values()]))
    found = {(outcome.problems[0].code if outcome.problems else "") for outcome in outcomes[1:]}
    assert found == set(rows)
    assert [outcome.row.number for outcome in outcomes if outcome.problems] == list(range(5, 14))
    for outcome in outcomes:
        assert outcome.request_id is None
        for problem in outcome.problems:
            told = problem.to_dict()
            assert told["vi"] != told["en"]
    assert counted(house) == (0, 0)


def test_the_same_table_again_changes_nothing_before_and_after_issuing(house: House) -> None:
    code = house.organization().code
    data = table([person(code, 1), person(code, 2)])
    first = submit(house, data)
    again = submit(house, data)
    assert {one.problems[0].code for one in again} == {"asked_before"}
    ids = [one.request_id for one in first if one.request_id]
    asked = [Asked(request_id=one, actor=CHIEF, approve=True) for one in ids]
    issue_batch.issue_batch(house.sessions, asked, context=Context(house.keys, AT))
    with house.sessions() as session:
        states = {requests.get(session, one).state for one in ids}
    assert states == {RequestState.ISSUED}
    assert {one.problems[0].code for one in submit(house, data)} == {"key_known"}
    assert counted(house) == (2, 2)


def test_a_known_person_is_not_made_again_and_another_is_not_taken_for_them(house: House) -> None:
    unit = house.organization()
    submit(house, table([person(unit.code, 1)]))
    submit(house, table([person(unit.code, 1, name="trần thị hồng  đức")]))
    assert counted(house) == (1, 2)
    other = submit(house, table([person(unit.code, 1, name="Lê Văn Bình")]))
    moved = submit(house, table([person(house.organization().code, 1)]))
    assert [one.problems[0].code for one in (*other, *moved)] == [
        "subscriber_differs",
        "subscriber_elsewhere",
    ]


def test_a_blocked_key_is_told_in_its_row(house: House) -> None:
    code, key = house.organization().code, ec_key()
    with house.sessions.begin() as session:
        spki = public_keys.fingerprint(key.public_key())
        public_keys.block(session, spki_sha256=spki, reason="lộ khóa", at=AT, actor=CHIEF)
    row = [*person(code, 1)[:5], base64.b64encode(csr_for(key)).decode()]
    assert [one.problems[0].code for one in submit(house, table([row]))] == ["key_known"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"Ho ten;CCCD\nA;1\n", "columns_missing"),
        (table([], header=["Mã đơn vị", "Họ tên", "CSR"]), "empty"),
        (table([["x"]], header=["Họ tên", "Họ và tên", "CSR"]), "column_twice"),
        (table([["x"]], header=["Họ tên", "CSR"]), "columns_missing"),
        ("Họ tên;CSR\n".encode("utf-16-le"), "encoding"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused_whole(data: bytes, reason: str) -> None:
    with pytest.raises(ImportUnreadable) as caught:
        request_tables.read(data)
    assert caught.value.reason == reason
