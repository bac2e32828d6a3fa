"""What people send by mistake, to a real server: each a clear problem, nothing stored half."""

import pytest

from tests.api.office import empty_pdf
from tests.journeys.conftest import UPLOAD_LIMIT
from tests.journeys.running import SAMPLE, Office

PDF = SAMPLE.read_bytes()
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffd9")


def test_every_document_that_is_none_is_a_problem_in_the_callers_language(office: Office) -> None:
    certificate = office.certificate(kind="p-256")
    documents = list((office.server.home / "documents").iterdir())
    cases = [
        (b"", "body_missing"),
        (JPEG, "not_a_pdf"),
        (empty_pdf(pages=0), "no_pages"),
        (PDF[: len(PDF) // 3], "damaged_pdf"),
    ]
    for body, code in cases:
        answer = office.first.post(
            "/api/v1/sign",
            params={"certificate_id": certificate["id"]},
            content=body,
            headers={"Content-Type": "application/pdf", "Accept-Language": "vi-VN"},
        )
        assert (answer.status_code, answer.json()["code"]) == (422, code)
        assert answer.headers["content-language"] == "vi"
        assert answer.json()["what_to_do"]
    assert list((office.server.home / "documents").iterdir()) == documents
    assert list((office.server.home / "spool").iterdir()) == []


def test_a_wrong_token_and_an_unknown_certificate_are_told_apart(office: Office) -> None:
    with office.server.caller("wrong") as stranger:
        answer = stranger.post("/api/v1/sign", content=PDF)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    unknown = {"certificate_id": "00000000-0000-7000-8000-000000000000"}
    headers = {"Content-Type": "application/pdf"}
    answer = office.first.post("/api/v1/sign", params=unknown, content=PDF, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "certificate_not_found")


@pytest.mark.token
def test_a_wrong_pin_is_told_and_signs_nothing(office: Office) -> None:
    """The PIN file of the token is replaced under a second server that has not logged in yet."""
    server = office.server
    (pin,) = (server.home / "softhsm" / "pins").glob("*.pin")
    right = pin.read_bytes()
    uri = server.antin("ca", "show", "issuing", "--json")
    assert uri.returncode == 0
    pin.write_bytes(b"0000000000")
    try:
        request = office.ask(kind="p-256")
        refused = server.antin("certificates", "list", "--json")
        assert refused.returncode == 0  # reading needs no key
        key = f"pkcs11:token=antin;type=private?pin-source=file:{pin}"
        done = server.antin("sign", SAMPLE, server.home / "o.pdf", "--key", key)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert not (server.home / "o.pdf").exists()
    finally:
        pin.write_bytes(right)
    approved = office.second.post(f"/api/v1/certificate-requests/{request}/approve")
    assert approved.status_code == 200


def test_an_upload_over_the_limit_is_refused_while_it_is_streamed(office: Office) -> None:
    def endless() -> object:
        for _ in range(UPLOAD_LIMIT // 65536 + 2):
            yield b"%" * 65536

    headers = {"Content-Type": "application/pdf"}
    for path in ("/api/v1/verify", "/api/v1/sign"):
        answer = office.first.post(path, content=endless(), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert list((office.server.home / "spool").iterdir()) == []
