"""Incidents, batches and lists through their calls; OCSP as other programs ask for it."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from api.models import Role
from ca import authorities, crl, jobs
from tests.api.office import Json, Office, csr_pem
from tests.ca.gnutls import ocsptool
from tests.ca.linters import ocsp_findings
from tests.ca.openssl import openssl


def code(answer: object) -> str:
    return str(answer.json()["code"])  # type: ignore[attr-defined]


def asked_for(office: Office, count: int) -> list[str]:
    unit = office.organization()
    ids = []
    for _ in range(count):
        person = office.subscriber(unit)
        csr = csr_pem(ec.generate_private_key(ec.SECP256R1()))
        body = {"subscriber_id": person["id"], "csr": csr}
        ids.append(office.made("/certificate-requests", body)["id"])
    return ids


def test_many_requests_are_approved_together_and_each_has_its_own_outcome(office: Office) -> None:
    ids = asked_for(office, 3)
    path, missing = "/certificate-requests/approve", "00000000-0000-7000-8000-000000000000"
    second = office.second()
    done = office.made(path, {"request_ids": [*ids, missing]}, token=second)
    assert (done["issued"], done["failed"]) == (3, 1)
    assert [item["request_id"] for item in done["items"]] == [*ids, missing]
    assert done["items"][3]["problem"]["code"] == "request_not_found"
    for item in done["items"][:3]:
        assert item["certificate"]["status"] == "active"
        assert item["certificate"]["pem"].startswith("-----BEGIN")
    own = office.call("POST", path, json={"request_ids": asked_for(office, 1)})
    problem = own.json()["items"][0]["problem"]
    assert problem["code"] == "self_approval"
    again = office.made(path, {"request_ids": ids}, token=second)
    assert (again["issued"], again["failed"]) == (0, 3)


def test_a_repeated_key_gives_the_same_certificates(office: Office) -> None:
    body, second = {"request_ids": asked_for(office, 2)}, office.second()
    sent = {"json": body, "headers": {"Idempotency-Key": "batch-1"}}
    first, repeated = (
        office.call("POST", "/certificate-requests/approve", token=second, **sent)  # type: ignore[arg-type]
        for _ in range(2)
    )
    assert first.json() == repeated.json()
    assert first.json()["issued"] == 2


def test_a_unit_is_ended_by_one_incident_after_a_dry_run(office: Office) -> None:
    certificate = office.certificate()
    unit = certificate["organization_id"]
    body: Json = {
        "target": "organization",
        "target_id": unit,
        "reason": "cessation_of_operation",
        "note": "sáp nhập theo nghị quyết",
    }
    counted = office.call("POST", "/incidents", json={**body, "dry_run": True})
    assert counted.status_code == 200
    assert (counted.json()["certificates"], counted.json()["by_kind"]) == (1, {"personal": 1})
    assert office.call("GET", f"/certificates/{certificate['id']}").json()["status"] == "active"
    done = office.made("/incidents", body)
    assert (done["state"], done["revoked"], done["waiting"]) == ("done", 1, 0)
    shown = office.call("GET", f"/certificates/{certificate['id']}").json()
    assert (shown["status"], shown["revocation_reason"]) == ("revoked", "cessation_of_operation")
    items = office.call("GET", f"/incidents/{done['id']}/certificates").json()["items"]
    assert [(item["certificate_id"], item["state"]) for item in items] == [
        (certificate["id"], "revoked")
    ]
    assert office.call("GET", f"/incidents/{done['id']}").json() == done
    assert [one["id"] for one in office.call("GET", "/incidents").json()["items"]] == [done["id"]]


def test_a_decision_for_a_later_day_waits_and_can_be_called_off(office: Office) -> None:
    certificate = office.certificate()
    later = (datetime.now(UTC) + timedelta(days=9)).isoformat()
    body: Json = {
        "target": "list",
        "certificate_ids": [certificate["id"]],
        "reason": "affiliation_changed",
        "note": "nghỉ hưu",
        "effective_at": later,
    }
    planned = office.made("/incidents", body)
    assert (planned["state"], planned["waiting"]) == ("planned", 1)
    called_off = office.made(f"/incidents/{planned['id']}/cancel", {})
    assert called_off["state"] == "cancelled"
    again = office.call("POST", f"/incidents/{planned['id']}/cancel")
    assert (again.status_code, code(again)) == (409, "transition_not_allowed")


@pytest.mark.parametrize(
    ("change", "status", "expected"),
    [
        ({"target_id": "00000000-0000-7000-8000-000000000000"}, 404, "organization_not_found"),
        ({"note": ""}, 422, "incident_invalid"),
        ({"reason": "certificate_hold"}, 422, "incident_invalid"),
        ({"target": "everything"}, 422, "parameter_invalid"),
        ({"effective_at": "2001-01-01T00:00:00Z"}, 422, "incident_invalid"),
    ],
)
def test_a_bad_decision_is_a_problem(
    office: Office, change: Json, status: int, expected: str
) -> None:
    unit = office.organization()
    body: Json = {
        "target": "organization",
        "target_id": unit["id"],
        "reason": "superseded",
        "note": "x",
        **change,
    }
    answer = office.call("POST", "/incidents", json=body)
    assert (answer.status_code, code(answer)) == (status, expected)


def test_an_incident_reaches_only_as_far_as_the_role(office: Office) -> None:
    certificate = office.certificate()
    elsewhere = office.organization()
    token = office.token((Role.APPROVER, elsewhere["id"]))
    body = {
        "target": "list",
        "certificate_ids": [certificate["id"]],
        "reason": "superseded",
        "note": "x",
    }
    for dry_run in (True, False):
        answer = office.call("POST", "/incidents", token=token, json={**body, "dry_run": dry_run})
        assert (answer.status_code, code(answer)) == (403, "permission_denied")


def test_every_kind_of_list_is_fetched_where_certificates_say(office: Office) -> None:
    wiring = office.wiring
    with wiring.sessions.begin() as session:
        issuing = authorities.issuing(session)
        at = wiring.clock()
        crl.set_shards(session, authority=issuing, shards=2, keys=wiring.keys, at=at, actor="test")
    certificate = office.certificate()
    office.made(f"/certificates/{certificate['id']}/revoke", {})
    read = x509.load_pem_x509_certificate(certificate["pem"].encode())
    points = read.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    path = (points[0].full_name or [])[0].value.removeprefix("http://127.0.0.1:8000")
    shard = int(path.removeprefix("/pki/issuing/").removesuffix(".crl"))
    payload = {"authority_id": str(issuing.id), "shard": shard}
    jobs.publish_crl(wiring.sessions, wiring.keys, wiring.clock(), payload)
    for where in (path, "/pki/issuing.crl"):
        fetched = office.http.get(where)
        assert fetched.headers["content-type"] == "application/pkix-crl"
        found = x509.load_der_x509_crl(fetched.content)
        assert found.get_revoked_certificate_by_serial_number(read.serial_number) is not None
        kept = office.http.get(where, headers={"If-None-Match": fetched.headers["etag"]})
        assert kept.status_code == 304
    assert office.http.get("/pki/issuing/delta.crl").status_code == 404
    for odd in ("/pki/issuing/9.crl", "/pki/issuing/x.crl", "/pki/../x", "/pki/issuing.crt"):
        assert office.http.get(odd).status_code == 404


def test_gnutls_and_openssl_accept_every_kind_of_ocsp_answer(
    office: Office, tmp_path: Path
) -> None:
    certificate = office.certificate()
    own = x509.load_pem_x509_certificate(certificate["pem"].encode())
    issuer = x509.load_der_x509_certificate(office.http.get("/pki/issuing.cer").content)
    root = x509.load_der_x509_certificate(office.http.get("/pki/root.cer").content)
    for name, one in (("own", own), ("issuer", issuer), ("root", root)):
        (tmp_path / f"{name}.pem").write_bytes(one.public_bytes(Encoding.PEM))
    chain = (tmp_path / "issuer.pem").read_bytes() + (tmp_path / "root.pem").read_bytes()
    (tmp_path / "chain.pem").write_bytes(chain)
    for status in ("good", "revoked"):
        if status == "revoked":
            office.made(f"/certificates/{certificate['id']}/revoke", {})
        for nonce in (None, os.urandom(16), None):
            builder = ocsp.OCSPRequestBuilder().add_certificate(own, issuer, hashes.SHA1())  # noqa: S303 -- as clients ask
            if nonce is not None:
                builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
            asked = builder.build().public_bytes(Encoding.DER)
            answer = office.http.post("/ocsp", content=asked).content
            file = tmp_path / "answer.der"
            file.write_bytes(answer)
            (tmp_path / "asked.der").write_bytes(asked)
            seen = ocsptool(
                *("--verify-response", "--inder", "--infile", file),
                *("--load-trust", tmp_path / "chain.pem"),
            )
            assert seen.returncode == 0, seen.stdout + seen.stderr
            assert "Success" in seen.stdout
            shown = ocsptool("--response-info", "--inder", "--infile", file)
            assert f"Certificate Status: {status}" in shown.stdout
            checked = openssl(
                *("ocsp", "-respin", file, "-reqin", tmp_path / "asked.der"),
                *("-CAfile", tmp_path / "root.pem", "-verify_other", tmp_path / "issuer.pem"),
            )
            assert "Response verify OK" in checked.stderr
            assert not ocsp_findings(file)


def test_an_abandoned_serial_number_is_answered_as_revoked(office: Office) -> None:
    certificate = office.certificate()
    issuer = x509.load_der_x509_certificate(office.http.get("/pki/issuing.cer").content)
    own = x509.load_pem_x509_certificate(certificate["pem"].encode())
    asked = ocsp.OCSPRequestBuilder().add_certificate(own, issuer, hashes.SHA256()).build()
    with office.wiring.sessions.begin() as session:
        session.connection().exec_driver_sql(
            "UPDATE certificates SET status = 'abandoned' WHERE id = %s", (certificate["id"],)
        )
    answer = office.http.post("/ocsp", content=asked.public_bytes(Encoding.DER))
    read = ocsp.load_der_ocsp_response(answer.content)
    assert read.certificate_status is ocsp.OCSPCertStatus.REVOKED
    assert read.revocation_reason is x509.ReasonFlags.certificate_hold
    assert read.revocation_time_utc == datetime(1970, 1, 1, tzinfo=UTC)
    extended = x509.ObjectIdentifier("1.3.6.1.5.5.7.48.1.9")
    assert extended in {extension.oid for extension in read.extensions}
