"""Channels and the calendar feed through the calls."""

import base64
import hashlib
import hmac
import ipaddress
import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from api import notice_posts
from ca.models_notices import ChannelKind
from ca.notices import Ending, Message, Undeliverable
from hsm.secret import Secret
from tests.api.office import Office
from tests.api.test_webhooks import listening

IN_A_WEEK = datetime(2026, 3, 9, tzinfo=UTC)


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
    assert made["secret"] is None
    assert office.made("/notice-channels", body)["id"] == made["id"]
    assert len(office.call("GET", "/notice-channels").json()["items"]) == 1
    wrong = office.call("POST", "/notice-channels", json=body | {"target": "x"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "notice_invalid")
    assert office.call("DELETE", f"/notice-channels/{made['id']}").status_code == 204
    assert office.call("GET", "/notice-channels").json()["items"] == []


def test_a_notice_to_a_webhook_is_signed_for_everyone_who_was_told_a_secret(
    office: Office,
) -> None:
    with listening() as receiver:
        units = [office.organization(name=name) for name in ("Sở Nội vụ", "Sở Tài chính")]
        body = {"kind": "webhook", "target": receiver.url}
        made = [
            office.made("/notice-channels", body | {"organization_id": unit["id"]})
            for unit in units
        ]
        shared = [Secret(channel["secret"]) for channel in made]
        assert shared[0] != shared[1]
        assert "secret" not in office.call("GET", "/notice-channels").json()["items"][0]
        in_a_week = Ending(uuid.uuid4(), "0a", "Đỗ Văn A", "Sở Nội vụ", IN_A_WEEK, 7)
        allowed = (ipaddress.ip_network("127.0.0.0/8"),)
        office.wiring.settings = replace(office.wiring.settings, status_networks=allowed)
        transport = notice_posts.transports(office.wiring)[ChannelKind.WEBHOOK]
        message = Message("m-1", receiver.url, (in_a_week,))
        transport.send(message)
        ((headers, sent),) = receiver.received
        assert json.loads(sent)["data"]["certificates"][0]["common_name"] == "Đỗ Văn A"
        assert headers["webhook-id"] == "m-1"
        signatures = headers["webhook-signature"].split()
        for secret in shared:
            key = base64.b64decode(secret.reveal_text().removeprefix("whsec_"))
            signed = f"m-1.{headers['webhook-timestamp']}.".encode() + sent
            digest = hmac.new(key, signed, hashlib.sha256).digest()
            assert f"v1,{base64.b64encode(digest).decode()}" in signatures
        receiver.status[0] = 302
        with pytest.raises(Undeliverable):
            transport.send(message)
        for channel in made:
            office.call("DELETE", f"/notice-channels/{channel['id']}")
        with pytest.raises(Undeliverable, match="no channel"):
            transport.send(message)
        again = office.made("/notice-channels", body | {"organization_id": units[0]["id"]})
        assert Secret(again["secret"]) not in shared
