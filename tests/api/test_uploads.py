"""Documents sent one by one and signed together by their ids."""

from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy import func, select

from signing import jobs
from signing.models import Signature
from tests.api.conftest import UPLOAD_LIMIT
from tests.api.office import ADMINISTRATOR, Json, Office, empty_pdf

PDF = {"Content-Type": "application/pdf"}


def sent(office: Office, number: int, *, token: str = ADMINISTRATOR) -> Json:
    answer = office.call(
        "POST",
        "/uploads",
        token=token,
        files={"file": (f"Tờ trình {number}.pdf", empty_pdf() + b"%%%d\n" % number)},
    )
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def batch(office: Office, ids: list[str], *, key: str | None = None, **options: object):  # noqa: ANN201 -- httpx's own
    headers = {"Idempotency-Key": key} if key else {}
    body = {"uploads": ids, "level": "B-B", **options}
    return office.call("POST", "/sign/batches", json=body, headers=headers)


def signatures(office: Office) -> int:
    with office.wiring.sessions() as session:
        return session.scalar(select(func.count()).select_from(Signature)) or 0


def test_uploads_are_signed_together_in_the_order_of_their_ids(office: Office) -> None:
    found = [sent(office, number) for number in range(4)]
    ids = [each["id"] for each in reversed(found)]
    certificate = office.certificate()["id"]
    done = batch(
        office, ids, certificate_id=certificate, stamp="standard", key="lô-1".encode().hex()
    )
    assert done.status_code == 200, done.text
    assert done.json()["counts"]["signed"] == 4
    assert [item["file_name"] for item in done.json()["items"]] == [
        f"Tờ trình {number}.pdf" for number in (3, 2, 1, 0)
    ]
    for position, each in enumerate(reversed(found)):
        document = office.call("GET", f"/sign/batches/{done.json()['id']}/documents/{position}")
        assert document.content.startswith(empty_pdf() + b"%%%d\n" % (3 - position))
        assert done.json()["items"][position]["sha256"] == each["sha256"]
    again = batch(
        office, ids, certificate_id=certificate, stamp="standard", key="lô-1".encode().hex()
    )
    assert again.json()["id"] == done.json()["id"]
    assert signatures(office) == 4
    assert not list(office.wiring.settings.home.glob("documents/uploads/*/*.pdf"))
    used = batch(office, ids, certificate_id=certificate)
    assert (used.status_code, used.json()["code"]) == (404, "upload_not_found")
    assert signatures(office) == 4


def test_an_upload_is_its_callers_own_and_can_be_taken_back(office: Office) -> None:
    mine = sent(office, 1)
    path = f"/uploads/{mine['id']}"
    assert office.call("GET", path).json() == mine
    for method in ("GET", "DELETE"):
        strange = office.call(method, path, token=office.second())
        assert (strange.status_code, strange.json()["code"]) == (404, "upload_not_found")
    theirs = office.call(
        "POST",
        "/sign/batches",
        token=office.second(),
        json={"uploads": [mine["id"]], "certificate_id": office.certificate()["id"]},
    )
    assert (theirs.status_code, theirs.json()["code"]) == (404, "upload_not_found")
    assert office.call("DELETE", path).status_code == 204
    assert office.call("GET", path).status_code == 404


WRONG: list[tuple[Json, str]] = [
    ({"uploads": []}, "parameter_invalid"),
    ({"uploads": "x"}, "parameter_invalid"),
    ({"uploads": ["../../x"]}, "parameter_invalid"),
    ({"uploads": [str(UUID(int=1))] * 2}, "parameter_invalid"),
    ({"uploads": [str(uuid4())]}, "upload_not_found"),
    ({}, "body_missing"),
]


def test_wrong_ids_make_no_batch(office: Office) -> None:
    certificate = office.certificate()["id"]
    for body, code in WRONG:
        answer = office.call("POST", "/sign/batches", json={**body, "certificate_id": certificate})
        assert answer.json()["code"] == code, answer.text
        assert answer.status_code in {400, 404, 422}


def test_an_upload_is_received_like_any_document(office: Office) -> None:
    raw = office.call("POST", "/uploads", content=empty_pdf(), headers=PDF)
    assert (raw.status_code, raw.json()["size"]) == (201, len(empty_pdf()))
    large = office.call("POST", "/uploads", content=bytes(UPLOAD_LIMIT + 1), headers=PDF)
    assert large.status_code == 413
    nothing = office.call("POST", "/uploads", json={})
    assert nothing.status_code == 415


def test_uploads_that_nobody_signs_are_forgotten_after_a_day(office: Office) -> None:
    waiting = sent(office, 1)
    at = office.wiring.clock()
    assert jobs.sweep_documents(office.wiring.desk, at=at + timedelta(hours=23)) == 0
    assert jobs.sweep_documents(office.wiring.desk, at=at + timedelta(hours=25)) == 1
    assert office.call("GET", f"/uploads/{waiting['id']}").status_code == 404
