"""A real server and a phone: killed while the phone is waited for, and its debug log searched."""

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from api.simulator.app import REST_PATH, SOAP_PATH
from hsm.algorithms import KeyAlgorithm
from tests.journeys.running import SAMPLE, Json, Office, made, people, prepared
from tests.pdf.signing_kit import pdfsig
from tests.providers.conftest import AP_ID, AP_PASSWORD, NAME, RELYING_PARTY, World

NUMBER = "+84912345678"
PATIENCE = 120.0  # a job of a killed worker is taken up again after 70 seconds at most
PROVIDERS = """
[sim.viettel]
protocol = "ets102204"
profile = "vietnam"
url = "{soap}"
ap_id = "{ap_id}"
ap_password = "home:pins/ap"
overrides = {{ messaging = "{messaging}" }}

[sim.mid]
protocol = "mobile-id"
url = "{rest}"
relying_party_uuid = "env:MID_RELYING_PARTY"
relying_party_name = "{name}"
can_cancel = true
"""


def set_up(home: Path, world: World, *, messaging: str) -> None:
    text = PROVIDERS.format(
        soap=world.base + SOAP_PATH,
        rest=world.base + REST_PATH,
        ap_id=AP_ID,
        name=NAME,
        messaging=messaging,
    )
    (home / "pins").mkdir(exist_ok=True)
    (home / "pins" / "ap").write_text(AP_PASSWORD)
    (home / "providers.toml").write_text(text, encoding="utf-8")


T = TypeVar("T")


def until(found: Callable[[], T], wanted: Callable[[T], bool] = bool) -> T:
    deadline = time.monotonic() + PATIENCE
    while not wanted(result := found()):
        assert time.monotonic() < deadline, f"it did not come: {result}"
        time.sleep(0.1)
    return result


def ended(client: httpx.Client, request_id: str) -> Json:
    """Wait until a request is over."""
    return until(lambda: standing(client, request_id), lambda row: row["status"] != "waiting")


def enrolled(office: Office, world: World) -> str:
    """Give a SIM's key a certificate, and say where the key is."""
    phone = world.operator.add_phone(NUMBER, algorithm=KeyAlgorithm.P_256)
    csr = httpx.get(f"{world.base}/phone/{NUMBER}/request.pem", timeout=60, trust_env=False).text
    person = {"organization_id": office.organization["id"], "full_name": "Trần Văn An"}
    subscriber = made(office.first, "/subscribers", {**person, "post": "Phó Chủ tịch"})
    request = made(
        office.first, "/certificate-requests", {"subscriber_id": subscriber["id"], "csr": csr}
    )
    approved = made(office.second, f"/certificate-requests/{request['id']}/approve", {})
    identifier = str(approved["certificate"]["id"])
    pem = office.first.get(f"/api/v1/certificates/{identifier}.pem").content
    world.operator.put_certificate(phone.msisdn, _der(pem))
    return identifier


def _der(pem: bytes) -> bytes:
    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


def addressed(office: Office, certificate: str, address: str) -> None:
    answer = office.first.put(f"/api/v1/certificates/{certificate}/key", json={"key": address})
    assert answer.status_code == 200, answer.text


def start(client: httpx.Client, certificate: str, **options: object) -> Json:
    answer = client.post(
        "/api/v1/sign",
        params={"certificate_id": certificate, "level": "B-B", **options},  # type: ignore[dict-item]
        content=SAMPLE.read_bytes(),
        headers={"Content-Type": "application/pdf"},
    )
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def standing(client: httpx.Client, request_id: str) -> Json:
    return dict(client.get(f"/api/v1/sign/{request_id}").json())


def question_recorded(client: httpx.Client) -> None:
    """Wait until the server knows that it has asked: before that, a killed one asks again."""
    until(lambda: client.get("/api/v1/audit", params={"action": "prompt.asked"}).json()["items"])


def signed(client: httpx.Client, request_id: str, path: Path) -> bool:
    assert ended(client, request_id)["status"] == "signed"
    path.write_bytes(client.get(f"/api/v1/sign/{request_id}/document").content)
    return pdfsig(path).valid == 1


@pytest.mark.slow
def test_a_server_killed_while_a_phone_is_waited_for_loses_nothing_and_logs_no_secret(
    world: World, tmp_path: Path
) -> None:
    # not below pytest's directory: started by root, the database runs as a user who must get there
    home = Path(tempfile.mkdtemp(prefix="antin-journey-"))
    set_up(home, world, messaging="asynchClientServer")
    server = prepared(home, ANTIN_LOG_LEVEL="debug", MID_RELYING_PARTY=RELYING_PARTY)
    phone = world.operator
    server.start()
    try:
        with people(server) as office:
            certificate = enrolled(office, world)
            addressed(office, certificate, f"sim:viettel/{NUMBER}")
            request = start(office.first, certificate)
            assert request["status"] == "waiting"
            (asked,) = until(lambda: phone.waiting(NUMBER))
            assert request["verification_code"] in asked.asked.text
            question_recorded(office.first)
            server.kill()
            phone.enter_pin(asked.id, "1234")
            set_up(home, world, messaging="synch")
            server.start()
            assert signed(office.first, request["id"], tmp_path / "one.pdf")

            addressed(office, certificate, f"sim:mid/{NUMBER}")
            refused = start(office.first, certificate)
            (asked,) = until(lambda: phone.waiting(NUMBER))
            phone.refuse(asked.id)
            row = ended(office.first, refused["id"])
            assert row["error_code"] == "user_cancelled"
            assert row["reason"]["vi"] == "Người ký đã từ chối ký"
            taken_back = start(office.first, certificate)
            until(lambda: phone.waiting(NUMBER))
            assert office.first.delete(f"/api/v1/sign/{taken_back['id']}").status_code == 200
            until(lambda: phone.waiting(NUMBER), lambda waiting: not waiting)

            addressed(office, certificate, f"sim:viettel/{NUMBER}")
            held = [start(office.first, certificate, hold="true")["id"] for _ in range(2)]
            answer = office.first.post("/api/v1/sign/ask", json={"requests": held})
            assert answer.status_code == 202, answer.text
            (asked,) = until(lambda: phone.waiting(NUMBER))
            phone.enter_pin(asked.id, "1234")
            assert all(signed(office.first, one, tmp_path / "n.pdf") for one in held)
        server.stop()
        log = server.log.read_text()
    finally:
        server.kill()
        shutil.rmtree(home, ignore_errors=True)
    assert "signing.collect" in log, "the log is a full one"
    for secret in (AP_PASSWORD, RELYING_PARTY, "AP_PWD", "relyingPartyUUID", "SAD"):
        assert secret not in log
