"""Certificates issued elsewhere, through the calls and the command line."""

import uuid

import pytest

from api.models import Role
from tests.api.office import ADMINISTRATOR, Json, Office
from tests.ca.elsewhere import Elsewhere, pem, table

ROW = ["1", "aa", "Nguyễn Thị Đức", "Sở Nội vụ", "01/02/2024", "01/02/2029", ""]
BAD = ["2", "bb", "Trần Văn Ấn", "Sở Nội vụ", "31/02/2024", "01/02/2029", ""]
CSV = {"Content-Type": "text/csv"}


def imported(office: Office, data: bytes, *, token: str = ADMINISTRATOR, **options: object) -> Json:
    answer = office.call(
        "POST",
        "/certificates/import",
        token=token,
        content=data,
        params={"issuer": "VNPT-CA", **options},
        headers=CSV,
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_list_is_imported_and_each_bad_row_told_in_two_languages(office: Office) -> None:
    office.organization(name="Sở Nội vụ")
    made = imported(office, table([ROW, BAD]))
    assert (made["state"], made["rows"], made["created"], made["failed"]) == ("done", 2, 1, 1)
    (row,) = made["problems"]
    assert row["row"] == 3
    (problem,) = row["problems"]
    assert problem["code"] == "date_unreadable"
    assert "31/02/2024" in problem["vi"]
    assert "ngày hiệu lực" in problem["vi"]
    again = office.call("GET", f"/imports/{made['id']}").json()
    assert again == made
    listed = office.call("GET", "/certificates", params={"name": "nguyen thi duc"}).json()
    (certificate,) = listed["items"]
    assert (certificate["serial_number"], certificate["status"]) == ("aa", "active")
    shown = office.call("GET", "/certificates/serial:aa")
    assert (shown.status_code, shown.json()["pem"]) == (200, None)


def test_a_multipart_upload_of_certificates_with_options_and_a_dry_run_first(
    office: Office,
) -> None:
    unit = office.organization(name="Văn phòng")
    ca = Elsewhere()
    data = pem(ca.issue(7, o="Nơi khác"), ca.certificate)
    for dry_run, count in ((True, 0), (False, 1)):
        answer = office.call(
            "POST",
            "/certificates/import",
            files={"file": ("chứng thư.pem", data)},
            data={"organization_id": unit["id"], "dry_run": str(dry_run).lower()},
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["format"] == "pem"
        found = office.call("GET", "/certificates", params={"under": unit["id"]}).json()
        assert len(found["items"]) == count
    (issuer,) = office.call("GET", "/issuers").json()["items"]
    assert issuer["pem"]
    assert office.call("GET", "/status-differences").json()["items"] == []


def test_the_same_key_gives_the_same_import_and_rows_are_paged(office: Office) -> None:
    office.organization(name="Sở Nội vụ")
    data = table([[str(n), f"{n:04x}", *ROW[2:]] for n in range(1, 8)])
    ids = {
        office.call(
            "POST",
            "/certificates/import",
            content=data,
            params={"issuer": "X-CA"},
            headers={**CSV, "Idempotency-Key": "một lần".encode().hex()},
        ).json()["id"]
        for _ in range(2)
    }
    assert len(ids) == 1
    path = f"/imports/{ids.pop()}/rows"
    first = office.call("GET", path, params={"limit": 5}).json()
    second = office.call("GET", path, params={"limit": 5, "cursor": first["next_cursor"]}).json()
    numbers = [row["row"] for row in first["items"] + second["items"]]
    assert numbers == list(range(2, 9))
    assert len(office.call("GET", "/imports").json()["items"]) == 1


def test_a_registrar_of_one_unit_imports_into_that_unit_only(office: Office) -> None:
    mine = office.organization(name="Sở Nội vụ")
    office.organization(name="Sở Tài chính")
    token = office.token((Role.REGISTRAR, mine["id"]))
    other = ["2", "bb", "Trần Văn Ấn", "Sở Tài chính", *ROW[4:]]
    made = imported(office, table([ROW, other]), token=token)
    assert (made["created"], made["failed"]) == (1, 1)
    assert made["problems"][0]["problems"][0]["code"] == "not_permitted"
    stranger = office.token((Role.REGISTRAR, office.organization()["id"]))
    hidden = office.call("GET", f"/imports/{made['id']}", token=stranger)
    assert (hidden.status_code, hidden.json()["code"]) == (404, "import_not_found")
    assert office.call("POST", "/issuers", token=token, json={"name": "X"}).status_code == 403
    signer = office.token((Role.SIGNER, None))
    refused = office.call("POST", "/certificates/import", token=signer, content=b"", headers=CSV)
    assert refused.status_code == 403


@pytest.mark.parametrize(
    ("content", "language", "expected"),
    [
        (b" ", "en", "empty"),
        (b"a,b\n1,2", "vi", "columns_missing"),
        (b"PK\x03\x04", "vi", "damaged"),
    ],
)
def test_a_file_that_is_none_is_a_problem_in_the_callers_language(
    office: Office, content: bytes, language: str, expected: str
) -> None:
    answer = office.call(
        "POST",
        "/certificates/import",
        content=content,
        headers={**CSV, "Accept-Language": language},
    )
    body = answer.json()
    assert (answer.status_code, body["code"]) == (422, "import_unreadable")
    assert expected in body["detail"]
    assert ("Không" in body["detail"]) is (language == "vi")


def test_what_is_not_there_is_not_found(office: Office) -> None:
    nothing = uuid.uuid4()
    for method, path, code in (
        ("GET", f"/imports/{nothing}", "import_not_found"),
        ("GET", f"/imports/{nothing}/rows", "import_not_found"),
        ("PUT", f"/issuers/{nothing}", "issuer_not_found"),
        ("POST", f"/status-differences/{nothing}/accept", "difference_not_found"),
    ):
        answer = office.call(method, path, json={"name": "X"} if method == "PUT" else None)
        assert (answer.status_code, answer.json()["code"]) == (404, code)
