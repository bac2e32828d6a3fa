"""Signatures beside any file (`.p7s`) through the doors: at once, later, once, judged, refused."""

import base64
import json
import subprocess
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import text

from tests.api.office import Json, Office, csr_pem, empty_pdf

TABLE = b"PK\x03\x04" + "Danh sách khen thưởng\n".encode() * 300
NAME = "Danh sách.xlsx"
CMS = "application/pkcs7-signature"


def beside(
    office: Office, content: bytes = TABLE, *, key: str | None = None, **options: object
) -> httpx.Response:
    """Ask for a signature beside a file."""
    headers = {} if key is None else {"Idempotency-Key": key}
    data = {"options": json.dumps({"format": "cades", **options})}
    return office.call("POST", "/sign", files={"file": (NAME, content)}, data=data, headers=headers)


def judged(office: Office, signature: bytes, content: bytes = TABLE) -> Json:
    files = {"file": ("a.p7s", signature), "content": (NAME, content)}
    answer = office.call("POST", "/verify", files=files)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def openssl(office: Office, signature: bytes, folder: Path, content: bytes = TABLE) -> str:
    """Let openssl judge below our root; its words."""
    root = office.http.get("/pki/root.cer").content
    (folder / "root.cer").write_bytes(root)
    (folder / "a.p7s").write_bytes(signature)
    (folder / "content").write_bytes(content)
    make = ("openssl", "x509", "-inform", "DER", "-in", "root.cer", "-out", "root.pem")
    subprocess.run(make, cwd=folder, check=True, capture_output=True)
    told = subprocess.run(
        [
            *("openssl", "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", "a.p7s"),
            *("-content", "content", "-CAfile", "root.pem", "-purpose", "any"),
            *("-out", "/dev/null"),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return told.stderr


def signatures(office: Office) -> int:
    with office.wiring.engine.connect() as connection:
        return int(connection.scalar(text("SELECT count(*) FROM signatures")) or 0)


def test_any_file_is_signed_at_every_level_and_openssl_agrees(
    office: Office, tmp_path: Path
) -> None:
    certificate = office.certificate()["id"]
    for level in ("B-B", "B-T", "B-LT", "B-LTA"):
        answer = beside(office, certificate_id=certificate, level=level, check_output=True)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == CMS
        assert "Danh%20s%C3%A1ch.xlsx.p7s" in answer.headers["content-disposition"]
        report = judged(office, answer.content)
        (signature,) = report["signatures"]
        assert (report["indication"], signature["level"]) == ("TOTAL_PASSED", level)
        assert signature["registry"]["certificate_id"] == certificate
        assert openssl(office, answer.content, tmp_path) == "CAdES Verification successful\n"
        assert "failure" in openssl(office, answer.content, tmp_path, TABLE + b" ")
        path = f"/sign/{answer.headers['x-sign-request-id']}/document"
        again = office.call("GET", path)
        assert (again.content, again.headers["content-type"]) == (answer.content, CMS)
    changed = judged(office, answer.content, TABLE + b" ")["signatures"][0]
    assert (changed["indication"], changed["sub_indication"]) == ("TOTAL_FAILED", "HASH_FAILURE")


def test_the_same_key_gives_the_same_signature_and_never_a_second(office: Office) -> None:
    certificate = office.certificate()["id"]
    first = beside(office, key="k", certificate_id=certificate)
    assert first.status_code == 200
    assert beside(office, key="k", certificate_id=certificate).content == first.content
    assert signatures(office) == 1
    for other in (
        beside(office, TABLE + b" ", key="k", certificate_id=certificate),
        beside(office, key="k", certificate_id=certificate, level="B-B"),
    ):
        assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    with office.wiring.engine.connect() as connection:
        actions = connection.execute(
            text("SELECT action FROM audit_log WHERE object_id = :id ORDER BY at, id"),
            {"id": first.headers["x-sign-request-id"]},
        )
        assert sorted(actions.scalars()) == ["sign.prepared", "sign.signed"]


def test_a_holder_signs_a_file_later_and_the_file_is_not_kept(
    office: Office, tmp_path: Path
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = office.certificate(csr=csr_pem(key))["id"]
    waiting = beside(office, certificate_id=certificate, level="B-LTA")
    assert waiting.status_code == 202
    state = waiting.json()
    kept = office.wiring.desk.documents.path(UUID(state["id"]))
    assert kept.stat().st_size == 0
    path = f"/sign/{state['id']}"
    stranger = ec.generate_private_key(ec.SECP256R1())
    to_be_signed = base64.b64decode(state["to_be_signed"])
    forged, raw = (
        {"signature": base64.b64encode(one.sign(to_be_signed, ec.ECDSA(hashes.SHA256()))).decode()}
        for one in (stranger, key)
    )
    refused = office.call("POST", f"{path}/signature", json=forged)
    assert (refused.status_code, refused.json()["code"]) == (422, "signature_unacceptable")
    asked = office.call("POST", f"{path}/signature", json=raw, params={"check_output": True})
    assert (asked.status_code, asked.json()["code"]) == (422, "parameter_invalid")
    assert office.call("GET", path).json()["status"] == "waiting"
    done = office.call("POST", f"{path}/signature", json=raw)
    assert (done.status_code, done.headers["content-type"]) == (200, CMS)
    assert office.call("POST", f"{path}/signature", json=raw).content == done.content
    assert judged(office, done.content)["signatures"][0]["level"] == "B-LTA"
    assert openssl(office, done.content, tmp_path) == "CAdES Verification successful\n"


def test_a_signature_beside_a_file_is_recognised_when_it_is_renewed(office: Office) -> None:
    certificate = office.certificate()["id"]
    first = beside(office, certificate_id=certificate, level="B-T")
    files = {"file": ("a.p7s", first.content), "content": (NAME, TABLE)}
    raised = office.call("POST", "/extend", files=files)
    assert (raised.status_code, raised.headers["x-signature-level"]) == (200, "B-LTA")
    assert judged(office, raised.content)["signatures"][0]["level"] == "B-LTA"
    with office.wiring.engine.connect() as connection:
        levels = connection.execute(
            text("SELECT level FROM document_proofs WHERE sign_request_id = :id ORDER BY made_at"),
            {"id": first.headers["x-sign-request-id"]},
        )
        assert list(levels.scalars()) == ["B-T", "B-LTA"]


@pytest.mark.parametrize(
    "option",
    [
        {"stamp": "standard"},
        {"field": "A"},
        {"page": 1},
        {"box": [1, 2, 3, 4]},
        {"corner": "top-right"},
        {"anchor": "Người ký"},
        {"reason": "duyệt"},
        {"certify": 1},
        {"password": "x"},
        {"format": "xades"},
    ],
    ids=str,
)
def test_what_belongs_to_a_pdf_is_refused_beside_a_file(office: Office, option: Json) -> None:
    answer = beside(office, certificate_id="serial:1", **option)
    assert (answer.status_code, answer.json()["code"]) == (422, "parameter_invalid")
    (name,) = option
    assert name in answer.text


def test_pages_are_previewed_of_a_pdf_only(office: Office) -> None:
    options = {"options": json.dumps({"format": "cades", "certificate_id": "serial:1"})}
    for path in ("/sign/preflight", "/sign/preview", "/sign/batches"):
        name = "files" if path.endswith("batches") else "file"
        answer = office.call("POST", path, files={name: ("a.pdf", empty_pdf())}, data=options)
        assert (answer.status_code, answer.json()["code"]) == (422, "parameter_invalid"), path


def test_an_empty_file_may_be_signed_too(office: Office, tmp_path: Path) -> None:
    answer = beside(office, b"", certificate_id=office.certificate()["id"])
    assert answer.status_code == 200, answer.text
    assert openssl(office, answer.content, tmp_path, b"") == "CAdES Verification successful\n"
    assert judged(office, answer.content, b"")["indication"] == "TOTAL_PASSED"
