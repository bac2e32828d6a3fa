"""Webhooks: told once the transaction stands, signed, again when not taken, and on request."""

import base64
import hashlib
import hmac
import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from sqlalchemy import text

from api import webhooks, worker
from api.models import Role
from api.models_webhooks import DeliveryState
from db.worker import run_pending
from tests.api.office import Json, Office, empty_pdf

ALL = [
    *("sign.signed", "certificate.issued", "certificate.suspended"),
    *("certificate.restored", "certificate.revoked"),
]


@dataclass
class Receiver:
    """A listening system: what it was sent, and what it answers."""

    url: str
    status: list[int] = field(default_factory=lambda: [204])
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def events(self) -> list[str]:
        return [json.loads(body)["type"] for _, body in self.received]


@contextmanager
def listening() -> Iterator[Receiver]:
    """A receiver on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            heard.received.append(({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(heard.status[0])
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    heard = Receiver(f"http://127.0.0.1:{server.server_port}/nghe?nguon=antin")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield heard
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening() as heard:
        yield heard


def registered(office: Office, receiver: Receiver, events: list[str] | None = None) -> Json:
    return office.made("/webhooks", {"url": receiver.url, "events": events or ALL})


def work(office: Office) -> None:
    """Run the jobs that are due, as the worker does."""
    run_pending(office.wiring.url, worker.handlers(office.wiring))


def listed(office: Office, webhook: Json) -> list[Json]:
    return list(office.call("GET", f"/webhooks/{webhook['id']}/deliveries").json()["items"])


def test_a_receiver_is_told_of_a_whole_life_and_can_check_who_tells(
    office: Office, receiver: Receiver
) -> None:
    webhook = registered(office, receiver)
    certificate = office.certificate()
    path = f"/certificates/{certificate['id']}"
    signed = office.sign(empty_pdf(), certificate_id=certificate["id"], level="B-B")
    for change in ("suspend", "restore", "revoke"):
        office.made(f"{path}/{change}", {})
    assert receiver.received == [], "told before a job delivers"
    work(office)
    assert sorted(receiver.events()) == sorted(ALL)
    key = base64.b64decode(webhook["secret"].removeprefix("whsec_"))
    for headers, body in receiver.received:
        proven = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = base64.b64encode(hmac.new(key, proven, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{expected}"
    told = {json.loads(body)["type"]: json.loads(body)["data"] for _, body in receiver.received}
    assert told["sign.signed"]["sign_request_id"] == signed.headers["x-sign-request-id"]
    assert told["sign.signed"]["document_sha256"] == hashlib.sha256(signed.content).hexdigest()
    assert told["certificate.revoked"]["certificate_id"] == certificate["id"]
    assert {row["state"] for row in listed(office, webhook)} == {"delivered"}


def test_only_what_was_asked_for_is_told(office: Office, receiver: Receiver) -> None:
    registered(office, receiver, ["certificate.revoked"])
    office.certificate()
    work(office)
    assert receiver.received == []


def test_what_is_rolled_back_is_not_told(office: Office, receiver: Receiver) -> None:
    webhook = registered(office, receiver)
    certificate = office.certificate()
    work(office)
    with office.wiring.engine.connect() as connection:
        connection.execute(
            text(
                "INSERT INTO certificate_status_changes (id, certificate_id, at, status, actor)"
                " VALUES (gen_random_uuid(), :id, now(), 'revoked', 'test')"
            ),
            {"id": certificate["id"]},
        )
        connection.rollback()
    work(office)
    assert receiver.events() == ["certificate.issued"]
    assert len(listed(office, webhook)) == 1


def test_what_is_not_taken_is_told_again_later_under_the_same_id(
    office: Office, receiver: Receiver
) -> None:
    webhook = registered(office, receiver, ["certificate.issued"])
    receiver.status[0] = 500
    office.certificate()
    work(office)
    (waiting,) = listed(office, webhook)
    assert (waiting["state"], waiting["attempts"]) == ("waiting", 1)
    assert waiting["last_answer"] == "HTTP 500"
    work(office)
    assert len(receiver.received) == 1, "the next attempt is not due yet"
    receiver.status[0] = 204
    with office.wiring.engine.begin() as connection:
        connection.execute(text("UPDATE procrastinate.procrastinate_jobs SET scheduled_at = now()"))
    work(office)
    assert listed(office, webhook)[0]["state"] == "delivered"
    first, second = (headers["webhook-id"] for headers, _ in receiver.received)
    assert first == second == waiting["id"]


def test_a_receiver_that_stays_away_is_given_up_and_can_have_it_replayed(
    office: Office, receiver: Receiver
) -> None:
    webhook = registered(office, receiver, ["certificate.issued"])
    receiver.status[0] = 302
    office.certificate()
    work(office)
    (row,) = listed(office, webhook)
    wiring, at = office.wiring, office.wiring.clock()
    with wiring.engine.begin() as connection:
        connection.execute(
            text("UPDATE webhook_deliveries SET attempts = :n"), {"n": len(webhooks.WAITS)}
        )
    identifier = uuid.UUID(row["id"])
    state = webhooks.deliver(
        wiring.sessions, wiring.webhook_secrets, identifier, at=at + timedelta(days=1)
    )
    assert state is DeliveryState.FAILED
    receiver.status[0] = 200
    office.made(f"/webhooks/{webhook['id']}/deliveries/{row['id']}/replay", {})
    work(office)
    assert listed(office, webhook)[0]["state"] == "delivered"


def test_a_new_secret_ends_the_old_one_and_a_disabled_address_is_left_alone(
    office: Office, receiver: Receiver
) -> None:
    webhook = registered(office, receiver, ["certificate.issued"])
    renewed = office.made(f"/webhooks/{webhook['id']}/secret", {})
    assert renewed["secret"] != webhook["secret"]
    assert "secret" not in office.call("GET", "/webhooks").json()["items"][0]
    with office.wiring.engine.connect() as connection:
        stored = str(connection.execute(text("SELECT * FROM webhooks")).all())
        logged = str(connection.execute(text("SELECT after FROM audit_log")).all())
    assert renewed["secret"] not in stored + logged
    assert office.call("DELETE", f"/webhooks/{webhook['id']}").json()["disabled_at"]
    office.certificate()
    work(office)
    assert receiver.received == []


@pytest.mark.parametrize(
    "url",
    ["ftp://a/", "http:///a", "https://user:pw@host/", "http://host/#x", "http://ho st/", "x"],
)
def test_an_address_that_cannot_be_posted_to_is_refused(office: Office, url: str) -> None:
    answer = office.call("POST", "/webhooks", json={"url": url, "events": ["sign.signed"]})
    assert (answer.status_code, answer.json()["code"]) == (422, "parameter_invalid")


def test_webhooks_are_for_administrators(office: Office, receiver: Receiver) -> None:
    token = office.token((Role.AUDITOR, None))
    body = {"url": receiver.url, "events": ["sign.signed"]}
    assert office.call("POST", "/webhooks", token=token, json=body).status_code == 403


def test_as_many_webhooks_as_may_be_are_told_and_no_more(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "MAX_WEBHOOKS", 2)
    body = {"url": "http://127.0.0.1:9/", "events": ["sign.signed"]}
    first = office.made("/webhooks", body)
    office.made("/webhooks", body)
    refused = office.call("POST", "/webhooks", json=body)
    assert (refused.status_code, refused.json()["code"]) == (409, "webhooks_full")
    office.call("DELETE", f"/webhooks/{first['id']}")
    office.made("/webhooks", body)
