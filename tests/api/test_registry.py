"""The registry through its calls: four eyes, statuses, lists, totals."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from tests.api.office import ADMINISTRATOR, Json, Office, csr_pem


def code(answer: object) -> str:
    return str(answer.json()["code"])  # type: ignore[attr-defined]


def test_a_second_person_approves_and_the_certificate_comes_back(office: Office) -> None:
    request = office.request()
    path = f"/certificate-requests/{request['id']}/approve"
    refused = office.call("POST", path)
    assert (refused.status_code, code(refused)) == (403, "self_approval")
    approved = office.made(path, {}, token=office.second())
    certificate = approved["certificate"]
    assert approved["request"]["state"] == "issued"
    assert certificate["status"] == "active"
    assert certificate["key_on_server"]
    parsed = x509.load_pem_x509_certificate(certificate["pem"].encode())
    assert f"{parsed.serial_number:040x}" == certificate["serial_number"]
    again = office.call("POST", path, token=office.second())
    assert (again.status_code, code(again)) == (409, "transition_not_allowed")


def test_a_csr_proves_possession_and_the_server_never_has_the_key(office: Office) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = office.certificate(csr=csr_pem(key))
    assert not certificate["key_on_server"]
    parsed = x509.load_pem_x509_certificate(certificate["pem"].encode())
    assert parsed.public_key() == key.public_key()


def test_a_request_is_returned_or_rejected_with_a_reason(office: Office) -> None:
    request = office.request()
    for step in ("return", "reject"):
        path = f"/certificate-requests/{request['id']}/{step}"
        answer = office.call("POST", path, token=office.second(), json={})
        assert (answer.status_code, code(answer)) == (422, "request_invalid")
    done = office.made(
        f"/certificate-requests/{request['id']}/reject",
        {"note": "thiếu quyết định bổ nhiệm"},
        token=office.second(),
    )
    assert (done["state"], done["decision_note"]) == ("rejected", "thiếu quyết định bổ nhiệm")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"csr": "not a request"}, "csr_unacceptable"),
        ({}, "request_invalid"),
        ({"csr": "x", "key_algorithm": "p-256"}, "request_invalid"),
        ({"key_algorithm": "rsa-1024"}, "parameter_invalid"),
        ({"key_algorithm": "p-256", "profile": "unheard-of"}, "profile_unknown"),
        ({"key_algorithm": "p-256", "colour": "red"}, "parameter_invalid"),
    ],
)
def test_a_bad_request_is_a_problem_and_stores_nothing(
    office: Office, body: Json, expected: str
) -> None:
    person = office.subscriber(office.organization())
    answer = office.call(
        "POST", "/certificate-requests", json={"subscriber_id": person["id"], **body}
    )
    assert (answer.status_code, code(answer)) == (422, expected)
    assert office.call("GET", "/certificate-requests").json()["items"] == []


def test_ocsp_says_revoked_with_the_answer_to_the_revocation(office: Office) -> None:
    certificate = office.certificate()
    assert ocsp_status(office, certificate) == "GOOD"
    revoked = office.made(f"/certificates/{certificate['id']}/revoke", {"reason": "key_compromise"})
    assert (revoked["status"], revoked["revocation_reason"]) == ("revoked", "key_compromise")
    assert ocsp_status(office, certificate) == "REVOKED"
    again = office.call("POST", f"/certificates/{certificate['id']}/revoke", json={})
    assert (again.status_code, code(again)) == (409, "already_revoked")


def test_suspended_and_restored_by_its_serial_number(office: Office) -> None:
    certificate = office.certificate()
    path = f"/certificates/serial:{certificate['serial_number']}"
    assert office.made(f"{path}/suspend", {})["status"] == "suspended"
    assert ocsp_status(office, certificate) == "REVOKED"
    assert office.made(f"{path}/restore", {})["status"] == "active"
    assert ocsp_status(office, certificate) == "GOOD"
    pem = office.call("GET", f"{path}.pem")
    assert pem.text == certificate["pem"]


@pytest.mark.parametrize(
    "name", ["00000000-0000-7000-8000-000000000000", "serial:00ff", "serial:zz", "%2e%2e", "1"]
)
def test_an_unknown_certificate_is_not_found(office: Office, name: str) -> None:
    for method, path in (("GET", ""), ("GET", ".pem"), ("POST", "/revoke")):
        answer = office.call(method, f"/certificates/{name}{path}")
        assert (answer.status_code, code(answer)) == (404, "certificate_not_found")


def test_names_are_found_without_their_marks_page_by_page(office: Office) -> None:
    organization = office.organization()
    names = ["Đặng Thị Hồng", "Đặng Thị Hường", "Nguyễn Ấn"]
    for name in names:
        office.subscriber(organization, name)
    first = office.call("GET", "/subscribers", params={"name": "dang thi", "limit": 1}).json()
    assert [item["full_name"] for item in first["items"]] == names[:1]
    second = office.call(
        "GET",
        "/subscribers",
        params={"name": "dang thi", "limit": 1, "cursor": first["next_cursor"]},
    ).json()
    assert [item["full_name"] for item in second["items"]] == names[1:2]
    assert second["next_cursor"] is None
    wrong = office.call("GET", "/subscribers", params={"cursor": "!"})
    assert (wrong.status_code, code(wrong)) == (422, "parameter_invalid")


def test_totals_reconcile_in_every_group_before_and_after(office: Office) -> None:
    one, two = office.certificate(), office.certificate()
    between = office.made(f"/certificates/{one['id']}/revoke", {})["revoked_at"]
    office.made(f"/certificates/{two['id']}/suspend", {})
    for moment, in_force in ((None, 0), (between, 1)):
        params = {"by": "kind,organization"} | ({"as_of": moment} if moment else {})
        report = office.call("GET", "/reports/certificates", params=params).json()
        assert report["totals"]["in_force"] == in_force
        assert len(report["rows"]) == 2
        for part in (report["totals"], *report["rows"]):
            rest = part["in_force"] + part["suspended"] + part["revoked"] + part["expired"]
            assert part["issued"] == rest
    table = office.call("GET", "/reports/certificates", params={"by": "kind", "format": "csv"})
    assert table.content.startswith(b"\xef\xbb\xbfkind,issued")
    assert code(office.call("GET", "/reports/certificates?by=weather")) == "report_invalid"


def test_a_device_is_taken_in_and_handed_over(office: Office) -> None:
    person = office.subscriber(office.organization())
    device = office.made("/devices", {"kind": "usb_token", "serial_number": "VGCA-0001"})
    path = f"/devices/{device['id']}/state"
    held = office.made(path, {"state": "handed_over", "subscriber_id": person["id"]})
    assert held["subscriber_id"] == person["id"]
    taken = office.call(
        "POST", "/devices", json={"kind": "usb_token", "serial_number": "VGCA-0001"}
    )
    assert (taken.status_code, code(taken)) == (409, "device_taken")


def test_every_change_is_in_an_audit_log_that_is_whole(office: Office) -> None:
    certificate = office.certificate()
    office.made(f"/certificates/{certificate['id']}/revoke", {})
    verdict = office.call("GET", "/audit/verify").json()
    assert verdict["intact"]
    entries = office.call(
        "GET", "/audit", params={"object_id": certificate["id"], "limit": 10}
    ).json()["items"]
    actions = [entry["action"] for entry in entries][::-1]
    assert actions == ["certificate.intend", "certificate.issue", "certificate.revoke"]
    text = office.call("GET", "/audit", params={"limit": 200}).text
    assert ADMINISTRATOR not in text
    assert office.second() not in text


def ocsp_status(office: Office, certificate: Json) -> str:
    own = x509.load_pem_x509_certificate(certificate["pem"].encode())
    issuer = x509.load_der_x509_certificate(office.http.get("/pki/issuing.cer").content)
    request = ocsp.OCSPRequestBuilder().add_certificate(own, issuer, hashes.SHA256()).build()
    answer = office.http.post("/ocsp", content=request.public_bytes(Encoding.DER))
    assert answer.headers["content-type"] == "application/ocsp-response"
    return ocsp.load_der_ocsp_response(answer.content).certificate_status.name
