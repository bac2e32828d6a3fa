"""A list on the command line: put in by one person, issued by another, in two processes."""

import base64
import getpass
import json
import uuid
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli import application
from api.commands import issue_processes
from ca.models import CertificateRequest
from tests.api.office import Office
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
