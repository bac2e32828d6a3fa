"""Channels and the calendar feed through the calls."""

from tests.api.office import Office


def test_the_ends_of_certificates_are_a_calendar_that_programs_read(office: Office) -> None:
    unit = office.organization()
    certificate = office.certificate(organization=unit)
    feed = office.call("GET", "/certificates.ics")
    assert feed.headers["content-type"].startswith("text/calendar")
    assert "BEGIN:VEVENT" not in feed.text  # it ends in five years, beyond what is shown
    header = "Serial,Name,Unit,Issued,Expires"
    data = f"{header}\naa,Nguyễn Thị Đức,Sở Nội vụ,01/01/2024,2027-01-02 08:00"
    made = office.call(
        "POST",
        "/certificates/import",
        content=data.encode(),
        params={"issuer": "X"},
        headers={"Content-Type": "text/csv"},
    )
    assert made.json()["created"] == 1, made.text
    feed = office.call("GET", "/certificates.ics", params={"under": unit["id"]}).text
    lines = feed.split("\r\n")
    assert all(len(line.encode()) <= 75 for line in lines)
    unfolded = feed.replace("\r\n ", "")
    assert "DTSTART;VALUE=DATE:20270102" in unfolded
    assert "SUMMARY:Hết hạn chứng thư số: Nguyễn Thị Đức" in unfolded
    assert certificate["id"] not in feed


def test_a_channel_is_added_once_listed_and_removed(office: Office) -> None:
    unit = office.organization()
    body = {"organization_id": unit["id"], "kind": "email", "target": "vanthu@tinh.vn"}
    made = office.made("/notice-channels", body)
    assert office.made("/notice-channels", body)["id"] == made["id"]
    assert len(office.call("GET", "/notice-channels").json()["items"]) == 1
    wrong = office.call("POST", "/notice-channels", json=body | {"target": "x"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "notice_invalid")
    assert office.call("DELETE", f"/notice-channels/{made['id']}").status_code == 204
    assert office.call("GET", "/notice-channels").json()["items"] == []
