"""A list on the command line: put in by one person, issued by another, in two processes."""

import base64
import getpass
import json
import uuid
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from api.cli import application
from api.commands import issue_processes
from api.models import Role
from ca.models import CertificateRequest
from tests.api.office import ADMINISTRATOR, Json, Office
from tests.ca.house import csr_for, ec_key

ROWS = 9


def table(code: str, *, rows: int = ROWS) -> str:
    lines = ["Mã đơn vị,Họ tên,Số CCCD,Chức vụ,CSR"]
    for number in range(rows):
        encoded = base64.b64encode(csr_for(ec_key())).decode()
        lines.append(f"{code},Nguyễn Văn Đức,{number:012d},Văn thư,{encoded}")
    return "\n".join(lines)


@pytest.fixture
def typed(office: Office, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Commands beside the running server, in its home."""
    settings = office.wiring.settings
    monkeypatch.setenv("ANTIN_HOME", str(settings.home))
    monkeypatch.setenv("ANTIN_DATABASE_URL", office.wiring.url)
    monkeypatch.setenv("ANTIN_PUBLIC_URL", settings.public_url)
    return CliRunner()


def test_a_list_is_put_in_by_one_person_and_issued_by_two_processes_of_another(
    office: Office, typed: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "danh sách.csv"
    file.write_text(table(office.organization()["code"]), encoding="utf-8")
    with monkeypatch.context() as other:
        other.setattr(getpass, "getuser", lambda: "clerk")
        put_in = typed.invoke(application(), ["certificates", "request-many", str(file)])
    assert put_in.exit_code == 0, put_in.output
    ids = put_in.stdout.split()
    assert len(ids) == ROWS
    monkeypatch.setattr(issue_processes, "FROM", 2)
    listed = tmp_path / "ids"
    listed.write_text("\n".join([*ids, str(uuid.uuid4())]))
    command = ["certificates", "issue-batch", str(listed), "--approve", "--json"]
    done = typed.invoke(application(), [*command, "--processes", "2"])
    assert done.exit_code == 1, done.output  # the last id is of no request
    rows = json.loads(done.stdout)
    assert [row["request_id"] for row in rows[:-1]] == ids
    assert [row["problem"] is None for row in rows] == [*[True] * ROWS, False]
    assert len({row["serial_number"] for row in rows[:-1]}) == ROWS
    with office.wiring.sessions() as session:
        states = {session.get_one(CertificateRequest, uuid.UUID(one)).state for one in ids}
    assert {state.value for state in states} == {"issued"}


def test_a_wrong_row_is_told_by_its_number_and_nothing_is_stored(
    office: Office, typed: CliRunner, tmp_path: Path
) -> None:
    file = tmp_path / "list.csv"
    file.write_text(table(office.organization()["code"], rows=2) + "\nX.99,A B,1,,zzz\n")
    told = typed.invoke(application(), ["certificates", "request-many", str(file)])
    assert told.exit_code == 1
    assert "row 4: no organisation “X.99”" in told.stderr
    assert "dòng 4: không có cơ quan" in told.stderr
    with office.wiring.sessions() as session:
        assert session.query(CertificateRequest).count() == 0
    told = typed.invoke(application(), ["certificates", "request-many", str(file), "--json"])
    assert [bool(row["problems"]) for row in json.loads(told.stdout)] == [False, False, True]


def sent(
    office: Office, text: str, *, token: str = ADMINISTRATOR, **headers: str
) -> httpx.Response:
    kind = {"Content-Type": "text/csv; charset=utf-8"}
    path = "/certificate-requests/import"
    return office.call("POST", path, token=token, content=text.encode(), headers=kind | headers)


def stored(office: Office) -> int:
    with office.wiring.sessions() as session:
        return session.query(CertificateRequest).count()


def test_a_list_is_put_in_over_rest_once_for_a_key_and_issued_by_another_person(
    office: Office,
) -> None:
    text = table(office.organization()["code"], rows=3)
    made = sent(office, text, **{"Idempotency-Key": "danh-sach-1"})
    assert (made.status_code, made.json()["stored"]) == (201, 3), made.text
    assert [row["row"] for row in made.json()["items"]] == [2, 3, 4]
    ids = [row["request_id"] for row in made.json()["items"]]
    assert sent(office, text, **{"Idempotency-Key": "danh-sach-1"}).json() == made.json()
    assert sent(office, text).json()["rows"][0]["problems"][0]["code"] == "asked_before"
    assert stored(office) == 3
    before = office.call("GET", f"/certificate-requests/{ids[0]}").json()
    assert (before["certificate_id"], before["issued_certificate_id"]) == (None, None)
    body = {"request_ids": ids}
    issued = office.made("/certificate-requests/approve", body, token=office.second())
    listed = office.call("GET", "/certificate-requests").json()["items"]
    certificates = [item["certificate"]["id"] for item in issued["items"]]
    assert [row["certificate_id"] for row in listed] == certificates
    after = office.call("GET", f"/certificate-requests/{ids[0]}").json()
    assert after["certificate_id"] == after["issued_certificate_id"] == certificates[0]


def test_wrong_rows_come_by_number_in_both_languages_and_nothing_is_stored(
    office: Office,
) -> None:
    text = table(office.organization()["code"], rows=2) + "\nX.99,A B,1,,zzz"
    told = sent(office, text, **{"Accept-Language": "vi"})
    assert (told.status_code, told.json()["code"]) == (422, "rows_refused")
    assert told.headers["content-type"] == "application/problem+json"
    assert told.json()["detail"] == "1 trong 3 dòng có lỗi; chưa lưu dòng nào."
    (row,) = told.json()["rows"]
    assert row["row"] == 4
    assert "no organisation “X.99”" in row["problems"][0]["en"]
    assert "không có cơ quan" in row["problems"][0]["vi"]
    assert stored(office) == 0
    nothing = sent(office, "a,b\n1,2")
    assert (nothing.status_code, nothing.json()["code"]) == (422, "import_unreadable")
    assert "level" in sent_with(office, text, level="B-B")["detail"]


def sent_with(office: Office, text: str, **params: str) -> Json:
    kind = {"Content-Type": "text/csv"}
    path = "/certificate-requests/import"
    answer = office.call("POST", path, content=text.encode(), params=params, headers=kind)
    return dict(answer.json())


def test_a_list_reaches_no_further_than_the_role_of_who_sends_it(office: Office) -> None:
    inside, outside = office.organization(), office.organization()
    registrar = office.token((Role.REGISTRAR, inside["id"]))
    assert sent(office, table(inside["code"], rows=1), token=registrar).status_code == 201
    refused = sent(office, table(outside["code"], rows=1), token=registrar).json()
    assert refused["rows"][0]["problems"][0]["code"] == "not_permitted"
    assert stored(office) == 1
    signer = office.token((Role.SIGNER, inside["id"]))
    assert sent(office, table(inside["code"], rows=1), token=signer).status_code == 403
