"""Approvals pass in front of the framework: the same answers, and many at once in few groups."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import httpx
from sqlalchemy import text

from api.app import framework
from api.middleware import Envelope
from api.models import Role
from ca.issue_batch import CHUNK
from tests.api.office import Json, Office

NOBODY = "00000000-0000-7000-8000-000000000000"
JSON = {"Content-Type": "application/json"}
CALLERS = 16


def through_framework(office: Office, path: str, body: bytes, headers: dict[str, str]) -> Json:
    """Ask the framework itself, as if the door were not there."""
    app = Envelope(framework(office.wiring))

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.post(f"/api/v1{path}", content=body, headers=headers)

    answer = asyncio.run(ask())
    return {"status": answer.status_code, **answer.json()}


def told(answer: Json) -> Json:
    return {name: answer.get(name) for name in ("status", "code", "title", "detail")}


WRONG: list[tuple[bytes, dict[str, str]]] = [
    (b"not json", JSON),
    (b'{"note": 5}', JSON),
    (b'{"unknown": "x"}', JSON),
    (b"[]", JSON),
    (b"{}", {"Content-Type": "text/plain"}),
    (b"{}", JSON | {"Authorization": "Bearer of-nobody"}),
    (b"{}", JSON | {"Authorization": ""}),
    (b"{}", JSON),
]


def test_what_is_wrong_is_told_as_the_framework_tells_it(office: Office) -> None:
    for body, headers in WRONG:
        sent = {"Authorization": f"Bearer {office.second()}", **headers}
        for where in (NOBODY, "not-an-id"):
            path = f"/certificate-requests/{where}/approve"
            answer = office.http.post(f"/api/v1{path}", content=body, headers=sent)
            expected = told(through_framework(office, path, body, sent))
            assert told({"status": answer.status_code, **answer.json()}) == expected
            assert answer.status_code >= 400


def test_whoever_may_not_decide_is_refused_before_the_body_is_judged(office: Office) -> None:
    request = office.request()
    reader = office.token((Role.AUDITOR, None))
    path = f"/certificate-requests/{request['id']}/approve"
    answer = office.call("POST", path, token=reader, content=b"not json", headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


def test_with_and_without_a_key_the_answer_is_of_one_form(office: Office) -> None:
    unit = office.organization()
    answers = []
    for headers in ({}, {"Idempotency-Key": "cap-1"}):
        request = office.request(organization=unit)
        path = f"/certificate-requests/{request['id']}/approve"
        answer = office.call("POST", path, token=office.second(), headers=headers, json={})
        assert answer.headers["content-type"] == "application/json"
        answers.append(answer.json())
    keyless, keyed = answers
    assert list(keyless) == list(keyed)
    for part in ("request", "certificate"):
        assert list(keyless[part]) == list(keyed[part])
        same = {"kind", "state", "status", "profile", "organization_id", "key_on_server"}
        for name in same & set(keyless[part]):
            assert keyless[part][name] == keyed[part][name]


def test_a_request_that_ends_in_no_certificate_is_approved_the_same_way(office: Office) -> None:
    certificate = office.certificate()
    body = {
        "kind": "revoke",
        "subscriber_id": certificate["subscriber_id"],
        "certificate_id": certificate["id"],
        "reason": "nghỉ hưu",
    }
    request = office.made("/certificate-requests", body)
    path = f"/certificate-requests/{request['id']}/approve"
    approved = office.made(path, {}, token=office.second())
    assert approved["certificate"] is None
    shown = office.call("GET", f"/certificates/{certificate['id']}").json()
    assert shown["status"] == "revoked"


def test_many_callers_at_once_each_get_their_own_and_share_commits(office: Office) -> None:
    unit, second = office.organization(), office.second()
    ids = [office.request(organization=unit)["id"] for _ in range(CALLERS)]

    def approve(one: str) -> Json:
        return office.made(f"/certificate-requests/{one}/approve", {}, token=second)

    with ThreadPoolExecutor(CALLERS) as pool:
        answers = list(pool.map(approve, ids))
    assert [answer["request"]["id"] for answer in answers] == ids
    assert [answer["certificate"]["request_id"] for answer in answers] == ids
    assert len({answer["certificate"]["serial_number"] for answer in answers}) == CALLERS
    with office.wiring.engine.connect() as connection:
        groups = connection.scalar(
            text(
                "SELECT count(DISTINCT xmin::text) FROM ocsp_answers WHERE authority_id IN"
                " (SELECT id FROM authorities WHERE role = 'issuing')"
            )
        )
    assert 1 <= groups < CALLERS <= CHUNK


def test_of_two_who_approve_the_same_request_one_is_told_that_it_is_done(office: Office) -> None:
    request, second = office.request(), office.second()
    path = f"/certificate-requests/{request['id']}/approve"
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: office.call("POST", path, token=second), range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    codes = {answer.json()["code"] for answer in answers if answer.status_code == 409}
    assert codes == {"transition_not_allowed"}


def test_attack_a_list_with_a_request_of_another_unit_is_refused_for_that_one_alone(
    office: Office,
) -> None:
    unit = office.organization()
    own = [office.request(organization=unit)["id"] for _ in range(2)]
    body = {"request_ids": [own[0], office.request()["id"], own[1]]}
    decider = office.token((Role.APPROVER, unit["id"]))
    told = office.made("/certificate-requests/approve", body, token=decider)
    assert (told["issued"], told["failed"]) == (2, 1)
    first, denied, last = told["items"]
    assert [one["certificate"]["request_id"] for one in (first, last)] == own
    assert (denied["problem"]["status"], denied["problem"]["code"]) == (403, "permission_denied")
