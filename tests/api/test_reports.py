"""Reports through the calls: every number opens its list, in four forms, and frozen."""

import io
import subprocess
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ca.xlsx_table import rows
from tests.api.office import Json, Office
from tests.ca.elsewhere import table

HEADER = ["Số serial", "Họ tên", "Cơ quan", "Ngày cấp", "Hết hạn", "Trạng thái", "Ngày thu hồi"]


def settled(office: Office) -> Json:
    """Import some certificates of three units."""
    units = [office.organization(name=name) for name in ("Sở Nội vụ", "Sở Tài chính", "Xã Một")]
    lines = []
    for number in range(1, 13):
        gone = number % 4 == 0
        lines.append(
            [
                f"{number:04x}", f"Nguyễn Văn {number}", units[number % 3]["name"], "01/02/2024",
                "01/02/2029" if number % 5 else "01/02/2025", "Thu hồi" if gone else "",
                "01/06/2024" if gone else "",
            ]
        )  # fmt: skip
    answer = office.call(
        "POST",
        "/certificates/import",
        content=table(lines, header=HEADER),
        params={"issuer": "VNPT-CA"},
        headers={"Content-Type": "text/csv"},
    )
    assert answer.json()["created"] == 12, answer.text
    return units[0]


def test_every_number_is_a_link_to_the_list_behind_it(office: Office) -> None:
    settled(office)
    as_of = "2026-01-01T00:00:00+07:00"
    for by in ("", "status", "organization,kind", "level", "issuer", "month", "profile"):
        params = {"as_of": as_of, "by": by}
        report = office.call("GET", "/reports/certificates", params=params).json()
        parts = [*report["rows"], {**report["totals"], "links": report["links"]}]
        for part in parts:
            for number, link in part["links"].items():
                if link is None:
                    continue
                listed = office.call("GET", link.removeprefix("/api/v1")).json()
                assert len(listed["items"]) == part[number], (by, number)


def test_the_report_is_had_as_a_workbook_and_as_a_paper_with_a_chart(
    office: Office, tmp_path: Path
) -> None:
    settled(office)
    params = {"by": "organization", "as_of": "2026-01-01T00:00:00+07:00"}
    book = office.call("GET", "/reports/certificates", params=params | {"format": "xlsx"})
    assert book.status_code == 200
    with zipfile.ZipFile(io.BytesIO(book.content)) as archive:
        assert archive.testzip() is None
        assert "inlineStr" in archive.read("xl/worksheets/sheet1.xml").decode()
    found = list(rows(book.content))
    assert found[0][1][:2] == ["organization", "issued"]
    assert found[-1][1][1:] == ["12", "7", "0", "3", "2"]
    paper = office.call("GET", "/reports/certificates", params=params | {"format": "pdf"})
    assert paper.headers["content-type"] == "application/pdf"
    path = tmp_path / "report.pdf"
    path.write_bytes(paper.content)
    subprocess.run(["qpdf", "--check", path], check=True, capture_output=True)
    text = subprocess.run(["pdftotext", path, "-"], check=True, capture_output=True).stdout.decode()
    assert "Biểu đồ theo cơ quan" in text
    assert "đã cấp 4" in text


def test_a_name_that_looks_like_a_formula_stays_a_text(office: Office) -> None:
    unit = office.made("/organizations", {"code": "X.1", "name": "Sở", "level": "=1+1"})
    office.certificate(organization=unit)
    params = {"by": "level", "format": "csv"}
    lines = office.call("GET", "/reports/certificates", params=params).text.splitlines()
    assert lines[1].startswith("'=1+1,")


def test_a_period_is_frozen_and_shown_to_be_reproducible(office: Office) -> None:
    settled(office)
    end = (datetime.now(UTC) - timedelta(days=2)).isoformat()
    body = {"period": "2026-Q1", "as_of": end, "by": ["kind"]}
    frozen = office.made("/reports/snapshots", body)
    assert frozen["totals"]["issued"] == 12
    again = office.call("POST", "/reports/snapshots", json=body)
    assert (again.status_code, again.json()["code"]) == (409, "snapshot_taken")
    shown = office.call("GET", f"/reports/snapshots/{frozen['id']}").json()
    assert shown["reproduces"] is True
    listed = office.call("GET", "/reports/snapshots").json()["items"]
    assert [one["id"] for one in listed] == [frozen["id"]]
    early = office.call("POST", "/reports/snapshots", json=body | {"as_of": "2099-01-01T00:00:00Z"})
    assert (early.status_code, early.json()["code"]) == (422, "report_invalid")
