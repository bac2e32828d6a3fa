"""Two servers on one database and one token: each sees at once what the other has committed."""

import threading

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from tests.journeys.running import SAMPLE, Json, Office, Running, made, prepared


@pytest.mark.token
def test_a_second_server_joins_and_leaves_while_the_first_goes_on(office: Office) -> None:
    first = office.server
    second = prepared(first.home)
    second.token = first.token
    second.start()
    try:
        assert "first run" not in second.log.read_text()
        certificate = office.certificate(kind="p-256")
        assert status(second, certificate) == "GOOD"
        made(office.first, f"/certificates/{certificate['id']}/suspend", {})
        assert status(second, certificate) == "REVOKED"
        with second.caller() as there:
            made(there, f"/certificates/{certificate['id']}/restore", {})
            assert status(first, certificate) == "GOOD"
            sign_at_both(office.first, there, certificate)
    finally:
        assert second.stop() == 0
    assert httpx.get(f"{first.base}/readyz", timeout=60, trust_env=False).status_code == 200
    verdict = office.first.get("/api/v1/audit/verify").json()
    assert verdict["intact"]


def sign_at_both(one: httpx.Client, other: httpx.Client, certificate: Json) -> None:
    """Send the same request with the same key to both at the same time: one signature."""
    found: list[httpx.Response] = []

    def send(client: httpx.Client) -> None:
        while True:
            answer = client.post(
                "/api/v1/sign",
                params={"certificate_id": certificate["id"]},
                content=SAMPLE.read_bytes(),
                headers={"Content-Type": "application/pdf", "Idempotency-Key": certificate["id"]},
            )
            if answer.status_code != 409:
                found.append(answer)
                return
            assert answer.json()["code"] == "idempotency_in_progress"

    threads = [threading.Thread(target=send, args=(client,)) for client in (one, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in found] == [200, 200]
    assert len({answer.content for answer in found}) == 1
    assert len({answer.headers["x-sign-request-id"] for answer in found}) == 1


def status(server: Running, certificate: Json) -> str:
    own = x509.load_pem_x509_certificate(certificate["pem"].encode())
    cer = httpx.get(f"{server.base}/pki/issuing.cer", timeout=60, trust_env=False).content
    issuer = x509.load_der_x509_certificate(cer)
    request = ocsp.OCSPRequestBuilder().add_certificate(own, issuer, hashes.SHA256()).build()
    body = request.public_bytes(Encoding.DER)
    answer = httpx.post(f"{server.base}/ocsp", content=body, timeout=60, trust_env=False)
    return ocsp.load_der_ocsp_response(answer.content).certificate_status.name
