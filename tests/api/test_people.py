"""Posts, delegations and custody through the calls."""

from datetime import UTC, datetime, timedelta

from api.models import Role
from tests.api.office import Json, Office

LONG_AGO = "2020-01-01T00:00:00+07:00"


def test_a_delegation_is_given_listed_and_withdrawn_and_never_passed_on(office: Office) -> None:
    unit = office.organization()
    head, deputy, third = (office.subscriber(unit, f"Nguyễn Văn {n}") for n in ("Một", "Hai", "Ba"))
    for person, title in ((head, "Chủ tịch"), (deputy, "Phó Chủ tịch")):
        post = {
            "organization_id": unit["id"], "title": title, "began_at": LONG_AGO,
            "keeps_others": True,
        }  # fmt: skip
        office.made(f"/subscribers/{person['id']}/posts", post)
    shown = office.call("GET", f"/subscribers/{head['id']}/posts").json()["items"]
    assert {one["title"] for one in shown} == {"Chủ tịch", "Chuyên viên"}
    body: Json = {
        "form": "tuq", "organization_id": unit["id"], "giver_id": head["id"],
        "taker_id": third["id"], "scope": "Ký giấy mời", "began_at": "2021-01-01T00:00:00+07:00",
        "ended_at": "2099-01-01T00:00:00+07:00", "document_reference": "15/UQ",
    }  # fmt: skip
    made = office.made("/delegations", body)
    listed = office.call("GET", "/delegations", params={"taker_id": third["id"]}).json()["items"]
    assert [one["id"] for one in listed] == [made["id"]]
    endless = office.call("POST", "/delegations", json=body | {"ended_at": None})
    assert (endless.status_code, endless.json()["code"]) == (422, "delegation_invalid")
    office.made(f"/delegations/{made['id']}/withdraw", {})
    assert (
        office.call("GET", "/delegations", params={"taker_id": third["id"]}).json()["items"] == []
    )
    assert len(office.call("GET", "/delegations").json()["items"]) == 1
    stranger = office.token((Role.REGISTRAR, office.organization()["id"]))
    assert office.call("POST", "/delegations", token=stranger, json=body).status_code == 403


def test_a_lost_token_is_noted_and_its_certificate_suspended_in_one_step(office: Office) -> None:
    person = office.subscriber(office.organization())
    device = office.made("/devices", {"kind": "usb_token", "serial_number": "VGCA-7"})
    path = f"/devices/{device['id']}/custody"
    step = {"state": "handed_over", "subscriber_id": person["id"]}
    without = office.call("POST", path, json=step)
    assert (without.status_code, without.json()["code"]) == (422, "custody_invalid")
    office.made(path, step | {"minutes": "05/BB-BG"})
    header = "Số serial,Họ tên,Cơ quan,Ngày cấp,Hết hạn,Serial thiết bị"
    data = f"{header}\naa,{person['full_name']},Sở Nội vụ,01/02/2024,01/02/2029,VGCA-7"
    imported = office.call(
        "POST",
        "/certificates/import",
        content=data.encode(),
        params={"issuer": "X-CA"},
        headers={"Content-Type": "text/csv"},
    ).json()
    assert imported["created"] == 1, imported
    lost = office.made(path, {"state": "lost", "note": "mất tại chợ", "suspend_certificates": True})
    assert lost["device"]["state"] == "lost"
    (certificate,) = office.call("GET", "/certificates", params={"device_serial": "VGCA-7"}).json()[
        "items"
    ]
    assert lost["suspended"] == [certificate["id"]]
    assert certificate["status"] == "suspended"
    history = office.call("GET", path).json()["items"]
    assert [one["state"] for one in history] == ["lost", "handed_over"]
    assert history[1]["minutes"] == "05/BB-BG"
    held = office.call("GET", "/devices", params={"state": "lost"}).json()["items"]
    assert [one["id"] for one in held] == [device["id"]]


def test_a_unit_is_found_by_a_name_it_no_longer_has(office: Office) -> None:
    unit = office.organization(name="Sở Thông tin và Truyền thông")
    change = office.call("PATCH", f"/organizations/{unit['id']}", json={"name": "Sở Khoa học"})
    assert change.is_success
    found = office.call("GET", "/organizations-search", params={"name": "truyen thong"}).json()
    assert [one["name"] for one in found["items"]] == ["Sở Khoa học"]
    names = office.call("GET", f"/organizations/{unit['id']}/names").json()["items"]
    assert [one["name"] for one in names] == ["Sở Thông tin và Truyền thông"]


def test_a_retirement_told_in_advance_plans_what_ends_with_it(office: Office) -> None:
    unit = office.organization()
    person = office.subscriber(unit)
    path = f"/subscribers/{person['id']}/posts"
    (post,) = office.call("GET", path).json()["items"]
    registrar = office.token((Role.REGISTRAR, unit["id"]))
    approver = office.token((Role.APPROVER, unit["id"]), (Role.REGISTRAR, unit["id"]))
    end = f"/posts/{post['id']}/end"
    told = office.made(end, {"ended_at": "2099-01-01T00:00:00+07:00"}, token=registrar)
    assert told["incident_id"]
    assert office.call("GET", path).json()["items"][0]["incident_id"] == told["incident_id"]
    soon = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    refused = office.call("POST", end, token=registrar, json={"ended_at": soon})
    assert refused.status_code == 403
    kept = {"ended_at": soon, "revoke_certificates": False}
    assert office.made(end, kept, token=registrar)["incident_id"] is None
    body = {"ended_at": soon, "document_reference": "7/QĐ-UBND"}
    planned = office.made(end, body, token=approver)["incident_id"]
    assert planned != told["incident_id"]
    incident = office.call("GET", f"/incidents/{planned}").json()
    assert (incident["target"], incident["state"]) == ("post", "planned")
    assert incident["document_reference"] == "7/QĐ-UBND"
    assert office.made(f"/incidents/{planned}/cancel", {})["state"] == "cancelled"
