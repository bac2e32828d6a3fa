"""Due dates, forms and the way up through the calls."""

import subprocess
from pathlib import Path

from api.models import Role
from tests.api.office import Office


def text_of(content: bytes, path: Path) -> str:
    path.write_bytes(content)
    subprocess.run(["qpdf", "--check", path], check=True, capture_output=True)
    return subprocess.run(["pdftotext", path, "-"], check=True, capture_output=True).stdout.decode()


def test_a_request_shows_its_steps_its_due_date_and_its_form(
    office: Office, tmp_path: Path
) -> None:
    request = office.request()
    path = f"/certificate-requests/{request['id']}"
    shown = office.call("GET", f"{path}/history").json()
    assert [one["state"] for one in shown["steps"]] == ["received"]
    assert shown["routing"]["working_days"] == 3
    assert not shown["overdue"]
    assert office.call("GET", "/certificate-requests/overdue").json()["items"] == []
    form = office.call("GET", f"{path}/form")
    assert form.headers["content-type"] == "application/pdf"
    text = text_of(form.content, tmp_path / "form.pdf")
    for words in ("ĐỀ NGHỊ CẤP MỚI CHỨNG THƯ SỐ", "Nguyễn Văn Đức", "Sở Nội vụ", "Hạn giải quyết"):
        assert words in text


def test_what_was_passed_up_is_decided_above_and_no_longer_below(office: Office) -> None:
    above = office.organization(name="Tỉnh")
    below = office.organization(name="Sở", parent=above["id"])
    request = office.request(organization=below)
    path = f"/certificate-requests/{request['id']}"
    approver = office.token((Role.APPROVER, below["id"]))
    chief = office.token((Role.APPROVER, above["id"]))
    routed = office.made(f"{path}/pass-up", {}, token=approver)
    assert routed["decider_id"] == above["id"]
    refused = office.call("POST", f"{path}/approve", token=approver)
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    approved = office.made(f"{path}/approve", {}, token=chief)
    assert approved["request"]["state"] == "issued"


def test_the_calendar_says_where_each_date_is_from(office: Office) -> None:
    days = office.call("GET", "/calendar/2026").json()["items"]
    tet = next(one for one in days if one["day"] == "2026-02-17")
    assert (tet["kind"], tet["verified"]) == ("holiday", False)
    body = {"kind": "working", "name": "Làm bù", "source": "Công văn 1", "verified": True}
    entered = office.call("PUT", "/calendar/days/2026-08-22", json=body)
    assert entered.status_code == 200
    days = office.call("GET", "/calendar/2026").json()["items"]
    assert {"day": "2026-08-22", **body} in days
